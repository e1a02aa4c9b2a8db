//! The CustomResourceDefinition as a YAML file.

use crate::api::crd;

const HEAD: &str =
    "# Written by `tidegate generate crd`. Do not edit: change the types and rules in src/api instead.\n";

pub(super) fn yaml() -> anyhow::Result<String> {
    Ok(format!("{HEAD}{}", serde_saphyr::to_string(&crd::crd()?)?))
}

//! Which Releases of other namespaces a workload, Service, CronJob, Job or Namespace lets in.

use super::{NsName, annotation};
use std::collections::BTreeMap;

/// Entries of one object that are looked at.
const MOST: usize = 100;

/// The entries of `tidegate.dev/allow-from`: `<namespace>/<release>` or `<namespace>/*`.
pub fn entries(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let value = annotations.get(annotation::ALLOW_FROM).map(String::as_str).unwrap_or_default();
    value.split(',').map(str::trim).filter(|e| !e.is_empty()).take(MOST).map(str::to_owned).collect()
}

/// Whether one of `entries` lets `release` in.
pub fn given(entries: &[String], release: &NsName) -> bool {
    entries
        .iter()
        .filter_map(|e| e.split_once('/'))
        .any(|(namespace, name)| namespace == release.namespace && (name == "*" || name == release.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_given_by_name_or_by_namespace() {
        let release = NsName::new("shop", "checkout");
        for (text, given_) in [
            ("shop/checkout", true),
            ("other/x, shop/* ,", true),
            ("shop", false),
            ("*/checkout", false),
            ("*", false),
            ("shop/check", false),
            ("shopping/checkout", false),
            ("", false),
        ] {
            let annotations = [(annotation::ALLOW_FROM.to_owned(), text.to_owned())].into();
            assert_eq!(given(&entries(&annotations), &release), given_, "{text:?}");
        }
    }
}

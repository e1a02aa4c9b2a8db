//! What is secret stays it.

use crate::support::oracle::{History, Violation};
use k8s_openapi::ByteString;
use std::collections::BTreeSet;

/// Shorter values would be found by chance.
const SHORTEST: usize = 6;

/// No value of a Secret stands in a status, an event, or a line of a controller's log.
pub(super) fn none_told(h: &History) -> Vec<Violation> {
    let secrets = values(h);
    if secrets.is_empty() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    let told = h.versions.iter().filter(|v| v.ours() || v.key.resource == "events");
    for version in told {
        let text = match version.key.is_release() {
            true => version.value["status"].to_string(),
            false => version.value.to_string(),
        };
        if secrets.iter().any(|s| text.contains(s)) {
            broken.push(Violation::at(version.revision, format!("{} tells a secret", version.key)));
        }
    }
    if secrets.iter().any(|s| h.sources.logs.contains(s)) {
        broken.push(Violation::at(0, "a log tells a secret"));
    }
    broken
}

/// The values of all Secrets, but for the tokens of ServiceAccounts.
fn values(h: &History) -> BTreeSet<String> {
    let secrets = h.versions.iter().filter(|v| v.key.resource == "secrets" && !v.gone());
    let secrets = secrets.filter(|v| v.value["type"] != "kubernetes.io/service-account-token");
    let data = secrets.flat_map(|v| v.value["data"].as_object().into_iter().flat_map(|d| d.values()).cloned());
    let bytes = data.filter_map(|v| serde_json::from_value::<ByteString>(v).ok());
    let texts = bytes.filter_map(|b| String::from_utf8(b.0).ok());
    texts.filter(|t| t.len() >= SHORTEST).collect()
}

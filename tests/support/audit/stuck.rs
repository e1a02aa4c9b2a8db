//! A pod is deleted once, and only after a stored status said that it will be.

use super::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    // When a status first named a pod, by its uid.
    let mut named = BTreeMap::<String, &str>::new();
    for r in records.iter().filter(|r| r.by_controller() && r.done() && r.of("releases", "status")) {
        for uid in pods(&r.response) {
            let first = named.entry(uid).or_insert(&r.at);
            *first = (*first).min(r.at.as_str());
        }
    }
    let mut deleted = BTreeSet::new();
    let mut complaints = Vec::new();
    for r in records.iter().filter(|r| r.by_controller() && r.done() && r.of("pods", "") && r.verb == "delete") {
        let uid = r.request["preconditions"]["uid"].as_str().unwrap_or_default().to_owned();
        if named.get(&uid).is_none_or(|at| *at >= r.at.as_str()) {
            complaints.push(format!("{r}: no status said before that it would be deleted"));
        }
        if !deleted.insert(uid) {
            complaints.push(format!("{r}: was deleted before"));
        }
    }
    complaints
}

fn pods(release: &Value) -> Vec<String> {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let stages = list(&release["status"]["rollout"]["stages"]);
    let targets = stages.iter().flat_map(|s| list(&s["targets"]));
    let pods = targets.flat_map(|t| list(&t["stuckPods"]));
    pods.filter_map(|p| p["uid"].as_str().map(str::to_owned)).collect()
}

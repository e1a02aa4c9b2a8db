//! An event for each phase that a stored status enters, and none that no stored status announced.

use super::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut latest = BTreeMap::<String, Value>::new();
    for r in records.iter().filter(|r| r.done() && r.response["kind"] == "Release") {
        let uid = r.response["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let status = &r.response["status"];
        let before = latest.insert(uid, status.clone()).unwrap_or_default();
        let entered = before["phase"] != status["phase"] && !status["phase"].is_null();
        if r.by_controller() && entered && before["announced"] == status["announced"] {
            complaints.push(format!("{r}: went from {} to {} and tells nobody", before["phase"], status["phase"]));
        }
    }
    let announced = announced(records);
    let published = events(records).filter(|r| r.done());
    complaints.extend(published.filter(|r| !announced.contains(&name(r))).map(|r| {
        let (name, reason) = (name(r), &r.request["reason"]);
        format!("event {name:?} ({reason}) was announced by no stored status")
    }));
    complaints
}

/// What was announced, and not even tried to be published.
pub(super) fn untold(records: &[Record]) -> Vec<String> {
    // Refused for want of rights, an event has no name in the log.
    if events(records).any(|r| r.response_status.code == 403) {
        return Vec::new();
    }
    let tried: BTreeSet<_> = events(records).map(name).collect();
    announced(records).difference(&tried).cloned().collect()
}

fn events(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|r| r.by_controller() && r.of("events", ""))
}

fn name(r: &Record) -> String {
    r.request["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn announced(records: &[Record]) -> BTreeSet<String> {
    let stored = records.iter().filter(|r| r.by_controller() && r.done() && r.of("releases", "status"));
    let all = stored.flat_map(|r| r.response["status"]["announced"].as_array().into_iter().flatten());
    all.filter_map(|a| a["name"].as_str().map(str::to_owned)).collect()
}

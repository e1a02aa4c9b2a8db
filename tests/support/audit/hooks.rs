//! Each hook has one Job for ever, and a stored status intended it before it was there.

use super::Record;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut intended, mut made) = (BTreeSet::<String>::new(), BTreeSet::<String>::new());
    for r in records.iter().filter(|r| r.done()) {
        if r.response["kind"] == "Release" {
            let stages = r.response["status"]["rollout"]["stages"].as_array().into_iter().flatten();
            let lists = stages.flat_map(|s| [&s["hooks"], &s["onRollback"]]);
            let hooks = lists.flat_map(|list| list.as_array().into_iter().flatten());
            intended.extend(hooks.filter_map(|h| h["effect"].as_str().map(str::to_owned)));
        }
        let effect = effect(&r.request);
        if !(r.by_controller() && r.of("jobs", "") && r.verb == "create" && of_hook(&effect)) {
            continue;
        }
        if !intended.contains(&effect) {
            complaints.push(format!("{r}: {effect} was intended by no stored status"));
        }
        if !made.insert(effect.clone()) {
            complaints.push(format!("{r}: {effect} was begun twice"));
        }
    }
    complaints
}

fn effect(job: &Value) -> String {
    job["metadata"]["annotations"]["tidegate.dev/effect"].as_str().unwrap_or_default().to_owned()
}

fn of_hook(effect: &str) -> bool {
    effect.ends_with("/run") || effect.ends_with("/undo")
}

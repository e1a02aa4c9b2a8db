//! A rollout ends once and writes nothing after it; a status is written only to say something new; the spec is people's.

use super::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::RolloutId;
use tidegate::api::annotation::STAMP;
use tidegate::api::effect::Stamp;

/// A rollout: uid of its Release, and id.
type Key = (String, String);

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut ended = BTreeSet::<Key>::new();
    let mut latest = BTreeMap::<String, Value>::new();
    for r in records.iter().filter(|r| r.done()) {
        if r.response["kind"] == "Release" {
            let uid = r.response["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            if r.by_controller() {
                complaints.extend(speaks(r, &uid, latest.get(&uid), &ended));
            }
            if r.by_controller() && r.response["status"]["rollout"]["step"] == "Ended" {
                ended.insert((uid.clone(), rollout(&r.response)));
            }
            latest.insert(uid, r.response.clone());
        } else if r.by_controller() && r.workload().is_some() {
            let writer = writer(r).filter(|key| ended.contains(key));
            complaints.extend(writer.map(|(_, id)| format!("{r}: rollout {id} had ended")));
        }
    }
    complaints
}

/// What is wrong with a write to a Release.
fn speaks(r: &Record, uid: &str, before: Option<&Value>, ended: &BTreeSet<Key>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(before) = before else { return wrong };
    if before["spec"] != r.response["spec"] {
        wrong.push(format!("{r}: changed the spec"));
    }
    if r.object_ref.subresource != "status" {
        return wrong;
    }
    if before["status"] == r.response["status"] {
        wrong.push(format!("{r}: says nothing new"));
    }
    let id = rollout(&r.response);
    let resumed = r.response["status"]["rollout"]["step"] != "Ended" && ended.contains(&(uid.to_owned(), id.clone()));
    if resumed {
        wrong.push(format!("{r}: rollout {id} had ended"));
    }
    wrong
}

fn rollout(release: &Value) -> String {
    release["status"]["rollout"]["id"].as_str().unwrap_or_default().to_owned()
}

fn writer(r: &Record) -> Option<Key> {
    let stamp: Stamp = serde_json::from_str(r.request["metadata"]["annotations"][STAMP].as_str()?).ok()?;
    let parts = stamp.effect.parts()?;
    let id: RolloutId = parts.rollout;
    Some((parts.uid, id.to_string()))
}

//! A violation as people read it: the rule, what stands around it, and how to see it again.

use super::version::Version;
use super::{History, Violation, images};
use serde_json::Value;
use std::fmt::Write as _;

/// So many versions are shown before and after the one in question.
const AROUND: usize = 4;
/// So many changes are named of one version.
const CHANGES: usize = 6;

/// The whole complaint. `scene`: whose history it is; `again`: what plays it once more.
pub fn report(history: &History, found: &[(&str, Violation)], scene: &str, again: &str) -> String {
    let mut text = format!("{scene} broke its promises; to see it again:\n    {again}\n");
    for (rule, violation) in found {
        let _ = writeln!(text, "\n{rule}: at revision {}: {}", violation.revision, violation.says);
        text += &around(history, violation.revision);
    }
    text
}

/// The versions around `revision` of Releases, workloads and Jobs, and whatever else has that revision.
fn around(history: &History, revision: u64) -> String {
    if revision == 0 {
        return String::new();
    }
    let telling = |v: &&Version| {
        v.revision == revision || v.key.is_release() || v.key.resource == "jobs" || (v.key.is_workload() && told(v))
    };
    let all: Vec<&Version> = history.versions.iter().filter(telling).collect();
    let at = all.partition_point(|v| v.revision < revision);
    let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(all.len()));
    all[from..to].iter().map(|v| line(history, v, revision)).collect()
}

/// Status updates by the workload's own controller say little.
fn told(v: &Version) -> bool {
    v.by.as_ref().is_none_or(|b| !b.user.starts_with("system:kube-"))
}

fn line(history: &History, v: &Version, revision: u64) -> String {
    let mark = if v.revision == revision { ">" } else { " " };
    let who = v.by.as_ref().map_or("somebody", |b| if b.ours { "controller" } else { b.user.as_str() });
    let at = v.by.as_ref().map(|b| b.begun.to_string()).unwrap_or_default();
    format!("{mark} {} {at} {who}: {}: {}\n", v.revision, v.key, changed(history.before(v), v))
}

fn changed(before: Option<&Version>, v: &Version) -> String {
    if v.gone() {
        return "gone".to_owned();
    }
    let Some(before) = before else { return format!("created; {}", gist(&v.value)) };
    let mut changes = Vec::new();
    compare("", &before.value, &v.value, &mut changes);
    let more = changes.len().saturating_sub(CHANGES);
    changes.truncate(CHANGES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}; {}{more}", gist(&v.value), changes.join(", "))
}

fn gist(object: &Value) -> String {
    match object["kind"].as_str() {
        Some("Release") => {
            let (status, rollout) = (&object["status"], &object["status"]["rollout"]);
            format!("{} {} {}", status["phase"], rollout["id"], rollout["step"])
        }
        Some("Deployment" | "StatefulSet" | "DaemonSet") => format!("{:?}", images(object)),
        _ => String::new(),
    }
}

/// Which leaves differ, each with what it is now.
fn compare(path: &str, before: &Value, now: &Value, changes: &mut Vec<String>) {
    if before == now || path.ends_with("/managedFields") {
        return;
    }
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&format!("{path}/{key}"), &before[key.as_str()], &now[key.as_str()], changes);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{i}"), a, b, changes);
            }
        }
        _ => {
            let text: String = now.to_string().chars().take(80).collect();
            changes.push(format!("{path}={text}"));
        }
    }
}

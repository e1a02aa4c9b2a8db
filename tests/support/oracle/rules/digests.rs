//! A tag may move; what was verified is a digest.

use super::verified::newly_verified;
use crate::support::oracle::{History, Key, Moment, Version, Violation, workload_key};
use serde_json::Value;
use tidegate::api::Digest;
use tidegate::api::status::{ContainerImage, Rollout, StageState};

/// What a rollout's image is does not change in it.
pub(super) fn one_digest(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps() {
            let (Some(was), Some(is)) = (&before.status.rollout, &now.status.rollout) else { continue };
            if was.id == is.id && was.digest.is_some() && was.digest != is.digest {
                let says = format!("the digest of rollout {} went from {:?} to {:?}", is.id, was.digest, is.digest);
                broken.push(Violation::at(now.revision, says));
            }
        }
    }
    broken
}

/// When a stage is verified, the ready pods of its targets run the digest that its rollout is known by.
pub(super) fn digest_that_runs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (_, now, rollout, stage) in newly_verified(h) {
        let Some(digest) = &rollout.digest else { continue };
        let others = foreign_digests(h, now, rollout, stage, digest);
        broken.extend(others.into_iter().map(|says| Violation::at(now.revision, says)));
    }
    broken
}

fn foreign_digests(h: &History, now: &Moment, rollout: &Rollout, stage: &StageState, digest: &Digest) -> Vec<String> {
    let index = now.status.indexes.iter().find(|i| i.digest == *digest);
    if index.is_some_and(|i| i.partial) {
        return Vec::new();
    }
    let right = |d: &Digest| d == digest || index.is_some_and(|i| i.holds(d));
    let mut says = Vec::new();
    for stable in now.status.stable.iter().filter(|s| s.stage == stage.name) {
        let Some(key) = workload_key(&stable.workload) else { continue };
        for pod in pods(h, &key, now.revision) {
            for found in running(&pod.value, &stable.images).iter().filter(|d| !right(d)) {
                says.push(format!("{} runs {found}, but rollout {} is of {digest}", pod.key, rollout.id));
            }
        }
    }
    says
}

/// The ready pods that a workload selected at that time.
fn pods<'h>(h: &'h History, workload: &Key, revision: u64) -> Vec<&'h Version> {
    let Some(w) = h.of(workload).rfind(|v| v.revision < revision) else { return Vec::new() };
    let labels = w.value["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let mut latest = std::collections::BTreeMap::new();
    for v in h.versions.iter().filter(|v| v.revision < revision && v.key.resource == "pods") {
        latest.insert(&v.key, v);
    }
    let ready = |v: &Value| {
        let conditions = v["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let ours = |v: &Value| labels.iter().all(|(k, l)| v["metadata"]["labels"][k] == *l);
    let here = |v: &&Version| v.key.namespace == workload.namespace && !v.gone();
    let live = |v: &&Version| ours(&v.value) && ready(&v.value) && v.value["metadata"]["deletionTimestamp"].is_null();
    latest.into_values().filter(here).filter(live).collect()
}

/// Digests of a pod's containers that were told to run one of `images`.
fn running(pod: &Value, images: &[ContainerImage]) -> Vec<Digest> {
    let told = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let told = told
        .iter()
        .filter(|c| images.iter().any(|i| c["name"] == i.container.as_str() && c["image"] == i.image.as_str()));
    let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let of = |name: &Value| statuses.iter().find(|s| s["name"] == *name)?["imageID"].as_str().and_then(Digest::parse);
    told.filter_map(|c| of(&c["name"])).collect()
}

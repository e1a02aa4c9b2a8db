//! Whether another Release still holds a workload that bears its stamp.

use crate::api::status::Workload;
use crate::api::{Release, ReleaseSpec};
use kube::ResourceExt;

/// Whether `release` is the object with this uid, and still lists, rolls or owes something to `workload`.
pub(super) fn holds(release: &Release, uid: &str, workload: &Workload) -> bool {
    if release.uid().as_deref() != Some(uid) {
        return false;
    }
    let namespace = release.namespace().unwrap_or_default();
    let status = release.status.as_ref();
    let frozen = status.and_then(|s| s.running()).and_then(|r| r.spec.clone());
    let rolls = frozen.and_then(|spec| serde_json::from_value::<ReleaseSpec>(spec).ok());
    lists(&release.spec, &namespace, workload)
        || rolls.is_some_and(|spec| lists(&spec, &namespace, workload))
        || status.is_some_and(|s| s.debts.iter().any(|d| d.workload == *workload))
}

fn lists(spec: &ReleaseSpec, namespace: &str, workload: &Workload) -> bool {
    let targets = spec.stages.iter().flat_map(|s| &s.targets).filter_map(|t| t.kubernetes());
    targets
        .into_iter()
        .any(|t| t.kind == workload.kind && t.name == workload.name && t.namespace_or(namespace) == workload.namespace)
}

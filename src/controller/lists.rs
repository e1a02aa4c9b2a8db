//! Which Release has to do with which workload.

use crate::api::spec::{KubernetesTarget, ReleaseSpec};
use crate::api::status::KubernetesWorkload;
use crate::api::{NsName, ReleaseStatus};
use std::collections::{HashMap, HashSet};

/// Releases by the workloads they list.
#[derive(Debug, Default)]
pub(super) struct Lists(HashMap<KubernetesWorkload, Vec<NsName>>);

impl Lists {
    pub(super) fn of(&self, workload: &KubernetesWorkload) -> &[NsName] {
        self.0.get(workload).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn add(&mut self, workload: KubernetesWorkload, name: &NsName) {
        let names = self.0.entry(workload).or_default();
        if !names.contains(name) {
            names.reserve_exact(1);
            names.push(name.clone());
        }
    }

    pub(super) fn remove(&mut self, workload: &KubernetesWorkload, name: &NsName) {
        if let Some(names) = self.0.get_mut(workload) {
            names.retain(|n| n != name);
            if names.is_empty() {
                self.0.remove(workload);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Every workload that a Release has to do with: by its spec, by the spec its rollout runs on, and by its debts.
pub(super) fn listed(namespace: &str, spec: &ReleaseSpec, status: &ReleaseStatus) -> HashSet<KubernetesWorkload> {
    let mut all: HashSet<KubernetesWorkload> = of_spec(namespace, spec).collect();
    all.extend(status.debts.iter().filter_map(|d| d.workload.kubernetes().cloned()));
    if let Some(rollout) = status.running() {
        let frozen = rollout.spec.as_ref().and_then(|s| serde_json::from_value::<ReleaseSpec>(s.clone()).ok());
        all.extend(frozen.iter().flat_map(|s| of_spec(namespace, s)));
        all.extend(rollout.stages.iter().flat_map(|s| &s.targets).filter_map(|t| t.workload.kubernetes().cloned()));
    }
    all
}

fn of_spec(namespace: &str, spec: &ReleaseSpec) -> impl Iterator<Item = KubernetesWorkload> {
    let targets = spec.stages.iter().flat_map(|s| &s.targets).filter_map(|t| t.kubernetes());
    targets.map(move |t: &KubernetesTarget| KubernetesWorkload {
        kind: t.kind,
        namespace: t.namespace_or(namespace).to_owned(),
        name: t.name.clone(),
    })
}

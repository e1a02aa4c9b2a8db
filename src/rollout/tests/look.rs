//! What is seen of the world: as the observer does, only what is asked for, and under its name.

use super::world::World;
use crate::api::TargetId;
use crate::api::spec::{KubernetesTarget, Stage, TargetKind};
use crate::api::status::{Rollout, Step, Workload};
use crate::api::view::{LiveTarget, TargetView};
use crate::rollout::plan::targets_of_rollout;
use crate::rollout::{Observed, need};
use std::collections::BTreeMap;

impl World {
    pub(super) fn observed(&self) -> Observed {
        let hooked = self.rel.spec.stages.iter().any(|s| !s.hooks.is_empty() || !s.on_rollback.is_empty());
        let hooks = if self.plain && !hooked { Default::default() } else { self.hooks() };
        Observed {
            targets: self.found(),
            images: self.images.clone(),
            hooks,
            evidence: self.evidence.clone(),
            results: self.results.clone(),
            answer: self.answer.clone(),
        }
    }

    /// What is at the places that are looked at, under the names that are asked for.
    fn found(&self) -> BTreeMap<TargetId, TargetView> {
        let hooking = |r: &Rollout| matches!(r.step, Step::RunningHooks | Step::RunningRollbackHooks);
        if self.plain && self.rel.status.running().is_some_and(hooking) {
            return BTreeMap::new();
        }
        let view = |id: &TargetId| self.targets.get(id).cloned().unwrap_or(TargetView::Absent);
        if self.plain {
            // What a target is of a spec that keeps its targets is always the same.
            let ids = |s: &Stage| s.targets.iter().map(|t| TargetId::new(&s.name, &t.name)).collect::<Vec<_>>();
            let ids = match self.rel.status.running().filter(|r| r.spec.is_some()) {
                Some(rollout) => targets_of_rollout(rollout).into_iter().map(|(id, _)| id).collect(),
                None => self.rel.spec.stages.iter().flat_map(ids).collect::<Vec<_>>(),
            };
            return ids.into_iter().map(|id| (id.clone(), view(&id))).collect();
        }
        let named = |kind: TargetKind, view: TargetView| match (&view, kind) {
            (TargetView::Live(live), TargetKind::Kubernetes(k)) if !is_named(live, &k, &self.rel.name.namespace) => {
                TargetView::Absent
            }
            _ => view,
        };
        need(&self.rel, true).targets.into_iter().map(|(id, kind)| (id.clone(), named(kind, view(&id)))).collect()
    }
}

fn is_named(live: &LiveTarget, target: &KubernetesTarget, release: &str) -> bool {
    let Workload::Kubernetes(w) = &live.workload else { return false };
    (w.kind, w.name.as_str(), w.namespace.as_str()) == (target.kind, &target.name, target.namespace_or(release))
}

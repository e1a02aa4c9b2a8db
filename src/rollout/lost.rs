//! When the status is gone: the stamps on the workloads say what was written, what a restore brings, and what failed.

use super::draft::Draft;
use super::plan;
use crate::api::status::{Cause, ContainerImage, Debt, Quarantined, Rollout, Step, TargetStep, WayBack, Written};
use crate::api::view::{EcsView, LiveTarget, ServiceDeployment, TargetView};
use crate::api::{Image, Reason, RolloutId, Verb, effect::Stamp};

/// Reads debts and quarantine from the stamps. A stamp counts only with its exact effect id *and* its images.
///
/// Whether anything was new.
pub(super) fn recall(d: &mut Draft) -> bool {
    let known = (d.status.debts.len(), d.status.quarantine.len());
    let found: Vec<(String, String, LiveTarget, Stamp, RolloutId, Verb)> = stamps(d);
    for (stage, target, live, stamp, rollout, verb) in found {
        match verb {
            Verb::Forward if !d.status.debts.iter().any(|b| b.effect == stamp.effect) => d.status.debts.push(Debt {
                stage,
                target,
                workload: live.workload.clone(),
                uid: live.uid.clone(),
                rollout,
                effect: stamp.effect.clone(),
                written: stamp.images.clone(),
                way_back: WayBack {
                    images: stamp.way_back.clone(),
                    verified: stamp.verified,
                    passed: vec![],
                    quarantined: false,
                    task_definition: stamp.task_definition.clone(),
                    revision: None,
                },
            }),
            Verb::Forward => {}
            Verb::Restore => {
                for image in stamp.took {
                    let (reason, at) = (Reason::RolledBack, d.now);
                    let stage = stage.clone();
                    let entry = Quarantined { image, digest: None, rollout, stage, reason, verified_before: false, at };
                    if !d.status.quarantine.iter().any(|q| q.image == entry.image) {
                        d.status.quarantine.push(entry);
                    }
                }
            }
        }
    }
    for (stage, image, rollout) in taken_back(d) {
        let (reason, at) = (Reason::RolledBack, d.now);
        let entry = Quarantined { image, digest: None, rollout, stage, reason, verified_before: false, at };
        if !d.status.quarantine.iter().any(|q| q.image == entry.image) {
            d.status.quarantine.push(entry);
        }
    }
    known != (d.status.debts.len(), d.status.quarantine.len())
}

/// What we brought to an ECS service and what is no longer there: what ECS brings back bears no stamp of a restore, but
/// its service deployments tell.
fn taken_back(d: &Draft) -> Vec<(String, Image, RolloutId)> {
    let mut all = Vec::new();
    for (id, view) in &d.obs.targets {
        let TargetView::Live(live) = view else { continue };
        let Some(ecs) = &live.ecs else { continue };
        for brought in [&ecs.newest, &ecs.previous].into_iter().flatten() {
            let Some(parts) = brought.effect.as_ref().and_then(|e| e.parts()) else { continue };
            let ours = parts.uid == d.rel.uid && parts.target == *id && parts.verb == Verb::Forward;
            if ours && went_back(ecs, brought, parts.rollout) {
                let other = |i: &&ContainerImage| live.container(&i.container).is_some_and(|c| c.image != i.image);
                let images = brought.images.iter().filter(other).map(|i| i.image.clone());
                all.extend(images.map(|image| (id.stage.clone(), image, parts.rollout)));
            }
        }
    }
    all
}

/// Whether ECS went back from what `brought` brought, or was told to bring what ran before it.
fn went_back(ecs: &EcsView, brought: &ServiceDeployment, rollout: RolloutId) -> bool {
    let Some(newest) = &ecs.newest else { return false };
    if newest.arn == brought.arn {
        return newest.status.goes_back();
    }
    let restore = newest.effect.as_ref().and_then(|e| e.parts());
    let restore = restore.is_some_and(|p| p.verb == Verb::Restore && p.rollout == rollout);
    restore || (brought.way_back.is_some() && brought.way_back == newest.task_definition)
}

/// The highest attempt of this generation that a stamp names.
pub(super) fn highest_attempt(d: &Draft) -> i32 {
    let ids = d.obs.targets.values().filter_map(|view| match view {
        TargetView::Live(live) => live.stamp.as_ref()?.effect.parts().filter(|p| p.uid == d.rel.uid),
        _ => None,
    });
    ids.filter(|p| p.rollout.generation == d.rel.generation).map(|p| p.rollout.attempt).max().unwrap_or(0)
}

/// For a deletion that finds a finalizer and no status: the rollout that was in work, to be taken back.
pub(super) fn rebuild(d: &mut Draft) -> Option<Rollout> {
    let last = d.status.debts.iter().map(|b| b.rollout).max()?;
    let debts: Vec<Debt> = d.status.debts.iter().filter(|b| b.rollout == last).cloned().collect();
    let spec = d.rel.spec.resolved();
    let stage = spec.stages.iter().rev().find(|s| debts.iter().any(|b| b.stage == s.name))?.name.clone();
    let mut stages = plan::stage_states(&spec, &d.rel.name.namespace);
    let state = stages.iter_mut().find(|s| s.name == stage)?;
    state.restore_at = Some(d.now);
    state.first_write_at = Some(d.now);
    let mut image = spec.image.at(None);
    for debt in debts.into_iter().filter(|b| b.stage == stage) {
        let Some(target) = state.targets.iter_mut().find(|t| t.name == debt.target) else { continue };
        image = debt.written.first().map_or(image, |i| i.image.clone());
        target.uid = Some(debt.uid);
        target.state = TargetStep::Written;
        target.effect = Some(debt.effect);
        target.way_back = Some(debt.way_back);
        target.written = Some(Written { images: debt.written, generation: 0, revision: None });
    }
    let message = "the Release is being deleted, and its status is lost".to_owned();
    Some(Rollout {
        spec: serde_json::to_value(&spec).ok(),
        stage: Some(stage),
        cause: Some(Cause { reason: Reason::Deleted, message, at: d.now, fault: false }),
        ..Rollout::begun(last, image, Step::Restoring, stages, d.now)
    })
}

fn stamps(d: &Draft) -> Vec<(String, String, LiveTarget, Stamp, RolloutId, Verb)> {
    let live = d.obs.targets.iter().filter_map(|(id, view)| match view {
        TargetView::Live(live) => Some((id, live)),
        _ => None,
    });
    live.filter_map(|(id, live)| {
        let stamp = live.stamp.clone()?;
        let parts = stamp.effect.parts()?;
        let exact = parts.uid == d.rel.uid && stamp.uid == d.rel.uid && parts.target == *id && live.runs(&stamp.images);
        exact.then(|| (id.stage.clone(), id.target.clone(), (**live).clone(), stamp, parts.rollout, parts.verb))
    })
    .collect()
}

//! When the status is gone, or a part of it: the stamps on the workloads say what was written, what a restore brings, and what failed.

use super::draft::{Draft, Work};
use super::plan;
use crate::api::effect::Stamp;
use crate::api::status::{
    Cause, ContainerImage, Debt, Quarantined, Rollout, Step, TargetState, TargetStep, WayBack, Written,
};
use crate::api::view::{EcsView, LiveTarget, ServiceDeployment, TargetView};
use crate::api::{EffectId, Image, MANAGER, Reason, RolloutId, TargetId, Verb};

/// Reads debts and quarantine from the stamps. A stamp counts only with its exact effect id *and* its images.
///
/// Whether anything was new.
pub(super) fn recall(d: &mut Draft) -> bool {
    let debts = d.status.debts.len();
    for (stage, target, live, stamp, rollout, verb) in stamps(d) {
        if verb == Verb::Forward && !d.status.debts.iter().any(|b| b.effect == stamp.effect) {
            d.status.debts.push(owed(stage, target, &live, &stamp, rollout));
        }
    }
    recall_quarantine(d) || debts != d.status.debts.len()
}

/// Reads the quarantine alone. Whether anything was new.
pub(super) fn recall_quarantine(d: &mut Draft) -> bool {
    let held = d.status.quarantine.len();
    let restores = stamps(d).into_iter().filter(|(.., verb)| *verb == Verb::Restore);
    let taken: Vec<_> = restores
        .flat_map(|(stage, _, _, stamp, rollout, _)| stamp.took.into_iter().map(move |i| (stage.clone(), i, rollout)))
        .chain(taken_back(d))
        .collect();
    for (stage, image, rollout) in taken {
        let (reason, at) = (Reason::RolledBack, d.now);
        let entry = Quarantined { image, digest: None, rollout, stage, reason, verified_before: false, at };
        if !d.status.quarantine.iter().any(|q| q.image == entry.image) {
            d.status.quarantine.push(entry);
        }
    }
    held != d.status.quarantine.len()
}

/// A write of the rollout in work that was refused when it was tried again, and came to be made after all: it is owed.
/// Whoever else brings that image owns it.
pub(super) fn take_in_late(d: &mut Draft, w: &mut Work) {
    let stage = w.stage_name();
    let mut late = Vec::new();
    for state in w.state().targets.iter().filter(|t| t.state == TargetStep::Untouched) {
        let Some(live) = d.live(&stage, &state.name) else { continue };
        let effect = forward(d, w, state);
        let Some(stamp) = live.stamp.as_ref().filter(|s| s.effect == effect && live.runs(&s.images)) else { continue };
        let mut brought = stamp.images.iter().filter_map(|i| live.container(&i.container));
        let ours = live.ecs.is_some() || brought.all(|c| c.owners.iter().all(|o| o == MANAGER));
        if !ours || d.status.debts.iter().any(|b| b.effect == effect) {
            continue;
        }
        let debt = owed(stage.clone(), state.name.clone(), live, stamp, w.rollout.id);
        let chosen = state.way_back.clone().filter(|b| b.images == debt.way_back.images);
        late.push(Debt { way_back: chosen.unwrap_or_else(|| debt.way_back.clone()), ..debt });
    }
    d.status.debts.extend(late);
    if matches!(w.rollout.step, Step::Restoring | Step::VerifyingRestore) {
        owe_late(d, w);
    }
}

/// The stage is being taken back: so is what came late.
pub(super) fn owe_late(d: &Draft, w: &mut Work) {
    for i in 0..w.state().targets.len() {
        let effect = forward(d, w, &w.state().targets[i]);
        let Some(debt) = d.status.debts.iter().find(|b| b.effect == effect) else { continue };
        let state = &mut w.state_mut().targets[i];
        if state.state == TargetStep::Untouched {
            state.state = TargetStep::Writing;
            state.uid = Some(debt.uid.clone());
            (state.effect, state.way_back) = (Some(effect), Some(debt.way_back.clone()));
        }
    }
}

fn forward(d: &Draft, w: &Work, state: &TargetState) -> EffectId {
    EffectId::new(&d.rel.uid, w.rollout.id, &TargetId::new(w.stage_name(), &state.name), Verb::Forward)
}

/// What a stamp says was written, and what a restore of it brings.
fn owed(stage: String, target: String, live: &LiveTarget, stamp: &Stamp, rollout: RolloutId) -> Debt {
    Debt {
        stage,
        target,
        irreversible: stamp.irreversible,
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
    }
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
    // What an irreversible hook did stays with the version that it was done for.
    d.status.debts.retain(|b| !b.irreversible);
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

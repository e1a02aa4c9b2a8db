//! A newer image while a rollout is in work: who makes room for whom, and what is handed over.
//!
//! In a first stage that nobody approves and that others follow, the newer rollout takes over at once: a restore in
//! between would bring an old version only to replace it again. What was written is owed by the newer rollout then.

use super::draft::{Draft, Flow, Work, cause};
use super::{ecs, end, plan, preflight, quarantine, rest, restore};
use crate::api::Reason;
use crate::api::spec::{PromotionMode, ReleaseSpec, Stage};
use crate::api::status::{Inherited, StageState, Step, TargetState, TargetStep};
use crate::api::view::LiveTarget;

/// The spec as served, if it asks for another image than the rollout in work brings.
pub(super) fn newer<'a>(d: &Draft<'a>, w: &Work) -> Option<&'a ReleaseSpec> {
    let spec = &d.rel.spec;
    (w.rollout.spec.is_some() && spec.image.at(None) != w.rollout.image).then_some(spec)
}

/// A newer image before anything of the stage is written: the rollout ends at once, and what it inherited goes on.
pub(super) fn before_writing(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    if w.wrote() {
        return make_room(d, w);
    }
    newer(d, w)?;
    name_successor(d, w);
    end::finish(d, w, Reason::Superseded);
    Some(Flow::Go)
}

/// A newer image while the first stage is in work: it takes over at once, or that stage is taken back first.
pub(super) fn make_room(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let spec = newer(d, w).filter(|_| w.at == 0)?.resolved();
    if may_take_over(d, w, &spec) {
        take_over(d, w, spec);
        return Some(Flow::Go);
    }
    let why = name_successor(d, w);
    Some(restore::fail_stage(d, w, why))
}

fn name_successor(d: &Draft, w: &mut Work) -> crate::api::status::Cause {
    let message = format!("{} took its place", d.rel.spec.image.at(None));
    let why = cause(Reason::Superseded, message, false, d.now);
    w.rollout.cause.get_or_insert(why).clone()
}

/// Only where it is certain what runs, and where the newer rollout is one that would write the same targets.
fn may_take_over(d: &Draft, w: &Work, spec: &ReleaseSpec) -> bool {
    let unasked = |s: &ReleaseSpec| s.stages.len() > 1 && s.promotion(0).mode == PromotionMode::Automatic;
    let alike = plan::settled(spec).hash == plan::settled(&w.spec).hash
        && spec.image.repository == w.spec.image.repository
        && preflight::of_spec(spec, &d.rel.name.namespace).is_none();
    let refused = quarantine::entry(d, &spec.image.at(None), spec.image.digest.as_ref()).is_some();
    unasked(spec)
        && unasked(&w.spec)
        && alike
        && !refused
        && !spec.suspend
        && comparable(w.stage(), w.state(), &spec.stages[0])
        && w.state().targets.iter().all(|t| certain(d.live(&w.stage().name, &t.name), t))
}

/// Whether what limits compare with is known: the version that runs now is nothing to be compared with.
fn comparable(old: &Stage, state: &StageState, new: &Stage) -> bool {
    let mut checks = new.performance_checks.iter().filter(|c| c.compares());
    checks.all(|c| {
        old.performance_checks.iter().any(|o| o == c)
            && state.baselines.iter().any(|b| b.check == c.name && b.measured.is_some())
    })
}

/// Whether it is known what the target runs, and nothing else is on its way there.
fn certain(live: Option<&LiveTarget>, state: &TargetState) -> bool {
    let Some(live) = live.filter(|l| state.uid.as_ref().is_none_or(|u| *u == l.uid)) else { return false };
    let runs = |x: Option<&Inherited>| x.is_some_and(|i| live.runs(&i.written.images));
    let stays = live.ecs.as_ref().is_none_or(|e| !ecs::took_back(live, e, state));
    match state.state {
        TargetStep::Untouched | TargetStep::Adopted => true,
        TargetStep::Inherited => stays && runs(state.inherited.as_ref()),
        TargetStep::Written => stays && runs(handed_over(state).as_ref()),
        _ => false,
    }
}

/// Ends the rollout in work and begins the newer one in its place, which owes what was written.
fn take_over(d: &mut Draft, w: &mut Work, spec: ReleaseSpec) {
    name_successor(d, w);
    let (before, stage) = (w.state().clone(), w.stage_name());
    end::finish(d, w, Reason::Superseded);
    let mut rollout = rest::new_rollout(d, &spec);
    let note = format!("rollout {} brings {}; {stage} is not restored in between", rollout.id, rollout.image);
    d.normal(Reason::RolloutStarted, note);
    rollout.spec = serde_json::to_value(&spec).ok();
    if let Some(first) = rollout.stages.first_mut() {
        first.baselines = before.baselines;
        for target in &mut first.targets {
            if let Some(old) = before.targets.iter().find(|t| t.name == target.name) {
                inherit(target, old);
            }
        }
    }
    rollout.step = Step::Preflight;
    *w = Work { rollout, spec, at: 0 };
}

fn inherit(target: &mut TargetState, old: &TargetState) {
    let Some(debt) = handed_over(old) else { return };
    target.state = TargetStep::Inherited;
    target.uid = old.uid.clone();
    target.way_back = old.way_back.clone();
    target.effect = Some(debt.effect.clone());
    target.inherited = Some(debt);
}

/// What of a target is owed: written by the rollout in work, or inherited by it and not written yet.
fn handed_over(state: &TargetState) -> Option<Inherited> {
    match state.state {
        TargetStep::Written => Some(Inherited { effect: state.effect.clone()?, written: state.written.clone()? }),
        TargetStep::Inherited => state.inherited.clone(),
        _ => None,
    }
}

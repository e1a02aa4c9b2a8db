//! Entering a stage: may it be entered, is everything there, what would a restore bring, and the first intent.
//!
//! Nothing is written here without a way back stored beside the intent.

use super::draft::{Draft, Flow, Work, cause};
use super::preflight::{self, Blocked};
use super::{baseline, checks, choose, ecs, plan, promotion, readiness, restore, supersede, warnings, write};
use crate::api::Reason;
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::status::Step;
use crate::api::time::Duration;

pub(super) fn enter(d: &mut Draft, w: &mut Work) -> Flow {
    if w.wrote() && ecs::doubted(d, w) {
        return Flow::Stay;
    }
    if let Some(flow) = supersede::before_writing(d, w) {
        return flow;
    }
    let running = already_running(d, w);
    if w.rollout.spec.is_none()
        && let Some(flow) = begin(d, w, running)
    {
        return flow;
    }
    if !running && let Some(flow) = readiness::judge(d, w).or_else(|| promotion::granted(d, w)) {
        return flow;
    }
    // A stage that owes what the rollout before wrote has begun.
    if d.rel.spec.suspend && !w.wrote() {
        return block(d, w, Blocked { reason: Reason::Suspended, message: "spec.suspend is true".into() });
    }
    if let Some(blocked) = preflight::of_targets(d, w, false) {
        return block(d, w, blocked);
    }
    if let Some(flow) = refused_before(d, w) {
        return flow;
    }
    if !d.rel.finalizer && (!running || choose::owes(d, w)) {
        return ask_finalizer(d, w);
    }
    if w.state().targets.iter().all(|t| t.refused.is_none()) {
        w.rollout.blocked = None;
    }
    if running {
        return take_as_it_is(d, w);
    }
    if let Some(flow) = baseline::measure(d, w) {
        return flow;
    }
    match choose::ways_back(d, w) {
        Some(flow) => flow,
        None => first_intent(d, w),
    }
}

/// The look at everything before a rollout freezes its spec.
fn begin(d: &mut Draft, w: &mut Work, running: bool) -> Option<Flow> {
    if d.rel.spec.suspend {
        return Some(block(d, w, Blocked { reason: Reason::Suspended, message: "spec.suspend is true".into() }));
    }
    let spec = preflight::of_spec(&w.spec, &d.rel.name.namespace);
    if let Some(blocked) = spec.or_else(|| preflight::of_targets(d, w, true)) {
        return Some(block(d, w, blocked));
    }
    if !running && let Some(flow) = readiness::judge(d, w) {
        return Some(flow);
    }
    w.rollout.spec = serde_json::to_value(&w.spec).ok();
    // One that was refused its first write, and tries again, was begun before.
    if w.state().targets.iter().all(|t| t.refused.is_none()) {
        w.rollout.blocked = None;
        d.normal(Reason::RolloutStarted, format!("rollout {} brings {}", w.rollout.id, w.rollout.image));
        warnings::not_looked_up(d, &w.spec.stages, ecs::image_denied);
    }
    None
}

/// Records what stops the rollout; a later stage that stays stopped ends it.
pub(super) fn block(d: &mut Draft, w: &mut Work, b: Blocked) -> Flow {
    let pausing = |r: Reason| r == Reason::Suspended;
    let since = w.rollout.blocked.as_ref().filter(|c| pausing(c.reason) == pausing(b.reason)).map_or(d.now, |c| c.at);
    let changed = w.rollout.blocked.as_ref().is_none_or(|c| c.reason != b.reason);
    if changed {
        d.warning(b.reason, b.message.clone());
    }
    if w.rollout.step == Step::ChoosingWayBack {
        // What was asked so far says nothing of what will be found.
        checks::void(w);
        w.state_mut().choosing_since = None;
        w.state_mut().baselines.clear();
    }
    w.rollout.step = Step::Preflight;
    if w.at == 0 && !w.wrote() && !pausing(b.reason) {
        // Nothing is written: any edit of the spec begins it anew.
        w.rollout.spec = None;
    }
    let until = since.plus(w.stage().progress_deadline);
    if has_an_end(w) && !pausing(b.reason) && d.now >= until {
        let why = cause(b.reason, b.message, false, d.now);
        return restore::fail_stage(d, w, why);
    }
    if d.now < until && !pausing(b.reason) {
        d.look_again(until);
    }
    if matches!(
        b.reason,
        Reason::PermissionDenied
            | Reason::TargetUnreachable
            | Reason::TargetTerminating
            | Reason::ConsentMissing
            | Reason::TargetBusy
            | Reason::ImageNotFound
            | Reason::EvidenceMissing
    ) {
        // Nothing that is watched tells when these are mended.
        d.look_again_in(Duration::from_secs(10));
    }
    w.rollout.blocked = Some(cause(b.reason, b.message, false, since));
    Flow::Stay
}

/// Whether being stopped ends the rollout in time: earlier stages are written, or what was inherited is owed.
fn has_an_end(w: &Work) -> bool {
    w.at > 0 || w.wrote()
}

/// A first write that was refused waits for its next try; not for ever where [`has_an_end`].
fn refused_before(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let waits = w.state().targets.iter().filter_map(|t| t.refused.as_ref());
    let next = waits.map(|r| r.at.plus(write::pause(r.count))).max()?;
    let patience = w.stage().progress_deadline;
    if let Some(blocked) = w.rollout.blocked.clone().filter(|_| has_an_end(w))
        && d.due(blocked.at.plus(patience))
    {
        return Some(restore::fail_stage(d, w, blocked));
    }
    (!d.due(next)).then_some(Flow::Stay)
}

/// The finalizer is set before anything is stored that may have to be taken back.
fn ask_finalizer(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(Answer::Refused { message, kind: Refused::Forbidden | Refused::Invalid }) = &d.obs.answer {
        let message = format!("the finalizer cannot be set: {message}");
        return block(d, w, Blocked { reason: Reason::PermissionDenied, message });
    }
    set_finalizer(d);
    Flow::Stay
}

/// Nothing that is to be stored is kept until it is set, unless a rollout is in work already.
pub(super) fn set_finalizer(d: &mut Draft) {
    match d.obs.answer {
        Some(Answer::Refused { kind: Refused::Forbidden | Refused::Invalid, .. }) => {
            d.look_again_in(Duration::from_secs(10));
        }
        // A server that is slow or says that it has too much to do is not asked again at once.
        Some(Answer::Ambiguous { .. } | Answer::Refused { kind: Refused::Throttled, .. }) => {
            d.look_again_in(Duration::from_secs(2));
        }
        _ => d.effect = Some(Effect::SetFinalizer),
    }
    if d.rel.status.running().is_none() {
        d.discard();
    }
}

/// Whether every target of the stage runs the wanted images and digests.
fn already_running(d: &Draft, w: &Work) -> bool {
    let stage = w.stage();
    stage.targets.iter().all(|t| {
        d.live(&stage.name, &t.name).is_some_and(|live| {
            let wanted = write::writable(live, plan::wanted(&w.spec, t));
            live.runs(&wanted) && choose::digests_agree(live, &wanted, w.rollout.digest.as_ref(), &w.spec)
        })
    })
}

/// Every target runs the image: nothing is written and nobody is asked; the checks decide.
///
/// A target whose last write was ours, forward and never verified is taken over as written, with its debt.
fn take_as_it_is(d: &mut Draft, w: &mut Work) -> Flow {
    let stage = w.stage().clone();
    let mut adopted = true;
    for (i, target) in stage.targets.iter().enumerate() {
        let Some(live) = d.live(&stage.name, &target.name) else { return Flow::Stay };
        let images = write::writable(live, plan::wanted(&w.spec, target));
        let debt = choose::debt_of(d, &stage.name, &target.name, live);
        adopted &= debt.is_none();
        choose::take(&mut w.state_mut().targets[i], live, images, debt);
    }
    let now = d.now;
    let state = w.state_mut();
    state.adopted = adopted;
    state.first_write_at = Some(now);
    w.go(Step::Rolling)
}

/// Stores the ways back and the first intent together, and asks for the first write.
fn first_intent(d: &mut Draft, w: &mut Work) -> Flow {
    let now = d.now;
    w.state_mut().first_write_at = Some(now);
    w.state_mut().choosing_since = None;
    checks::void(w);
    w.go(Step::Rolling)
}

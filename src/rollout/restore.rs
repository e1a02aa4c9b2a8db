//! Taking a stage back: bringing every written target to its way back, until all are available. That it is well again
//! is proven in [`super::proof`].
//!
//! A newer change by somebody else is never overwritten, and a blocked target stops no other.

use super::back::{self, bring_back};
use super::checks;
use super::draft::{Draft, Flow, Work, cause};
use super::{ecs, end, evidence, hooks, lost, quarantine, rollback, sight, stuck, supersede};
use crate::api::Reason;
use crate::api::annotation::ABORT;
use crate::api::status::{Cause, Stable, Step, TargetState, TargetStep};
use crate::api::time::{Duration, Time};

/// Takes the stage in work back for `why`, or ends the rollout where nothing was written.
pub(super) fn fail_stage(d: &mut Draft, w: &mut Work, why: Cause) -> Flow {
    let reason = why.reason;
    d.asks.clear();
    if w.rollout.cause.is_none() {
        w.rollout.cause = Some(why.clone());
    }
    lost::owe_late(d, w);
    if !w.wrote() {
        if hooks::irreversible(w.state()).is_some() {
            end::finish(d, w, Reason::RollbackForbidden);
            return Flow::Go;
        }
        let ordered = matches!(reason, Reason::Aborted | Reason::Deleted | Reason::PromotionExpired);
        if ordered && rollback::held_back(d, w, &why).is_none() {
            rollback::include_earlier(d, w);
        }
        if hooks::to_be_undone(w) && hooks::may_be_undone(d, w) {
            rollback::begin(d, w);
            w.rollout.blocked = None;
            return w.go(Step::RunningRollbackHooks);
        }
        return done(d, w, reason);
    }
    if why.fault && w.rollout.digest.is_none() {
        w.rollout.digest = quarantine::digest_seen(d, w);
    }
    if let Some(left) = rollback::held_back(d, w, &why) {
        if !w.state().targets.iter().any(rollback::owes) {
            // Somebody else took it back: nothing is left to be restored, now or by order.
            return done(d, w, reason);
        }
        end::finish(d, w, left);
        return Flow::Go;
    }
    rollback::include_earlier(d, w);
    let note = format!("{}: {}; {} is being restored", w.rollout.image.short(), why.message, w.stage_name());
    d.warning(reason, note);
    rollback::begin(d, w);
    (w.rollout.blocked, w.rollout.held) = (None, None);
    w.go(Step::Restoring)
}

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    ecs::heard(d, w);
    back::heard_of(d, w);
    if ecs::doubted(d, w) {
        return Flow::Stay;
    }
    let owed = bring_back(d, w);
    let state = w.state();
    let since = state.restore_at.max(hooks::undone_at(state)).unwrap_or(d.now);
    let late = d.due(since.plus(w.stage().progress_deadline));
    if d.effect.is_none() {
        stuck::free(d, w, since);
    }
    if d.effect.is_some() {
        return Flow::Stay;
    }
    if owed {
        return unpaid(d, w, late);
    }
    if settle(d, w, late) {
        return Flow::Stay;
    }
    if hooks::to_be_undone(w) && hooks::may_be_undone(d, w) {
        return w.go(Step::RunningRollbackHooks);
    }
    restored(d, w)
}

/// What is restored and available is asked; without any of it this is the end.
fn restored(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(message) = hooks::not_undone(w.state()) {
        return not_undone(d, w, &message);
    }
    if in_hope(w).is_empty() {
        return done(d, w, Reason::RolledBack);
    }
    checks::void(w);
    let now = d.now;
    w.state_mut().available_at = Some(now);
    w.go(Step::VerifyingRestore)
}

/// What undoes the stage's hooks failed: what is restored is not known to be well.
pub(super) fn not_undone(d: &mut Draft, w: &mut Work, message: &str) -> Flow {
    for i in in_hope(w) {
        give_up(d, w, i, message.to_owned());
    }
    done(d, w, Reason::RollbackFailed)
}

/// The stage is taken back, as far as it could be: the next one before it, or the end.
pub(super) fn done(d: &mut Draft, w: &mut Work, reason: Reason) -> Flow {
    stable_again(d, w);
    if let Some(flow) = rollback::next_stage(d, w) {
        return flow;
    }
    end::finish(d, w, reason);
    Flow::Go
}

/// What was verified with the image that is gone now is what it was before.
fn stable_again(d: &mut Draft, w: &Work) {
    let (stage, now) = (w.stage_name(), d.now);
    for target in w.state().targets.iter().filter(|t| t.state == TargetStep::Restored) {
        let (Some(back), Some(written)) = (&target.way_back, &target.written) else { continue };
        let generation = d.live(&stage, &target.name).map_or(0, |l| l.generation).max(written.generation);
        let here = |s: &&mut Stable| s.stage == stage && s.target == target.name;
        for stable in d.status.stable.iter_mut().filter(here) {
            (stable.uid, stable.generation) = (target.uid.clone(), generation);
        }
        let of_it = |s: &Stable| s.stage == stage && s.target == target.name && s.images != back.images;
        if target.trouble.is_some() {
            // What somebody else had brought is not well again; what was verified before that is not forgotten.
            let taken = |s: &Stable| s.images.iter().all(|i| written.images.iter().any(|t| t.image == i.image));
            d.status.stable.retain(|s| !(of_it(s) && taken(s)));
            continue;
        }
        for stable in d.status.stable.iter_mut().filter(|s| of_it(s)) {
            stable.images = back.images.clone();
            stable.passed = back.passed.clone();
            stable.task_definition = back.task_definition.clone();
            stable.at = now;
        }
    }
}

/// What cannot be written is said at the deadline and tried on; only abort, a new image, retry or deletion end it.
fn unpaid(d: &mut Draft, w: &mut Work, late: bool) -> Flow {
    if !late {
        return Flow::Stay;
    }
    for i in 0..w.state().targets.len() {
        let state = w.state().targets[i].clone();
        if rollback::owes(&state) && state.trouble.is_none() {
            let why = state.refused.map_or_else(|| "no answer".to_owned(), |r| r.message);
            let id = w.rollout.id;
            let message = format!(
                "{} could not be restored in time: {why}; it is tried on; to give it up set {ABORT}: {id}, which must be removed first if it is there",
                state.workload
            );
            give_up(d, w, i, message);
            let message = w.state().targets[i].trouble.as_ref().map(|c| c.message.clone()).unwrap_or_default();
            d.warning(Reason::RollbackFailed, message);
        }
    }
    d.look_again_in(Duration::from_secs(30));
    let newer = supersede::newer(d, w).is_some() || super::rest::retry_asked(d).is_some();
    if d.rel.deleting || newer {
        end::finish(d, w, Reason::RollbackFailed);
        return Flow::Go;
    }
    Flow::Stay
}

pub(super) fn give_up(d: &Draft, w: &mut Work, i: usize, message: String) {
    w.state_mut().targets[i].trouble = Some(cause(Reason::RollbackFailed, message, false, d.now));
}

/// Whether a rollout that is being taken back has said that it could not be.
pub(super) fn gave_up(w: &Work) -> bool {
    w.state().targets.iter().any(|t| t.trouble.as_ref().is_some_and(|c| c.reason == Reason::RollbackFailed))
}

/// Looks whether the restored targets are available on their way back. Whether some may still become so.
///
/// One that will not stops no other.
fn settle(d: &mut Draft, w: &mut Work, late: bool) -> bool {
    let stage = w.stage_name();
    let since = w.state().restore_at.unwrap_or(d.now);
    let mut waiting = false;
    for i in indices(w, TargetStep::Restored) {
        // What could not be written in time was written after all.
        let state = &mut w.state_mut().targets[i];
        state.trouble = state.trouble.take().filter(|t| t.reason == Reason::RollbackBlocked);
        if state.trouble.is_some() {
            continue;
        }
        match become_available(d, &stage, &mut w.state_mut().targets[i], since, late) {
            Availability::Yes => {}
            Availability::NotYet => waiting = true,
            Availability::Never(why) => give_up(d, w, i, format!("the restored version {why}")),
        }
    }
    waiting
}

enum Availability {
    Yes,
    NotYet,
    Never(String),
}

fn become_available(d: &mut Draft, stage: &str, state: &mut TargetState, since: Time, late: bool) -> Availability {
    let Some(live) = sight::observed(d, stage, state) else {
        return if late { Availability::Never("could not be read in time".into()) } else { Availability::NotYet };
    };
    if state.written.as_ref().is_some_and(|x| x.revision.is_none()) && live.revision.is_some() {
        // Seen for the first time: what its pods went through before says nothing of this restore.
        state.restarts_before = evidence::restarts(live, Some(since));
        if let Some(written) = &mut state.written {
            written.revision = live.revision.clone();
        }
    }
    if evidence::rolled_out(live, None) {
        if let Some(written) = &mut state.written {
            written.revision = live.revision.clone();
        }
        return Availability::Yes;
    }
    if let Some(f) = evidence::failure(live, state, d.now) {
        return Availability::Never(format!("does not become available: {}", f.message));
    }
    if let Some(at) = evidence::next_look(state, d.now) {
        d.look_again(at);
    }
    if sight::revision_unknown(live) {
        d.look_again_in(sight::AGAIN);
    }
    if late {
        return Availability::Never(format!("is not available in time: {}", evidence::waiting_for(live).1));
    }
    Availability::NotYet
}

/// The targets that run their way back, and of which nothing bad is known.
pub(super) fn in_hope(w: &Work) -> Vec<usize> {
    indices(w, TargetStep::Restored).into_iter().filter(|i| w.state().targets[*i].trouble.is_none()).collect()
}

fn indices(w: &Work, step: TargetStep) -> Vec<usize> {
    let targets = w.state().targets.iter().enumerate();
    targets.filter(|(_, t)| t.state == step && t.effect.is_some()).map(|(i, _)| i).collect()
}

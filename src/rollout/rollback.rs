//! How far a failed stage is taken back, by whose order, and the annotation that takes a finished rollout back.

use super::draft::{Draft, Flow, Work, cause};
use super::{checks, end, entry, history, hooks, plan, rest, running};
use crate::api::Reason;
use crate::api::effect::{Answer, Refused};
use crate::api::spec::{RollbackMode, RollbackScope};
use crate::api::status::{Cause, Phase, Rollout, StageState, Step, TargetState, TargetStep};

/// What ends a stage that is not restored now: `rollback.mode` leaves it as it is.
///
/// An abort is a person's order, and restores in any mode; so does a deletion where a person was to decide. Not so
/// where an irreversible hook has succeeded: who aborts may not know that.
pub(super) fn held_back(d: &Draft, w: &Work, why: &Cause) -> Option<Reason> {
    if hooks::barred(d, w) {
        return Some(Reason::RollbackForbidden);
    }
    match (w.stage().rollback.mode, why.reason) {
        (RollbackMode::Automatic, _) | (_, Reason::Aborted) | (RollbackMode::Manual, Reason::Deleted) => None,
        (RollbackMode::Manual, _) => Some(Reason::RollbackAwaited),
        (RollbackMode::Never, _) => Some(Reason::RollbackForbidden),
    }
}

/// With `rollback.scope: Release` the stages before are to be taken back with the one in work, up to the first whose
/// irreversible hook has succeeded.
pub(super) fn include_earlier(d: &mut Draft, w: &mut Work) {
    if w.stage().rollback.scope != RollbackScope::Release {
        return;
    }
    let at = w.at;
    for stage in w.rollout.stages[..at].iter_mut().rev() {
        if let Some(hook) = hooks::irreversible(stage) {
            let note = format!("{} keeps its version: its hook {hook} has succeeded and is irreversible", stage.name);
            return d.warning(Reason::RollbackForbidden, note);
        }
        owe(stage);
    }
}

/// Goes on to the nearest earlier stage that is to be taken back, if one is left.
pub(super) fn next_stage(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let owed = |s: &StageState| s.targets.iter().any(owes);
    let next = w.rollout.stages[..w.at].iter().rposition(owed)?;
    end::keep_debts(d, w);
    w.at = next;
    w.rollout.stage = Some(w.stage_name());
    begin(d, w);
    let note = format!("{}: {} is being restored too", w.rollout.image.short(), w.stage_name());
    d.normal(Reason::Restoring, note);
    // Nothing of it was looked at yet.
    d.look_again(d.now);
    w.rollout.step = Step::Restoring;
    Some(Flow::Stay)
}

/// The clocks of a restore start anew; what was asked before says nothing of it.
pub(super) fn begin(d: &mut Draft, w: &mut Work) {
    history::keep_answers(w);
    checks::void(w);
    let now = d.now;
    let state = w.state_mut();
    state.restore_at = Some(now);
    state.available_at = None;
    state.bake_until = None;
    state.unseen_since = None;
    state.unavailable_since = None;
    state.undigested_since = None;
    for target in &mut state.targets {
        target.refused = None;
        target.pull_error_since = None;
        target.create_error_since = None;
    }
}

/// A value of the annotation that nobody has answered yet: takes the last finished rollout back, or says why not.
/// Whether it begins.
pub(super) fn asked(d: &mut Draft, value: &str) -> bool {
    let last = d.status.rollout.clone().filter(|r| r.id.to_string() == value && r.ended_at.is_some());
    let changed = d.status.settled.as_ref().is_none_or(|s| plan::differs(s, &d.rel.spec));
    let why = match &last {
        None => format!("{value:?} is not the last finished rollout"),
        // What is frozen is what the last one was for: a rollout of something else is another one.
        Some(_) if changed => format!("the spec asks for something else by now, {}", d.rel.spec.image.short()),
        Some(r) if reach(d, r).is_none() => {
            format!("nothing that rollout {value} wrote is left to be taken back")
        }
        Some(_) if d.rel.spec.suspend => "spec.suspend is true".into(),
        Some(_) => String::new(),
    };
    match last.filter(|_| why.is_empty()) {
        Some(last) => take_back(d, last, value),
        None => {
            d.warning(Reason::RollbackRefused, format!("{why}; to go back further set the older tag"));
            d.status.handled.rollback = Some(value.to_owned());
        }
    }
    true
}

/// From which stage on `last` is taken back, and the latest stage in which there is something to take.
fn reach(d: &Draft, last: &Rollout) -> Option<(usize, usize)> {
    // A rollout that failed has settled the stages before: they stay, unless the scope says otherwise.
    let failed = last.stage.as_ref().and_then(|s| d.rel.spec.stage(s)).map_or(0, |(i, _)| i);
    let all = d.status.phase == Some(Phase::Verified)
        || d.rel.spec.stages.get(failed).is_some_and(|s| s.rollback.scope == RollbackScope::Release);
    let from = if all { 0 } else { failed };
    let at = last.stages.iter().rposition(|s| s.targets.iter().any(can_go_back))?;
    (at >= from).then_some((from, at))
}

fn take_back(d: &mut Draft, last: Rollout, value: &str) {
    let Some((from, at)) = reach(d, &last) else { return };
    if !d.rel.finalizer {
        if let Some(Answer::Refused { message, kind: Refused::Forbidden | Refused::Invalid }) = &d.obs.answer {
            d.warning(Reason::RollbackRefused, format!("the finalizer cannot be set: {message}; then order it anew"));
            d.status.handled.rollback = Some(value.to_owned());
            return;
        }
        return entry::set_finalizer(d);
    }
    let spec = d.rel.spec.resolved();
    let mut stages = last.stages;
    stages.iter_mut().skip(from).for_each(owe);
    stages.iter_mut().for_each(|s| s.on_rollback.clear());
    let message = format!("a person took rollout {} back", last.id);
    let id = rest::next_id(d);
    d.status.attempts = Some(crate::api::status::Attempts { generation: id.generation, highest: id.attempt });
    d.status.handled.rollback = Some(value.to_owned());
    d.warning(Reason::RollbackRequested, format!("{message}: {} is being restored", stages[at].name));
    let rollout = Rollout {
        digest: last.digest,
        spec: serde_json::to_value(&spec).ok(),
        stage: Some(stages[at].name.clone()),
        cause: Some(cause(Reason::RollbackRequested, message, true, d.now)),
        ..Rollout::begun(id, last.image, Step::Restoring, stages, d.now)
    };
    let mut work = Work { rollout, spec, at };
    begin(d, &mut work);
    d.status.rollout = Some(work.rollout);
    running::advance(d);
}

fn owe(stage: &mut StageState) {
    for target in stage.targets.iter_mut().filter(|t| can_go_back(t)) {
        if target.state != TargetStep::Inherited {
            target.state = TargetStep::Written;
        }
        target.trouble = None;
        target.accepted = None;
    }
}

/// Whether what is there is what a rollout wrote, as far as is known, and another version was there before.
fn can_go_back(t: &TargetState) -> bool {
    use TargetStep::{Inherited, Restoring, Verified, Writing, Written};
    matches!(t.state, Verified | Written | Writing | Restoring | Inherited)
        && t.effect.is_some()
        && t.way_back.is_some()
}

/// Whether what a rollout wrote there may still run and is not verified.
pub(super) fn owes(t: &TargetState) -> bool {
    use TargetStep::{Inherited, Restoring, Writing, Written};
    matches!(t.state, Written | Writing | Restoring | Inherited) && t.effect.is_some()
}

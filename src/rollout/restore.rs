//! Taking a stage back: bringing every written target to its way back, and proving that it is well again.
//!
//! A newer change by somebody else is never overwritten, and a blocked target stops no other.

use super::checks::{self, Asked, Question};
use super::draft::{Draft, Flow, Work, cause};
use super::{end, entry, evidence, plan, rolling, verify};
use crate::api::effect::Answer;
use crate::api::status::{Cause, CheckState, Purpose, Refusal, Step, TargetStep, Verdict, Written};
use crate::api::time::{Duration, Time};
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{EffectId, MANAGER, Reason, TargetId, Verb};

/// Takes the stage in work back for `why`, or ends the rollout where nothing was written.
pub(super) fn fail_stage(d: &mut Draft, w: &mut Work, why: Cause) -> Flow {
    let reason = why.reason;
    d.asks.clear();
    if w.rollout.cause.is_none() {
        w.rollout.cause = Some(why.clone());
    }
    if !w.wrote() {
        end::finish(d, w, reason);
        return Flow::Go;
    }
    let note = format!("{}: {}; {} is being restored", w.rollout.image.short(), why.message, w.stage_name());
    d.warning(reason, note);
    checks::void(w);
    let now = d.now;
    w.state_mut().restore_at = Some(now);
    w.state_mut().available_at = None;
    for target in &mut w.state_mut().targets {
        target.refused = None;
        target.pull_error_since = None;
        target.create_error_since = None;
    }
    w.go(Step::Restoring)
}

/// A target that was deleted, replaced, or given another image by somebody else while the stage was in work.
pub(super) fn changed_by_others(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage_name();
    let mut why = None;
    for i in 0..w.state().targets.len() {
        let state = w.state().targets[i].clone();
        let workload = state.workload.to_string();
        let found = match d.view(&stage, &state.name) {
            TargetView::Absent | TargetView::Terminating => {
                Some((TargetStep::Gone, Reason::TargetGone, format!("{workload} is gone")))
            }
            TargetView::Live(l) if state.uid.as_ref().is_some_and(|u| *u != l.uid) => {
                Some((TargetStep::Gone, Reason::TargetGone, format!("{workload} was replaced by another object")))
            }
            TargetView::Live(l) => taken(w, i, &l).map(|m| (TargetStep::Foreign, Reason::Contended, m)),
            _ => None,
        };
        if let Some((step, reason, message)) = found {
            w.state_mut().targets[i].state = step;
            why = why.or(Some(cause(reason, message, false, d.now)));
        }
    }
    why.map(|why| fail_stage(d, w, why))
}

/// Who took the image back, if a target that was written or adopted no longer runs it.
fn taken(w: &Work, i: usize, live: &LiveTarget) -> Option<String> {
    let state = &w.state().targets[i];
    let expected = match state.state {
        TargetStep::Written | TargetStep::Adopted => state.written.as_ref()?.images.clone(),
        // Not written yet for all we know: neither what it was nor what it shall be.
        TargetStep::Writing => {
            let before = state.way_back.as_ref().is_some_and(|b| live.runs(&rolling::writable(live, b.images.clone())));
            if before || state.intents <= 1 && state.intent_generation == Some(live.generation) {
                return None;
            }
            plan::wanted(&w.spec, &w.stage().targets[i])
        }
        _ => return None,
    };
    let expected = rolling::writable(live, expected);
    if live.runs(&expected) {
        return None;
    }
    let other = expected.iter().find_map(|e| live.container(&e.container).filter(|c| c.image != e.image))?;
    Some(contention(live, &other.name, other.image.as_str(), &other.owners))
}

fn contention(live: &LiveTarget, container: &str, image: &str, owners: &[String]) -> String {
    let manager = owners.iter().find(|o| *o != MANAGER).map_or("somebody", String::as_str);
    format!("{manager} set container {container} of {} to {image}; it is left as it is", live.workload)
}

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    let since = w.state().restore_at.unwrap_or(d.now);
    let deadline = since.plus(w.stage().progress_deadline);
    let late = d.due(deadline);
    let owed = bring_back(d, w);
    if d.effect.is_some() {
        return Flow::Stay;
    }
    if owed {
        return unpaid(d, w, late);
    }
    match settle(d, w, late) {
        Settling::Done => {
            checks::void(w);
            let now = d.now;
            w.state_mut().available_at = Some(now);
            w.go(Step::VerifyingRestore)
        }
        Settling::Waiting => Flow::Stay,
        Settling::Failed(i, message) => {
            give_up(d, w, i, message);
            end::finish(d, w, Reason::RollbackFailed);
            Flow::Go
        }
    }
}

/// Asks the restored version what it was asked before, and ends the rollout with the answer.
pub(super) fn verify(d: &mut Draft, w: &mut Work) -> Flow {
    let restored: Vec<usize> = indices(w, TargetStep::Restored);
    let paused = restored.iter().any(|i| w.state().targets[*i].trouble.is_some());
    if restored.is_empty() || paused {
        end::finish(d, w, Reason::RolledBack);
        return Flow::Go;
    }
    if bring_back(d, w) || moved(d, w, &restored) {
        checks::void(w);
        d.asks.clear();
        return w.go(Step::Restoring);
    }
    let (questions, changed) = judges(w, &restored);
    let base = w.state().available_at.unwrap_or(d.now);
    let asked = checks::ask(d, w, Purpose::Restore, &questions, base);
    let failed = match asked {
        Asked::Waiting => return Flow::Stay,
        Asked::Passed => None,
        Asked::Failed(check) | Asked::Inconclusive(check) => Some(check),
    };
    report_newer(d, w);
    if let Some(check) = failed {
        let hint = if changed { " (the checks changed with the image: the old version never passed them)" } else { "" };
        let message = format!("the restored version is not well: {}{hint}", verify::said(&check));
        for i in restored {
            give_up(d, w, i, message.clone());
        }
    }
    end::finish(d, w, Reason::RolledBack);
    Flow::Go
}

/// Writes what is still owed, in reverse order, at most one target per decision. Whether something stays owed.
fn bring_back(d: &mut Draft, w: &mut Work) -> bool {
    let stage = w.stage_name();
    let mut owed = false;
    let mut answer = d.obs.answer.clone();
    for i in (0..w.state().targets.len()).rev() {
        let state = w.state().targets[i].clone();
        if !matches!(
            state.state,
            TargetStep::Writing | TargetStep::Written | TargetStep::Restoring | TargetStep::Restored
        ) {
            continue;
        }
        if state.effect.is_none() {
            continue;
        }
        match d.view(&stage, &state.name) {
            TargetView::Absent | TargetView::Terminating => w.state_mut().targets[i].state = TargetStep::Gone,
            TargetView::Live(l) if state.uid.as_ref().is_some_and(|u| *u != l.uid) => {
                w.state_mut().targets[i].state = TargetStep::Gone;
            }
            TargetView::Live(live) => owed |= restore(d, w, i, &live, &mut answer),
            TargetView::Denied(message) | TargetView::Unreachable(message) => {
                if state.state != TargetStep::Restored {
                    owed = true;
                    let now = d.now;
                    let count = state.refused.as_ref().map_or(1, |r| r.count);
                    let keep = state.refused.as_ref().filter(|r| r.message == message).map_or(now, |r| r.at);
                    w.state_mut().targets[i].refused = Some(Refusal { message, at: keep, count });
                }
                d.look_again_in(Duration::from_secs(10));
            }
        }
    }
    owed
}

/// Brings one target back. Whether its write is still owed.
fn restore(d: &mut Draft, w: &mut Work, i: usize, live: &LiveTarget, answer: &mut Option<Answer>) -> bool {
    let state = w.state().targets[i].clone();
    let Some(way_back) = state.way_back.clone() else { return false };
    let back = rolling::writable(live, way_back.images.clone());
    if live.runs(&back) {
        let step = &mut w.state_mut().targets[i];
        step.state = TargetStep::Restored;
        step.refused = None;
        if live.paused && step.trouble.is_none() {
            let message =
                format!("{} is paused: its old image is written, and comes when it is resumed", live.workload);
            step.trouble = Some(cause(Reason::RollbackBlocked, message, false, d.now));
        }
        return false;
    }
    let wanted = plan::wanted(&w.spec, &w.stage().targets[i]);
    let ours = rolling::writable(live, state.written.as_ref().map_or(wanted, |x| x.images.clone()));
    if !live.runs(&ours) || state.state == TargetStep::Restored {
        let others = live.containers.iter().find(|c| ours.iter().any(|o| o.container == c.name && o.image != c.image));
        let message = others.map_or_else(
            || format!("{} was changed after it was restored", live.workload),
            |c| contention(live, &c.name, c.image.as_str(), &c.owners),
        );
        let step = &mut w.state_mut().targets[i];
        step.state = TargetStep::Foreign;
        if !matches!(w.rollout.cause.as_ref().map(|c| c.reason), Some(Reason::Contended)) {
            w.state_mut().targets[i].trouble = Some(cause(Reason::RollbackBlocked, message, false, d.now));
        }
        return false;
    }
    if d.effect.is_some() {
        return true;
    }
    if let Some(r) = state.refused.as_ref().filter(|r| d.now < r.at.plus(entry::pause(r.count))) {
        d.look_again(r.at.plus(entry::pause(r.count)));
        return true;
    }
    if state.state == TargetStep::Restoring
        && let Some(Answer::Refused { message, .. } | Answer::Ambiguous { message }) = answer.take()
    {
        let count = state.refused.as_ref().map_or(0, |r| r.count) + 1;
        let now = d.now;
        w.state_mut().targets[i].refused = Some(Refusal { message, at: now, count });
        d.look_again(now.plus(entry::pause(count)));
        return true;
    }
    write(d, w, i, live, ours, back, way_back.verified);
    true
}

fn write(
    d: &mut Draft,
    w: &mut Work,
    i: usize,
    live: &LiveTarget,
    ours: Vec<crate::api::status::ContainerImage>,
    back: Vec<crate::api::status::ContainerImage>,
    verified: bool,
) {
    let (id, stage) = (w.rollout.id, w.stage_name());
    let state = &mut w.state_mut().targets[i];
    let effect = EffectId::new(&d.rel.uid, id, &TargetId::new(&stage, &state.name), Verb::Restore);
    if state.state != TargetStep::Restoring {
        state.progressing_before = live.progressing.clone();
        if state.written.is_none() {
            state.written = Some(Written { images: ours.clone(), generation: live.generation, revision: None });
        }
    }
    state.state = TargetStep::Restoring;
    state.effect = Some(effect.clone());
    state.intent_generation = Some(live.generation);
    let mut stamp = rolling::stamp(d, effect, &back, back.clone(), verified);
    stamp.took = ours.into_iter().map(|o| o.image).collect();
    stamp.took.dedup();
    d.effect = Some(rolling::target_write(&stage, &w.state().targets[i], live, back, stamp));
}

/// What cannot be written is said at the deadline and tried on; only abort, a new image, retry or deletion end it.
fn unpaid(d: &mut Draft, w: &mut Work, late: bool) -> Flow {
    if !late {
        return Flow::Stay;
    }
    for i in 0..w.state().targets.len() {
        let state = w.state().targets[i].clone();
        let owes = matches!(state.state, TargetStep::Writing | TargetStep::Written | TargetStep::Restoring);
        if owes && state.effect.is_some() && state.trouble.is_none() {
            let why = state.refused.map_or_else(|| "no answer".to_owned(), |r| r.message);
            give_up(d, w, i, format!("{} could not be restored in time: {why}; it is tried on", state.workload));
            let message = w.state().targets[i].trouble.as_ref().map(|c| c.message.clone()).unwrap_or_default();
            d.warning(Reason::RollbackFailed, message);
        }
    }
    d.look_again_in(Duration::from_secs(30));
    let newer = entry::newer_image(d, w).is_some() || super::rest::retry_asked(d).is_some();
    if d.rel.deleting || newer {
        end::finish(d, w, Reason::RollbackFailed);
        return Flow::Go;
    }
    Flow::Stay
}

fn give_up(d: &Draft, w: &mut Work, i: usize, message: String) {
    w.state_mut().targets[i].trouble = Some(cause(Reason::RollbackFailed, message, false, d.now));
}

/// Whether a rollout that is being taken back has said that it could not be.
pub(super) fn gave_up(w: &Work) -> bool {
    w.state().targets.iter().any(|t| t.trouble.as_ref().is_some_and(|c| c.reason == Reason::RollbackFailed))
}

enum Settling {
    Done,
    Waiting,
    Failed(usize, String),
}

/// Whether the restored targets are available on their way back.
fn settle(d: &mut Draft, w: &mut Work, late: bool) -> Settling {
    let stage = w.stage_name();
    let now: Time = d.now;
    let mut waiting = false;
    for i in indices(w, TargetStep::Restored) {
        let name = w.state().targets[i].name.clone();
        let Some(live) = d.live(&stage, &name) else {
            waiting = true;
            continue;
        };
        let state = &mut w.state_mut().targets[i];
        // What could not be written in time was written after all.
        state.trouble = state.trouble.take().filter(|t| t.reason == Reason::RollbackBlocked);
        if state.trouble.is_some() || evidence::rolled_out(live, None) {
            if let Some(written) = &mut state.written {
                written.revision = live.revision.clone();
            }
            continue;
        }
        waiting = true;
        if live.observed_generation >= live.generation
            && let Some(f) = evidence::failure(live, state, now)
        {
            return Settling::Failed(i, format!("the restored version does not become available: {}", f.message));
        }
        if late {
            let message = evidence::waiting_for(live).1;
            return Settling::Failed(i, format!("the restored version is not available in time: {message}"));
        }
    }
    if waiting { Settling::Waiting } else { Settling::Done }
}

/// Whether a restored target got another revision while it was asked.
fn moved(d: &Draft, w: &Work, restored: &[usize]) -> bool {
    let stage = w.stage_name();
    restored.iter().any(|i| {
        let state = &w.state().targets[*i];
        let asked = state.written.as_ref().and_then(|x| x.revision.as_ref());
        d.live(&stage, &state.name).is_some_and(|l| l.revision.as_ref() != asked)
    })
}

/// The checks that judge a restore: those that the way back has passed before. The others are asked once and reported.
/// The flag: none was passed before, so all decide.
fn judges(w: &Work, restored: &[usize]) -> (Vec<Question>, bool) {
    let passed = |q: &Question| {
        let hash = q.hash();
        restored.iter().all(|i| w.state().targets[*i].way_back.as_ref().is_some_and(|b| b.passed.contains(&hash)))
    };
    let all = checks::questions(w.stage());
    let known = all.iter().filter(|q| passed(q)).count();
    let changed = known == 0 && !all.is_empty();
    let judged = all.into_iter().map(|q| {
        let informative = !changed && !passed(&q);
        Question { informative, ..q }
    });
    (judged.collect(), changed)
}

fn report_newer(d: &mut Draft, w: &Work) {
    let newer: Vec<CheckState> = w.state().checks.iter().filter(|c| c.informative).cloned().collect();
    for check in newer {
        let outcome = if check.verdict == Some(Verdict::Passed) { "passes" } else { "does not pass" };
        let note = format!("the restored version {outcome} {}, a check that came with the new image", check.name);
        d.normal(Reason::CheckNewerThanWayBack, note);
    }
}

fn indices(w: &Work, step: TargetStep) -> Vec<usize> {
    let targets = w.state().targets.iter().enumerate();
    targets.filter(|(_, t)| t.state == step && t.effect.is_some()).map(|(i, _)| i).collect()
}

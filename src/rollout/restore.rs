//! Taking a stage back: bringing every written target to its way back, and proving that it is well again.
//!
//! A newer change by somebody else is never overwritten, and a blocked target stops no other.

use super::back::{self, bring_back};
use super::checks::{self, Asked, Question};
use super::draft::{Draft, Flow, Work, cause};
use super::{choose, ecs, end, evidence, quarantine, rollback, stuck, supersede, verify};
use crate::api::Reason;
use crate::api::annotation::ABORT;
use crate::api::status::{Cause, CheckState, Purpose, Stable, Step, TargetState, TargetStep, Verdict};
use crate::api::time::{Duration, Time};

/// Takes the stage in work back for `why`, or ends the rollout where nothing was written.
pub(super) fn fail_stage(d: &mut Draft, w: &mut Work, why: Cause) -> Flow {
    let reason = why.reason;
    d.asks.clear();
    if w.rollout.cause.is_none() {
        w.rollout.cause = Some(why.clone());
    }
    if !w.wrote() {
        let ordered = matches!(reason, Reason::Aborted | Reason::Deleted | Reason::PromotionExpired);
        if ordered && rollback::held_back(w, &why).is_none() {
            rollback::include_earlier(w);
        }
        return done(d, w, reason);
    }
    if why.fault && w.rollout.digest.is_none() {
        w.rollout.digest = quarantine::digest_seen(d, w);
    }
    if let Some(left) = rollback::held_back(w, &why) {
        if !w.state().targets.iter().any(rollback::owes) {
            // Somebody else took it back: nothing is left to be restored, now or by order.
            return done(d, w, reason);
        }
        end::finish(d, w, left);
        return Flow::Go;
    }
    rollback::include_earlier(w);
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
    let since = w.state().restore_at.unwrap_or(d.now);
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
    if in_hope(w).is_empty() {
        return done(d, w, Reason::RolledBack);
    }
    checks::void(w);
    let now = d.now;
    w.state_mut().available_at = Some(now);
    w.go(Step::VerifyingRestore)
}

/// Asks the restored version what it was asked before, and ends the rollout with the answer.
pub(super) fn verify(d: &mut Draft, w: &mut Work) -> Flow {
    if ecs::doubted(d, w) {
        d.hold = true;
        return Flow::Stay;
    }
    let moved = bring_back(d, w) || moved(d, w, &in_hope(w));
    let restored = in_hope(w);
    if restored.is_empty() {
        return done(d, w, Reason::RolledBack);
    }
    if moved {
        checks::void(w);
        return w.go(Step::Restoring);
    }
    let stage = w.stage_name();
    if restored.iter().any(|i| verify::observed(d, &stage, &w.state().targets[*i].name).is_none()) {
        return unseen(d, w, &restored);
    }
    w.state_mut().unseen_since = None;
    let base = w.state().available_at.unwrap_or(d.now);
    let (questions, changed) = judges(w, &restored);
    let failed = match checks::ask(d, w, Purpose::Restore, &questions, base) {
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
    } else {
        compare_digests(d, w, &restored);
    }
    done(d, w, Reason::RolledBack)
}

/// The stage is taken back, as far as it could be: the next one before it, or the end.
fn done(d: &mut Draft, w: &mut Work, reason: Reason) -> Flow {
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
        let generation = d.live(&stage, &target.name).map_or(written.generation, |l| l.generation);
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
            (stable.generation, stable.at) = (generation, now);
        }
    }
}

/// Not knowing is no answer: the checks wait, but not for ever.
fn unseen(d: &mut Draft, w: &mut Work, restored: &[usize]) -> Flow {
    if !verify::unseen_too_long(d, w) {
        return Flow::Stay;
    }
    for i in restored {
        give_up(d, w, *i, "the restored version could not be read while its checks were asked".into());
    }
    done(d, w, Reason::RolledBack)
}

/// The same tag may bring something else than it did: then the old version is not back.
fn compare_digests(d: &Draft, w: &mut Work, restored: &[usize]) {
    let stage = w.stage_name();
    for i in restored {
        let state = &w.state().targets[*i];
        let (Some(live), Some(back)) = (d.live(&stage, &state.name), &state.way_back) else { continue };
        let other = back.images.iter().find_map(|b| {
            let found = live.container(&b.container)?.digest.clone();
            choose::differ(&found, &b.digest).then(|| (found, b.digest.clone(), b.image.clone()))
        });
        if let Some((Some(found), Some(expected), image)) = other {
            give_up(d, w, *i, format!("{image} is {found} now, not {expected} as before: the tag was moved"));
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

fn give_up(d: &Draft, w: &mut Work, i: usize, message: String) {
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
    let Some(live) = verify::observed(d, stage, &state.name) else {
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
    if let Some(at) = evidence::next_look(state) {
        d.look_again(at);
    }
    if late {
        return Availability::Never(format!("is not available in time: {}", evidence::waiting_for(live).1));
    }
    Availability::NotYet
}

/// The targets that run their way back, and of which nothing bad is known.
fn in_hope(w: &Work) -> Vec<usize> {
    indices(w, TargetStep::Restored).into_iter().filter(|i| w.state().targets[*i].trouble.is_none()).collect()
}

/// Whether a restored target got another revision while it was asked.
fn moved(d: &Draft, w: &Work, restored: &[usize]) -> bool {
    let stage = w.stage_name();
    restored.iter().any(|i| {
        let state = &w.state().targets[*i];
        let asked = state.written.as_ref().and_then(|x| x.revision.as_ref());
        verify::observed(d, &stage, &state.name).is_some_and(|l| l.revision.as_ref() != asked)
    })
}

/// The checks that judge a restore: those that the way back has passed before. The others are asked once and reported.
/// The flag: none was passed before, so all decide.
fn judges(w: &Work, restored: &[usize]) -> (Vec<Question>, bool) {
    let passed = |q: &Question| {
        let hash = q.hash();
        restored.iter().all(|i| w.state().targets[*i].way_back.as_ref().is_some_and(|b| b.passed.contains(&hash)))
    };
    // The pods of a target that is not restored are not asked.
    let others = |q: &Question| match q.query.pods() {
        Some(pods) => {
            let targets = &w.state().targets;
            let asked = pods.target.as_ref().and_then(|n| targets.iter().position(|t| t.name == *n)).unwrap_or(0);
            !restored.contains(&asked)
        }
        None => false,
    };
    let all: Vec<Question> = checks::questions(w.stage()).into_iter().filter(|q| !others(q)).collect();
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

//! Asking whether a stage that is available is well, and what follows from the answer.

use super::checks::{self, Asked};
use super::draft::{Draft, Flow, Work, cause};
use super::identity::{self, Unfit};
use super::{bake, ecs, end, evidence, foreign, history, hold, restore, rolling, sight, supersede};
use crate::api::Reason;
use crate::api::status::{CheckState, Purpose, Stable, Step, TargetStep, Verdict};

/// What is said of a target that passed its checks with a part of its pods.
pub(super) const NOT_AVAILABLE: &str = "its checks passed, but it did not stay available";

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(flow) = disturbed(d, w) {
        return flow;
    }
    let stage = w.stage().clone();
    let base = w.state().available_at.unwrap_or(d.now);
    match checks::ask(d, w, Purpose::Verify, &checks::of_new_version(&stage), base) {
        Asked::Waiting => supersede::make_room(d, w).unwrap_or(Flow::Stay),
        Asked::Passed => match bake::bake(d, w).or_else(|| unavailable(d, w)) {
            Some(flow) => flow,
            None if digest_may_come(d, w) => supersede::make_room(d, w).unwrap_or(Flow::Stay),
            None => passed(d, w),
        },
        Asked::Failed(check) => {
            let message = said(&check);
            let reason = match check.kind {
                crate::api::status::CheckKind::Health => Reason::HealthCheckFailed,
                crate::api::status::CheckKind::Smoke => Reason::SmokeTestFailed,
                crate::api::status::CheckKind::Performance => Reason::PerformanceCheckFailed,
            };
            let failure = cause(reason, message, true, d.now);
            restore::fail_stage(d, w, failure)
        }
        Asked::Inconclusive(check) => {
            let why = cause(Reason::Inconclusive, said(&check), false, d.now);
            hold::inconclusive(d, w, why)
        }
    }
}

/// What happens to a stage that is available, beside the answers of its checks.
pub(super) fn disturbed(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    if ecs::doubted(d, w) {
        d.hold = true;
        return Some(Flow::Stay);
    }
    if let Some(flow) = foreign::changed_by_others(d, w) {
        return Some(flow);
    }
    let stage = w.stage_name();
    let seen = |t| sight::comparable(d, &stage, t).map(|l| sight::other_revision(l, t));
    let seen: Option<Vec<bool>> = w.state().targets.iter().map(seen).collect();
    let Some(other_revision) = seen else {
        // Not knowing is no answer: the checks wait, and so does the verdict.
        w.state_mut().unavailable_since = None;
        if !unseen_too_long(d, w) {
            return Some(Flow::Stay);
        }
        let message = "a target could not be read, or its controller did not follow, while its checks were asked";
        let failure = cause(Reason::Inconclusive, message, false, d.now);
        if w.rollout.step == Step::Holding {
            // It waits for a person already. What cannot be seen can neither be accepted nor judged.
            return Some(Flow::Stay);
        }
        return Some(hold::inconclusive(d, w, failure));
    };
    w.state_mut().unseen_since = None;
    // A pod restart or an environment edit brings one with our image: what was asked says nothing of it.
    if other_revision.contains(&true) {
        checks::void(w);
        w.state_mut().available_at = None;
        w.state_mut().bake_until = None;
        w.state_mut().unavailable_since = None;
        w.state_mut().undigested_since = None;
        w.state_mut().gates.clear();
        d.status.failing.clear();
        return Some(w.go(Step::Rolling));
    }
    if let Some(failure) = rolling::failed(d, w) {
        return Some(restore::fail_stage(d, w, failure));
    }
    None
}

pub(super) fn said(check: &CheckState) -> String {
    let message = check.message.as_deref().unwrap_or("no answer");
    let rounds = if check.number == 1 { "round" } else { "rounds" };
    format!("{} after {} {rounds}: {message}", check.name, check.number)
}

/// Whether what the checks are asked of has been out of sight for the stage's deadline. A blink, however late, is none.
pub(super) fn unseen_too_long(d: &mut Draft, w: &mut Work) -> bool {
    d.look_again_in(sight::AGAIN);
    let now = d.now;
    let since = *w.state_mut().unseen_since.get_or_insert(now);
    let late = d.due(since.plus(w.stage().progress_deadline));
    d.hold = !late;
    late
}

/// Those that answered are well; the others may have gone down since. They are waited for, and never called well.
fn unavailable(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let all: Vec<usize> = (0..w.state().targets.len()).collect();
    let (_, why) = lacking(d, w, &all).into_iter().next()?;
    if !lacked_too_long(d, w) {
        return Some(supersede::make_room(d, w).unwrap_or(Flow::Stay));
    }
    let message = format!("{NOT_AVAILABLE}: {why}");
    Some(hold::inconclusive(d, w, cause(Reason::Inconclusive, message, false, d.now)))
}

/// Which of `targets` are not available in full now, and why.
pub(super) fn lacking(d: &Draft, w: &mut Work, targets: &[usize]) -> Vec<(usize, String)> {
    let stage = w.stage_name();
    let live = |i: usize| d.live(&stage, &w.state().targets[i].name);
    let lacks = |i: usize| live(i).filter(|l| !evidence::still_up(l)).map(|l| (i, evidence::waiting_for(l).1));
    let found: Vec<_> = targets.iter().filter_map(|i| lacks(*i)).collect();
    if found.is_empty() {
        w.state_mut().unavailable_since = None;
    }
    found
}

/// Whether that has lasted as long as a stage may take to be available.
pub(super) fn lacked_too_long(d: &mut Draft, w: &mut Work) -> bool {
    d.look_again_in(sight::AGAIN);
    let since = *w.state_mut().unavailable_since.get_or_insert(d.now);
    d.due(since.plus(w.stage().progress_deadline))
}

pub(super) fn passed(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(Unfit::Unknown(failure) | Unfit::Different(failure)) = identity::of_stage(d, w) {
        return restore::fail_stage(d, w, failure);
    }
    remember(d, w);
    let now = d.now;
    w.state_mut().unavailable_since = None;
    w.state_mut().undigested_since = None;
    let stage = w.stage_name();
    w.state_mut().verified_at = Some(now);
    if w.state().adopted {
        d.normal(Reason::Adopted, format!("{stage} ran {} already and is well; nothing was written", w.rollout.image));
    } else {
        d.normal(Reason::StageVerified, format!("{stage} runs {} and is well", w.rollout.image));
    }
    if w.at + 1 == w.spec.stages.len() {
        end::finish(d, w, Reason::Verified);
        return Flow::Go;
    }
    w.at += 1;
    w.rollout.stage = Some(w.stage_name());
    w.rollout.promotion = None;
    w.go(Step::Preflight)
}

/// Whether a digest that is required is not known, and is waited for: as long again as the stage may take to be available.
pub(super) fn digest_may_come(d: &mut Draft, w: &mut Work) -> bool {
    if !w.spec.image.require_digest || !matches!(identity::of_stage(d, w), Some(Unfit::Unknown(_))) {
        return false;
    }
    d.look_again_in(sight::AGAIN);
    let since = *w.state_mut().undigested_since.get_or_insert(d.now);
    !d.due(since.plus(w.stage().progress_deadline))
}

/// Stores what was verified, with the checks that it passed, and pays its debts.
fn remember(d: &mut Draft, w: &mut Work) {
    let stage = w.stage().clone();
    history::keep_answers(w);
    // A person may have accepted what could not be asked.
    let asked = |q: &checks::Question| {
        let mut states = w.state().checks.iter();
        states.any(|c| c.name == q.name && c.kind == q.kind && c.verdict == Some(Verdict::Passed))
    };
    let questions = checks::questions(&stage);
    let passed: Vec<String> = questions.iter().filter(|q| asked(q)).map(checks::Question::hash).collect();
    for (i, target) in stage.targets.iter().enumerate() {
        let Some(live) = d.live(&stage.name, &target.name) else { continue };
        let stable = Stable {
            stage: stage.name.clone(),
            target: target.name.clone(),
            workload: live.workload.clone(),
            images: live.images(target.containers()),
            task_definition: live.ecs.as_ref().map(|e| e.task_definition.clone()),
            uid: Some(live.uid.clone()),
            generation: live.generation,
            passed: passed.clone(),
            at: d.now,
        };
        d.status.stable.retain(|s| s.stage != stage.name || s.target != target.name);
        d.status.stable.push(stable);
        d.status.debts.retain(|b| b.stage != stage.name || b.target != target.name);
        let state = &mut w.state_mut().targets[i];
        state.state = if state.state == TargetStep::Adopted { TargetStep::Adopted } else { TargetStep::Verified };
        state.pull_error_since = None;
        state.create_error_since = None;
    }
    let keep: Vec<(String, String)> =
        w.spec.stages.iter().flat_map(|s| s.targets.iter().map(|t| (s.name.clone(), t.name.clone()))).collect();
    d.status.stable.retain(|s| keep.iter().any(|(a, b)| *a == s.stage && *b == s.target));
}

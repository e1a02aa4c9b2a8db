//! Asking whether a stage that is available is well, and what follows from the answer.

use super::checks::{self, Asked};
use super::draft::{Draft, Flow, Work, cause};
use super::{bake, ecs, end, foreign, history, hold, restore, rolling, supersede};
use crate::api::Reason;
use crate::api::status::{Cause, CheckState, Purpose, Stable, Step, TargetStep, Verdict};
use crate::api::time::Duration;
use crate::api::view::LiveTarget;

pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(flow) = disturbed(d, w) {
        return flow;
    }
    let stage = w.stage().clone();
    let base = w.state().available_at.unwrap_or(d.now);
    match checks::ask(d, w, Purpose::Verify, &checks::of_new_version(&stage), base) {
        Asked::Waiting => supersede::make_room(d, w).unwrap_or(Flow::Stay),
        Asked::Passed => bake::bake(d, w).unwrap_or_else(|| passed(d, w)),
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
    let stage = w.stage().clone();
    let seen: Vec<Option<&LiveTarget>> = stage.targets.iter().map(|t| observed(d, &stage.name, &t.name)).collect();
    if seen.iter().any(Option::is_none) {
        // Not knowing is no answer: the checks wait, and so does the verdict.
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
    }
    w.state_mut().unseen_since = None;
    if new_revision(w, &seen) {
        checks::void(w);
        w.state_mut().available_at = None;
        w.state_mut().bake_until = None;
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

/// A target whose controller has seen its newest generation: before that nobody knows which revision it will run.
pub(super) fn observed<'a>(d: &Draft<'a>, stage: &str, target: &str) -> Option<&'a LiveTarget> {
    d.live(stage, target).filter(|l| l.observed_generation >= l.generation)
}

/// A pod restart or an environment edit brings a new revision with our image: what was asked says nothing of it.
fn new_revision(w: &Work, seen: &[Option<&LiveTarget>]) -> bool {
    let targets = w.state().targets.iter().zip(seen);
    targets.into_iter().any(|(state, live)| {
        let asked = state.written.as_ref().and_then(|x| x.revision.as_ref());
        live.is_some_and(|l| l.revision.as_ref() != asked)
    })
}

/// Whether what the checks are asked of has been out of sight for the stage's deadline. A blink, however late, is none.
pub(super) fn unseen_too_long(d: &mut Draft, w: &mut Work) -> bool {
    d.look_again_in(Duration::from_secs(5));
    let now = d.now;
    let since = *w.state_mut().unseen_since.get_or_insert(now);
    let late = d.due(since.plus(w.stage().progress_deadline));
    d.hold = !late;
    late
}

pub(super) fn passed(d: &mut Draft, w: &mut Work) -> Flow {
    if let Some(failure) = compare_digests(d, w) {
        return restore::fail_stage(d, w, failure);
    }
    remember(d, w);
    let now = d.now;
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

/// Later stages must run the digest that the first one was verified with, where both are known.
fn compare_digests(d: &mut Draft, w: &mut Work) -> Option<Cause> {
    let stage = w.stage().clone();
    for target in &stage.targets {
        let live = d.live(&stage.name, &target.name)?;
        if target.repository.as_ref().is_some_and(|r| *r != w.spec.image.repository) {
            continue;
        }
        for image in live.images(target.containers()) {
            let expected = w.rollout.digest.clone().or(w.spec.image.digest.clone());
            match (expected, image.digest) {
                (Some(e), Some(f)) if e != f => {
                    let message = format!("{} runs {f}, not {e}, under the same tag", live.workload);
                    return Some(cause(Reason::DigestDiffers, message, false, d.now));
                }
                (None, Some(f)) => w.rollout.digest = Some(f),
                (_, None) if w.spec.image.require_digest => {
                    let message = format!(
                        "the digest that {} runs in {} is not known, and image.requireDigest is true",
                        live.workload, image.container
                    );
                    return Some(cause(Reason::DigestUnknown, message, false, d.now));
                }
                (_, None) => {
                    let note = format!("the digest that {} runs in {} is not known", live.workload, image.container);
                    d.warning(Reason::DigestUnknown, note);
                }
                _ => {}
            }
        }
    }
    None
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

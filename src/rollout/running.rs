//! A rollout in work: who may stop it, and which step comes next.

use super::draft::{Draft, Flow, Work, cause};
use super::{ecs, entry, hold, hooks, instants, lost, plan, proof, restore, rolling, verify};
use crate::api::spec::{ChecksMode, ImageSpec, ReleaseSpec, Stage, Target};
use crate::api::status::{Rollout, Step, TargetState};
use crate::api::time::Duration;
use crate::api::{Reason, annotation};

/// Steps that one decision may take without anything happening in the world in between.
const MAX_STEPS: usize = 24;

pub(super) fn advance(d: &mut Draft) {
    let Some(mut rollout) = d.status.rollout.take() else { return };
    instants::tame(&mut rollout, d.now);
    if rollout.spec.is_none() && rollout.id.generation != d.rel.generation {
        // Nothing is frozen yet: an edit begins it anew.
        return;
    }
    let mut work = work(d, rollout);
    for _ in 0..MAX_STEPS {
        if work.rollout.step == Step::Ended || turn(d, &mut work) == Flow::Stay {
            break;
        }
    }
    if work.rollout.step != Step::Ended {
        ecs::poll(d, &work);
    }
    // A decision that was taken back leaves the Release as it was found.
    if !d.discarded {
        d.status.rollout = Some(work.rollout);
    }
}

fn turn(d: &mut Draft, w: &mut Work) -> Flow {
    lost::take_in_late(d, w);
    if let Some(flow) = stopped(d, w) {
        return flow;
    }
    match w.rollout.step {
        Step::Preflight | Step::ChoosingWayBack | Step::AwaitingPromotion => entry::enter(d, w),
        Step::RunningHooks => hooks::advance(d, w),
        Step::Rolling => rolling::advance(d, w),
        Step::Verifying => verify::advance(d, w),
        Step::Holding => hold::advance(d, w),
        Step::Restoring => restore::advance(d, w),
        Step::RunningRollbackHooks => hooks::undo(d, w),
        Step::VerifyingRestore => proof::advance(d, w),
        Step::Ended => Flow::Stay,
    }
}

/// Deletion first, then abort: they outrank whatever else happened.
fn stopped(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let restoring = matches!(w.rollout.step, Step::Restoring | Step::RunningRollbackHooks | Step::VerifyingRestore);
    answer_rollback(d);
    let abort = abort_asked(d, w, restoring);
    if d.rel.deleting && !restoring {
        let deleted = cause(Reason::Deleted, "the Release is being deleted", false, d.now);
        if hooks::stop(w, &deleted) {
            return None;
        }
        return Some(restore::fail_stage(d, w, deleted));
    }
    if abort && restoring {
        super::end::finish(d, w, Reason::RollbackFailed);
        return Some(Flow::Go);
    }
    if abort {
        let aborted = cause(Reason::Aborted, "a person aborted it", false, d.now);
        if hooks::stop(w, &aborted) {
            return None;
        }
        return Some(restore::fail_stage(d, w, aborted));
    }
    None
}

fn abort_asked(d: &mut Draft, w: &Work, restoring: bool) -> bool {
    let Some(value) = d.rel.annotations.get(annotation::ABORT).filter(|v| !v.is_empty()) else {
        // Set again it is a new order: a restore that cannot be made may need a second one.
        d.status.handled.abort = None;
        return false;
    };
    if d.status.handled.abort.as_ref() == Some(value) {
        return false;
    }
    d.status.handled.abort = Some(value.clone());
    if *value != w.rollout.id.to_string() {
        let note =
            format!("{value:?} is not the running rollout; to abort it set {}: {}", annotation::ABORT, w.rollout.id);
        d.warning(Reason::AbortRefused, note);
        return false;
    }
    if restoring && !restore::gave_up(w) {
        d.warning(Reason::AbortRefused, "the stage is being restored already");
        return false;
    }
    true
}

fn answer_rollback(d: &mut Draft) {
    let Some(value) = d.rel.annotations.get(annotation::ROLLBACK).filter(|v| !v.is_empty()) else { return };
    if d.status.handled.rollback.as_ref() != Some(value) {
        d.status.handled.rollback = Some(value.clone());
        d.warning(Reason::RollbackRefused, format!("a rollout is running; to end it use {}", annotation::ABORT));
    }
}

/// The rollout with its spec: the frozen one, or as served where nothing is frozen yet.
fn work(d: &mut Draft, mut rollout: Rollout) -> Work {
    let spec = match rollout.spec.clone() {
        None => Some(d.rel.spec.resolved()),
        Some(frozen) => serde_json::from_value::<ReleaseSpec>(frozen).ok(),
    };
    let spec = match spec.filter(|s| aligned(s, &rollout)) {
        Some(spec) => spec,
        None if rollout.cause.is_none() => {
            rollout.cause = Some(cause(Reason::StatusUnreadable, "the frozen spec cannot be decoded", false, d.now));
            return unreadable_work(d, rollout);
        }
        None => typed_spec(d, &rollout),
    };
    let at = rollout.stage.as_ref().and_then(|s| spec.stage(s)).map_or(0, |(i, _)| i);
    Work { rollout, spec, at }
}

/// No forward write any more: what was written is taken back, from the typed state alone.
fn unreadable_work(d: &mut Draft, rollout: Rollout) -> Work {
    let spec = typed_spec(d, &rollout);
    let at = rollout.stage.as_ref().and_then(|s| spec.stage(s)).map_or(0, |(i, _)| i);
    let mut work = Work { rollout, spec, at };
    let why = cause(Reason::StatusUnreadable, "the frozen spec cannot be decoded", false, d.now);
    restore::fail_stage(d, &mut work, why);
    work
}

fn aligned(spec: &ReleaseSpec, rollout: &Rollout) -> bool {
    spec.stages.len() == rollout.stages.len()
        && spec.stages.iter().zip(&rollout.stages).all(|(s, r)| {
            s.name == r.name
                && s.targets.len() == r.targets.len()
                && s.targets.iter().zip(&r.targets).all(|(a, b)| a.name == b.name)
        })
}

/// A spec that says of the stages no more than the typed state does.
fn typed_spec(d: &Draft, rollout: &Rollout) -> ReleaseSpec {
    let target = |t: &TargetState| {
        let images = t.written.as_ref().map(|x| x.images.clone()).or(t.way_back.as_ref().map(|b| b.images.clone()));
        let containers = images.unwrap_or_default().into_iter().map(|i| i.container).collect();
        let kind = plan::named(&t.workload, containers);
        Target { name: t.name.clone(), repository: Some(rollout.image.repository().to_owned()), kind }
    };
    let stages = rollout.stages.iter().map(|s| Stage {
        name: s.name.clone(),
        promotion: None,
        readiness: None,
        checks: Some(ChecksMode::None),
        progress_deadline: Duration::from_secs(600),
        targets: s.targets.iter().map(target).collect(),
        hooks: vec![],
        on_rollback: vec![],
        health_checks: vec![],
        smoke_tests: vec![],
        performance_checks: vec![],
        metric_gates: vec![],
        bake: None,
        every: None,
        rollback: Default::default(),
    });
    let served = &d.rel.spec.image;
    let image = ImageSpec {
        repository: rollout.image.repository().to_owned(),
        tag: rollout.image.tag().map(str::to_owned),
        digest: rollout.image.digest(),
        ..served.clone()
    };
    ReleaseSpec { image, stages: stages.collect(), ..d.rel.spec.clone() }
}

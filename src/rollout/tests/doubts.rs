//! Scenes in which a hasty answer would be a wrong one.

use super::workloads::Behaviour;
use super::world::{World, spec};
use crate::api::ask::{AskResult, Outcome};
use crate::api::effect::{Answer, Refused};
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::view::{ContainerRun, ContainerView, PodView, TargetView};
use crate::api::{Reason, TargetId, annotation};

/// In Verifying, longer after the stage became available than its progressDeadline.
fn long_in_verify() -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[0].health_checks[0].initial_delay = Some(Duration::from_secs(1800)));
    w.run();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying);
    w.pass(Duration::from_secs(1200));
    w
}

#[test]
fn one_blink_late_in_the_checks_is_no_verdict() {
    let mut w = long_in_verify();
    let id = TargetId::new("staging", "web");
    let live = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    w.turn();
    assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
    w.targets.insert(id, live);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-b2"), "{}", w.message());
    // An HPA changes the generation; its controller follows a moment later.
    let mut w = long_in_verify();
    w.live("staging").generation += 1;
    w.turn();
    assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
}

#[test]
fn what_stays_unseen_for_its_deadline_ends_the_stage() {
    let mut w = long_in_verify();
    let id = TargetId::new("staging", "web");
    let live = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    w.turn();
    w.pass(Duration::from_secs(599));
    w.turn();
    assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
    w.pass(Duration::from_secs(1));
    w.turn();
    assert_eq!(w.step_name(), Step::Restoring, "{}", w.message());
    w.targets.insert(id, live);
    w.run();
    assert_eq!((w.phase(), w.rel.status.quarantine.len()), (Phase::RolledBack, 0), "{}", w.message());
}

#[test]
fn one_blink_late_in_the_checks_of_a_restore_is_no_verdict() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::CrashLoop);
    w.edit(|s| s.stages[0].health_checks[0].initial_delay = Some(Duration::from_secs(1800)));
    w.run();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    w.pass(Duration::from_secs(1200));
    let id = TargetId::new("staging", "web");
    let live = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    w.turn();
    w.targets.insert(id, live);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

/// An aborted rollout whose restore is refused for ever.
#[test]
fn a_restore_that_cannot_be_made_can_be_given_up_after_an_abort() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.refuse = Some((Refused::Forbidden, "forbidden".into()));
    w.run_until(|w| w.announced(Reason::RollbackFailed));
    w.turn();
    assert_eq!(w.step_name(), Step::Restoring, "the same annotation is not taken twice");
    w.rel.annotations.remove(annotation::ABORT);
    w.turn();
    assert_eq!(w.step_name(), Step::Restoring);
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    assert_eq!(w.rel.status.debts.len(), 1);
}

#[test]
fn the_end_is_announced_however_much_else_there_is_to_say() {
    let checks: String = (0..12)
        .map(|i| format!("{{name: new-{i}, http: {{service: {{name: staging, port: 80}}, path: /{i}}}}}, "))
        .collect();
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::CrashLoop);
    w.edit(|s| {
        let more = spec(&format!(
            "image: {{repository: r, tag: t}}\nstages: [{{name: s, targets: [], smokeTests: [{checks}]}}]"
        ));
        s.stages[0].smoke_tests.extend(more.stages[0].smoke_tests.clone());
        s.image.tag = Some("sha-b2".into());
    });
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    assert!(w.announced(Reason::RolledBack), "{:?}", w.events);
}

#[test]
fn a_throttled_finalizer_is_tried_later() {
    for (answer, said) in [
        (Answer::Refused { kind: Refused::Throttled, message: "slow down".into() }, false),
        (Answer::Ambiguous { message: "no answer".into() }, false),
        (Answer::Refused { kind: Refused::Forbidden, message: "no right".into() }, true),
    ] {
        let mut w = World::verified("sha-a1");
        w.tag("sha-b2");
        let first = w.decide();
        assert_eq!(first.effect, Some(crate::api::effect::Effect::SetFinalizer));
        w.answer = Some(answer.clone());
        let next = w.decide();
        assert_eq!(next.effect, None, "{answer:?}");
        assert!(next.again.is_some_and(|at| at > w.now), "{answer:?}");
        assert_eq!(next.status.running().is_some_and(|r| r.blocked.is_some()), said, "{answer:?}");
    }
}

/// Pods of the old version stay while the new one does not start, and what they went through last month says nothing of a restore.
#[test]
fn old_restarts_do_not_condemn_a_restore_that_takes_over_a_debt() {
    let mut w =
        World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady).behave("sha-c3", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    w.refuse = Some((Refused::Forbidden, "forbidden".into()));
    w.run_until(|w| w.announced(Reason::RollbackFailed));
    w.tag("sha-c3");
    w.refuse = None;
    w.run_until(|w| w.writes.len() == 3);
    w.converge();
    let container =
        ContainerView { name: "app".into(), init: false, state: ContainerRun::Running, restarts: 7, last_exit: None };
    let pod: &mut PodView = &mut w.live("staging").pods[0];
    pod.containers = vec![container];
    w.live("staging").replicas.available = 1;
    w.turn();
    w.turn();
    assert_ne!(w.reason(), Reason::RollbackFailed, "{}", w.message());
}

/// A pod of the version before may answer still, so what is asked could be asked of it.
#[test]
fn a_stage_is_not_available_while_an_old_pod_is_left() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.converge();
    w.live("staging").replicas.total += 1;
    w.come_to_rest();
    assert_eq!(w.step_name(), Step::Rolling);
    w.live("staging").replicas.total -= 1;
    w.come_to_rest();
    assert_eq!(w.step_name(), Step::AwaitingPromotion);
}

/// The intent is stored, the write was never made, and a person aborts.
#[test]
fn an_intent_that_was_never_carried_out_is_taken_back_too() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    let decision = w.decide();
    w.carry_out(decision, super::play::Fate::Crash);
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!(
        (w.reason(), w.runs("staging").as_str(), w.writes.len()),
        (Reason::Aborted, "sha-a1", 0),
        "{}",
        w.message()
    );
}

/// Events outlive their Release for an hour, and a name that is taken is taken for published.
#[test]
fn events_of_a_release_that_was_deleted_and_made_again_have_other_names() {
    let names = |uid: &str, later: i64| {
        let mut w = World::new("sha-a1", "sha-a1");
        w.rel.uid = uid.into();
        w.pass(Duration::from_secs(later));
        w.run_until(|w| w.rel.status.announcements > 0);
        w.rel.status.announced.iter().map(|a| a.name.clone()).collect::<Vec<_>>()
    };
    let (first, second) = (names("u-1", 0), names("u-2", 60));
    assert!(!first.is_empty() && first.iter().all(|n| !second.contains(n)), "{first:?} {second:?}");
    assert!(first.iter().all(|n| n.starts_with("checkout.1-1.1")), "{first:?}");
}

#[test]
fn a_value_from_the_start_does_not_count_after_a_wrong_one_either() {
    for value in ["sha-b2", "production:sha-b2"] {
        let mut w = World::verified("sha-a1");
        w.annotate(annotation::PROMOTE, value);
        w.tag("sha-b2");
        w.run();
        for next in ["wrong", value] {
            w.annotate(annotation::PROMOTE, next);
            w.run();
            assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::AwaitingPromotion, "sha-a1"), "{next}");
        }
    }
}

#[test]
fn an_answer_from_before_the_stage_was_available_is_none() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.mute = true;
    w.run_until(|w| w.step_name() == Step::Verifying && !w.decide().asks.is_empty());
    let base = w.rel.status.rollout.as_ref().unwrap().stages[0].available_at.unwrap();
    for (ms, counted) in [(-1, 0), (0, 1)] {
        let id = w.decide().asks[0].id.clone();
        let at = base.plus(Duration::from_millis(ms));
        w.results = vec![AskResult { id, outcome: Outcome::Fail, message: "early".into(), measured: None, at }];
        w.turn();
        assert_eq!(w.rel.status.rollout.as_ref().unwrap().stages[0].checks[0].fails, counted, "{ms}");
    }
}

/// Whoever scaled it to zero while it was asked took away what should have answered.
#[test]
fn what_fails_while_nobody_is_there_is_not_the_images_fault() {
    for (asleep, quarantined) in [(false, 1), (true, 0)] {
        let mut w = World::verified("sha-a1");
        w.edit(|s| s.stages[0].health_checks.iter_mut().for_each(|c| c.retry.attempts = 1));
        w.tag("sha-b2");
        w.force = Some(Outcome::Fail);
        w.run_until(|w| !w.results.is_empty());
        if asleep {
            w.live("staging").replicas.wanted = 0;
        }
        w.run();
        assert_eq!(w.rel.status.quarantine.len(), quarantined, "asleep {asleep}: {}", w.message());
    }
}

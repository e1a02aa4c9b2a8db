//! What a hostile reader found: each of these went wrong once.

use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World, path, timeout};
use crate::api::ask::Outcome;
use crate::api::condition::DEGRADED;
use crate::api::effect::{Answer, Refused};
use crate::api::spec::{OnInconclusive, RollbackMode, RollbackScope};
use crate::api::status::{Phase, Step, Workload};
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Image, Reason, TargetId, annotation};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn id(w: &World) -> String {
    w.rel.status.rollout.as_ref().unwrap().id.to_string()
}

/// `sha-b2` is on its way.
fn rolling(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages.iter_mut().for_each(|s| change(&mut s.rollback));
    });
    w
}

/// It failed in production.
fn failed_in_production(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = rolling(change).behave("production:sha-b2", Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run();
    w
}

/// It is verified in both stages.
fn brought(change: impl Fn(&mut crate::api::spec::Rollback)) -> World {
    let mut w = rolling(change);
    w.run();
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified);
    w.forget();
    w
}

/// Lets `span` pass, looking whenever the decision wants to.
fn pass(w: &mut World, span: Duration) {
    let end = w.now.plus(span);
    loop {
        while w.turn() {}
        match w.again {
            Some(at) if at > w.now && at <= end => w.now = at,
            _ => break,
        }
    }
    w.now = end;
    while w.turn() {}
}

#[test]
fn an_order_that_finds_nothing_to_take_back_is_answered_and_stops_no_new_tag() {
    let mut w = failed_in_production(|_| {});
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-b2"));
    let failed = id(&w);
    w.forget();
    w.annotate(annotation::ROLLBACK, &failed);
    w.run();
    assert!(w.announced(Reason::RollbackRefused) && !w.rel.finalizer, "{:?}", w.events);
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
}

#[test]
fn a_new_tag_is_not_lost_in_a_rollback() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.tag("sha-c3");
    w.annotate(annotation::ROLLBACK, &last);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
}

#[test]
fn an_answer_that_takes_longer_than_the_interval_is_waited_for() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].bake = Some(MINUTE);
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
    w.mute = true;
    // A hung application: each round is answered when its timeout, five seconds, is over.
    let mut asked: Vec<(crate::api::ask::AskId, crate::api::Time)> = vec![];
    for _ in 0..600 {
        let decision = w.decide();
        // What is not asked any more is cancelled.
        asked.retain(|(id, _)| decision.asks.iter().any(|a| a.id == *id));
        for ask in &decision.asks {
            if asked.iter().all(|(id, _)| *id != ask.id) {
                asked.push((ask.id.clone(), w.now));
            }
        }
        w.carry_out(decision, super::play::Fate::Done);
        if w.step_name() != Step::Verifying {
            break;
        }
        w.pass(Duration::from_millis(100));
        let now = w.now;
        let over = |at: crate::api::Time| now >= at.plus(Duration::from_millis(5100));
        for (id, at) in asked.iter().filter(|(_, at)| over(*at)) {
            let _ = at;
            let message = "no complete answer within 5s".to_owned();
            w.results.push(crate::api::ask::AskResult {
                id: id.clone(),
                outcome: Outcome::Fail,
                message,
                at: now,
                measured: None,
            });
        }
        asked.retain(|(_, at)| !over(*at));
    }
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.as_ref().map(|c| c.reason);
    assert_eq!(cause, Some(Reason::HealthCheckFailed), "{:?} {}", w.step_name(), w.message());
}

#[test]
fn a_check_that_is_edited_at_rest_is_not_said_to_fail_for_ever() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[1].every = Some(HOUR));
    w.run();
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    pass(&mut w, Duration::from_secs(2 * 3600));
    assert!(w.condition(DEGRADED).is_some());
    w.edit(|s| path(&mut s.stages[1].smoke_tests[0].question, "/other"));
    pass(&mut w, MINUTE);
    assert!(w.condition(DEGRADED).is_none(), "nobody asks it any more: {:?}", w.rel.status.failing);
}

#[test]
fn a_rollout_that_was_withdrawn_leaves_the_smoke_tests_at_rest_as_they_were() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[1].every = Some(HOUR));
    w.run();
    w.live("staging").paused = true;
    w.tag("sha-b2");
    pass(&mut w, MINUTE);
    assert_eq!(w.phase(), Phase::Pending, "{}", w.message());
    w.live("staging").paused = false;
    w.tag("sha-a1");
    pass(&mut w, MINUTE);
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    assert!(!crate::rollout::rests(&w.rel));
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    pass(&mut w, Duration::from_secs(2 * 3600));
    assert!(w.condition(DEGRADED).is_some());
}

#[test]
fn a_release_that_was_taken_back_says_which_stage_failed_and_holds_the_image() {
    let w = failed_in_production(|r| r.scope = RollbackScope::Release);
    assert!(w.message().contains("sha-b2 failed in production: "), "{}", w.message());
    assert_eq!(w.rel.status.quarantine[0].stage, "production");
    // A stage before went away meanwhile.
    let mut w = rolling(|r| r.scope = RollbackScope::Release).behave("production:sha-b2", Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    w.targets.insert(TargetId::new("staging", "web"), TargetView::Absent);
    w.run();
    assert_eq!(w.reason(), Reason::TargetGone, "{}", w.message());
    assert_eq!(w.rel.status.quarantine.len(), 1, "it failed by its own fault: {}", w.message());
    // Production is not well on the old version either.
    let w = rolling(|r| r.scope = RollbackScope::Release).behave("production:sha-b2", Behaviour::FailsHealth);
    let mut w = w;
    w.run();
    w.approve();
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::RollbackFailed, "sha-a1"));
    assert!(w.message().contains("look at production now"), "{}", w.message());
    assert!(w.message().contains("the restored version is not well"), "{}", w.message());
}

#[test]
fn what_was_verified_and_taken_back_by_order_may_be_brought_again_without_a_history() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.history_limit = 0;
        s.image.tag = Some("sha-b2".into());
    });
    w.run();
    w.approve();
    w.run();
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    assert!(w.rel.status.quarantine[0].verified_before);
}

#[test]
fn never_means_never_for_the_stages_before_too() {
    for mode in [RollbackMode::Never, RollbackMode::Manual] {
        let mut w = rolling(|r| (r.scope, r.mode) = (RollbackScope::Release, mode));
        w.run();
        w.pass(Duration::from_secs(25 * 3600));
        w.run();
        assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::PromotionExpired, "sha-b2"), "{mode:?}");
    }
}

#[test]
fn a_person_is_not_told_to_take_back_what_somebody_else_took_back() {
    let mut w = rolling(|r| r.mode = RollbackMode::Manual);
    w.run_until(|w| w.step_name() == Step::Verifying);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("sha-a1"), None), "argocd-controller");
    w.converge();
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::Contended), "{}", w.message());
}

#[test]
fn drift_that_is_over_is_not_said_on_because_of_what_is_never_read_at_rest() {
    let mut w = brought(|_| {});
    // As if staging were a service on AWS.
    let service = crate::api::status::EcsService {
        region: "eu-west-1".into(),
        cluster: "c".into(),
        service: "s".into(),
        role_arn: None,
        external_id: None,
    };
    w.rel.status.stable.iter_mut().find(|s| s.stage == "staging").unwrap().workload = Workload::Ecs(service);
    let observed = |w: &World| {
        let mut o = w.observed();
        o.targets.retain(|id, _| id.stage == "production");
        o
    };
    set_image(w.live("production"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
    let d = crate::rollout::step(&w.rel, &observed(&w), w.now);
    w.store(&d);
    assert!(w.condition("Drifted").is_some());
    set_image(w.live("production"), "app", Image::build(REPOSITORY, Some("sha-b2"), None), "kubectl");
    let d = crate::rollout::step(&w.rel, &observed(&w), w.now);
    w.store(&d);
    assert!(w.condition("Drifted").is_none());
}

#[test]
fn rounds_of_an_older_revision_count_nothing_in_the_bake_of_the_next() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].bake = Some(MINUTE);
        timeout(&mut s.stages[0].health_checks[0].question, Duration::from_millis(100));
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
    w.behaviour.insert("staging:sha-b2".into(), Behaviour::FailsHealth);
    pass(&mut w, Duration::from_secs(2));
    assert_eq!(w.rel.status.failing[0].fails, 2);
    w.behaviour.clear();
    w.edits.insert(TargetId::new("staging", "web"), 1);
    w.live("staging").generation += 1;
    w.converge();
    w.turn();
    assert!(w.rel.status.failing.is_empty(), "{:?}", w.rel.status.failing);
}

#[test]
fn a_stage_that_nobody_can_see_is_held_too() {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold);
    w.run_until(|w| w.step_name() == Step::Verifying);
    let id = TargetId::new("staging", "web");
    let seen = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    pass(&mut w, HOUR);
    assert_eq!((w.step_name(), w.phase()), (Step::Holding, Phase::AwaitingPromotion), "{}", w.message());
    w.approve();
    pass(&mut w, HOUR);
    assert_eq!(w.step_name(), Step::Holding, "what cannot be seen cannot be accepted");
    w.targets.insert(id, seen);
    w.run();
    assert_eq!((w.step_name(), w.runs("staging").as_str()), (Step::AwaitingPromotion, "sha-b2"), "{}", w.message());
}

#[test]
fn what_was_verified_before_a_stranger_came_is_not_forgotten_when_the_stranger_is_restored_and_not_well() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
    w.converge();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Restoring);
    w.behaviour.insert("x9".into(), Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::RollbackFailed, "x9"), "{}", w.message());
    w.behaviour.insert("sha-c3".into(), Behaviour::FailsHealth);
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

#[test]
fn an_image_that_is_left_where_it_failed_is_held_by_its_digest() {
    let mut w = rolling(|r| r.mode = RollbackMode::Manual).behave("sha-b2", Behaviour::FailsHealth);
    w.run();
    assert_eq!(w.reason(), Reason::RollbackAwaited);
    assert!(w.rel.status.quarantine[0].digest.is_some());
}

#[test]
fn an_order_that_cannot_be_begun_is_answered() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    let message = "User cannot patch resource".to_owned();
    w.answer = Some(Answer::Refused { kind: Refused::Forbidden, message });
    w.turn();
    assert!(w.announced(Reason::RollbackRefused), "{:?}", w.events);
}

/// Whatever may become of the n-th decision of what `begin` begins and `act` helps on.
fn whatever_happens_to_one_decision(begin: impl Fn() -> World, act: impl Fn(&mut World), end: (Phase, &str, &str)) {
    let waits = |w: &World| matches!(w.step_name(), Step::Holding | Step::AwaitingPromotion | Step::Ended);
    for fate in [Fate::Crash, Fate::CrashAfter, Fate::AnswerLost, Fate::NotDone] {
        let mut tried = 0;
        for n in 0..60 {
            let mut w = begin();
            w.forget();
            let mut over = false;
            for _ in 0..n {
                act(&mut w);
                if !w.turn() && !w.converge() {
                    let again = w.again.filter(|at| *at > w.now && w.rel.status.running().is_some());
                    over |= again.is_none();
                    w.now = again.unwrap_or(w.now);
                }
            }
            if over {
                break;
            }
            tried += 1;
            act(&mut w);
            let decision = w.decide();
            w.carry_out(decision, fate);
            while w.turn() && !waits(&w) {}
            for _ in 0..6 {
                w.run_until(waits);
                act(&mut w);
                w.turn();
            }
            w.run();
            let found = (w.phase(), w.runs("staging"), w.runs("production"));
            let told = format!("{fate:?} at {n}: {}", w.message());
            assert_eq!((found.0, found.1.as_str(), found.2.as_str()), end, "{told}");
            let effects: std::collections::BTreeSet<_> = w.writes.iter().map(|w| w.stamp.effect.to_string()).collect();
            assert_eq!(effects.len(), w.writes.len(), "a write was made twice; {told}");
            assert!(w.rel.status.debts.is_empty() && !w.rel.finalizer && w.rel.status.failing.is_empty(), "{told}");
        }
        assert!(tried > 5, "{tried} decisions were tried");
    }
}

#[test]
fn a_rollback_by_order_survives_whatever_happens_to_one_decision() {
    let begin = || {
        let mut w = brought(|_| {});
        let last = id(&w);
        w.annotate(annotation::ROLLBACK, &last);
        w
    };
    whatever_happens_to_one_decision(begin, |_| {}, (Phase::RolledBack, "sha-a1", "sha-a1"));
}

#[test]
fn the_whole_release_goes_back_whatever_happens_to_one_decision() {
    let begin = || {
        let mut w = rolling(|r| r.scope = RollbackScope::Release).behave("production:sha-b2", Behaviour::FailsHealth);
        w.run();
        w.approve();
        w
    };
    whatever_happens_to_one_decision(begin, |_| {}, (Phase::RolledBack, "sha-a1", "sha-a1"));
}

#[test]
fn baking_and_holding_survive_whatever_happens_to_one_decision() {
    let begin = || {
        let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold);
        w.edit(|s| s.stages[0].bake = Some(Duration::from_secs(10)));
        w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
        w.behave("sha-b2", Behaviour::CannotAsk)
    };
    let act = |w: &mut World| {
        if w.step_name() == Step::Holding || w.step_name() == Step::AwaitingPromotion {
            w.approve();
        }
    };
    whatever_happens_to_one_decision(begin, act, (Phase::Verified, "sha-b2", "sha-b2"));
}

#[test]
fn a_new_tag_an_abort_or_a_deletion_in_the_midst_of_a_release_that_goes_back() {
    for n in 0..40 {
        for what in 0..3 {
            let mut w =
                rolling(|r| r.scope = RollbackScope::Release).behave("production:sha-b2", Behaviour::FailsHealth);
            w.run();
            w.approve();
            w.run_until(|w| w.step_name() == Step::Restoring);
            for _ in 0..n {
                if !w.turn() && !w.converge() {
                    let Some(at) = w.again.filter(|at| *at > w.now && w.rel.status.running().is_some()) else { break };
                    w.now = at;
                }
            }
            match what {
                0 => w.tag("sha-c3"),
                1 => {
                    let id = id(&w);
                    w.annotate(annotation::ABORT, &id);
                }
                _ => w.rel.deleting = true,
            }
            w.run();
            let told = format!("{what} at {n}: {}", w.message());
            if what == 0 {
                assert_eq!((w.runs("staging").as_str(), w.runs("production").as_str()), ("sha-c3", "sha-a1"), "{told}");
                assert_eq!(w.phase(), Phase::AwaitingPromotion, "{told}");
            } else {
                assert_eq!((w.runs("staging").as_str(), w.runs("production").as_str()), ("sha-a1", "sha-a1"), "{told}");
                assert!(!w.rel.finalizer && w.rel.status.debts.is_empty(), "{told}");
            }
        }
    }
}

#[test]
fn what_happens_to_an_earlier_target_while_the_release_goes_back() {
    let back = |change: &dyn Fn(&mut World)| {
        let mut w = rolling(|r| r.scope = RollbackScope::Release).behave("production:sha-b2", Behaviour::FailsHealth);
        w.run();
        w.approve();
        w.run_until(|w| w.step_name() == Step::VerifyingRestore);
        w.forget();
        change(&mut w);
        for _ in 0..4 {
            w.run();
        }
        assert!(w.rel.status.running().is_none(), "{}", w.message());
        assert!(!w.rel.finalizer && w.rel.status.quarantine.len() == 1, "{}", w.message());
        w
    };
    let mut w = back(&|w| {
        set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
        w.converge();
    });
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::RollbackBlocked, "x9"), "{}", w.message());
    assert!(w.message().contains("look at staging now"), "{}", w.message());
    let w = back(&|w| w.live("staging").uid.push('x'));
    assert_eq!((w.reason(), w.writes.len()), (Reason::TargetGone, 0), "{}", w.message());
    let mut w = back(&|w| w.live("staging").paused = true);
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::RollbackBlocked, "sha-a1"), "{}", w.message());
    let w = back(&|w| {
        let live = w.live("staging");
        live.replicas.wanted = 0;
        live.generation += 1;
        w.converge();
    });
    assert_eq!((w.reason(), w.writes.len()), (Reason::RollbackFailed, 1), "{}", w.message());
    let w = back(&|w| w.behaviour = [("sha-a1".to_owned(), Behaviour::NeverReady)].into());
    assert_eq!(w.reason(), Reason::RollbackFailed, "{}", w.message());
}

#[test]
fn an_old_order_does_nothing_later() {
    // There when the Release was made.
    let mut w = World::new("sha-a1", "sha-b2");
    w.annotate(annotation::ROLLBACK, "1-1");
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"), "{}", w.message());
    // Set while it runs, and still there.
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    let now = id(&w);
    w.annotate(annotation::ROLLBACK, &now);
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"), "{}", w.message());
    assert!(w.announced(Reason::RollbackRefused));
}

#[test]
fn three_stages_go_back_one_after_the_other() {
    let mut spec = super::world::two_stages("sha-a1");
    let mut third = spec.stages[1].clone();
    third.name = "last".into();
    if let crate::api::spec::TargetKind::Kubernetes(k) = &mut third.targets[0].kind {
        k.name = "last".into();
    }
    spec.stages.push(third);
    let mut w = World::of(spec, "sha-a1");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages.iter_mut().for_each(|s| s.rollback.scope = RollbackScope::Release);
    });
    w.behaviour.insert("last:sha-b2".into(), Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run();
    w.approve();
    w.run();
    assert_eq!(
        (w.phase(), w.runs("staging").as_str(), w.runs("production").as_str(), w.runs("last").as_str()),
        (Phase::RolledBack, "sha-a1", "sha-a1", "sha-a1"),
        "{}",
        w.message()
    );
    assert!(w.message().contains("failed in last"), "{}", w.message());
    assert!(w.condition("Drifted").is_none());
}

#[test]
fn each_hold_and_each_promotion_needs_a_token_of_its_own() {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold).behave("sha-b2", Behaviour::CannotAsk);
    w.annotate(annotation::PROMOTE, "sha-b2");
    for step in [Step::Holding, Step::AwaitingPromotion, Step::Holding] {
        w.run_until(|w| w.step_name() == step);
        while w.turn() {}
        assert_eq!(w.step_name(), step, "an older value counts for nothing: {}", w.message());
        w.approve();
        w.turn();
    }
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
}

#[test]
fn an_order_that_was_given_up_can_be_given_again_for_all_that_it_meant() {
    let mut w = brought(|_| {});
    let last = id(&w);
    w.annotate(annotation::ROLLBACK, &last);
    w.refuse = Some((Refused::Forbidden, "User cannot patch resource".into()));
    pass(&mut w, HOUR);
    assert_eq!(w.condition("Stalled").unwrap().1, "RollbackFailed", "{}", w.message());
    let order = id(&w);
    w.annotate(annotation::ABORT, &order);
    pass(&mut w, MINUTE);
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::RollbackFailed), "{}", w.message());
    w.refuse = None;
    w.annotate(annotation::ROLLBACK, &order);
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.runs("production").as_str()), ("sha-a1", "sha-a1"), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

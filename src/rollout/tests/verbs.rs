//! What people may order: modes and scope of a rollback, the rollback annotation, and a stage that is held.

use super::begun::{failed_in_production, id, rolling};
use super::workloads::Behaviour;
use super::world::World;
use crate::api::spec::{OnInconclusive, ReleaseSpec, RollbackMode, RollbackScope};
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::{Reason, annotation};

#[test]
fn manual_leaves_a_failed_stage_and_the_annotation_restores_it() {
    let mut w = failed_in_production(|r| r.mode = RollbackMode::Manual);
    assert_eq!(
        (w.phase(), w.reason(), w.runs("production").as_str()),
        (Phase::Failed, Reason::RollbackAwaited, "sha-b2")
    );
    assert!(w.message().contains(&format!("set tidegate.dev/rollback: {}", id(&w))), "{}", w.message());
    assert_eq!((w.rel.status.debts.len(), w.rel.status.quarantine.len()), (1, 1));
    let failed = id(&w);
    w.forget();
    w.annotate(annotation::ROLLBACK, &failed);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::RolledBack, Reason::RolledBack), "{}", w.message());
    assert_eq!((w.runs("production").as_str(), w.runs("staging").as_str()), ("sha-a1", "sha-b2"));
    assert!(id(&w) != failed && w.announced(Reason::RollbackRequested));
    assert!(w.rel.status.debts.is_empty() && !w.rel.finalizer);
    w.run();
    assert_eq!(w.writes.len(), 1, "acted on once");
}

#[test]
fn never_leaves_it_and_a_new_tag_comes_back_to_what_was_well() {
    let mut w = failed_in_production(|r| r.mode = RollbackMode::Never);
    assert_eq!(
        (w.phase(), w.reason(), w.runs("production").as_str()),
        (Phase::Failed, Reason::RollbackForbidden, "sha-b2")
    );
    assert!(w.message().contains("it is left as it is, because rollback.mode is Never"), "{}", w.message());
    w.behaviour.insert("production:sha-c3".into(), Behaviour::FailsHealth);
    w.edit(|s| {
        s.image.tag = Some("sha-c3".into());
        s.stages[1].rollback.mode = RollbackMode::Automatic;
    });
    w.run();
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

#[test]
fn an_abort_restores_in_any_mode() {
    for mode in [RollbackMode::Manual, RollbackMode::Never] {
        let mut w = rolling(|r| r.mode = mode);
        w.run_until(|w| w.step_name() == Step::Verifying);
        let id = id(&w);
        w.annotate(annotation::ABORT, &id);
        w.run();
        assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::Aborted, "sha-a1"), "{}", w.message());
    }
}

#[test]
fn a_new_tag_is_not_stopped_by_a_stage_that_is_left_as_it_is() {
    for mode in [RollbackMode::Manual, RollbackMode::Never] {
        let mut w = rolling(|r| r.mode = mode);
        w.run_until(|w| w.step_name() == Step::Verifying);
        w.forget();
        w.tag("sha-c3");
        w.run();
        assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
        assert_eq!(w.writes.len(), 1, "no restore in between");
    }
}

#[test]
fn the_whole_release_is_taken_back_in_reverse() {
    let mut w = failed_in_production(|r| r.scope = RollbackScope::Release);
    assert_eq!((w.phase(), w.reason()), (Phase::RolledBack, Reason::RolledBack), "{}", w.message());
    assert_eq!((w.runs("production").as_str(), w.runs("staging").as_str()), ("sha-a1", "sha-a1"));
    let stages: Vec<&str> = w.writes.iter().map(|w| w.stage.as_str()).collect();
    assert_eq!(stages, ["staging", "production", "production", "staging"]);
    assert!(w.condition("Drifted").is_none(), "what was verified there is what runs there again");
    assert!(w.rel.status.stable.iter().all(|s| s.images[0].image.short() == "sha-a1"));
}

#[test]
fn abort_and_expiry_take_earlier_stages_back_where_the_scope_says_so() {
    for (scope, staging) in [(RollbackScope::Release, "sha-a1"), (RollbackScope::Stage, "sha-b2")] {
        for expires in [true, false] {
            let mut w = rolling(|r| r.scope = scope);
            w.run();
            assert_eq!(w.step_name(), Step::AwaitingPromotion);
            if expires {
                w.pass(Duration::from_secs(25 * 3600));
            } else {
                let id = id(&w);
                w.annotate(annotation::ABORT, &id);
            }
            w.run();
            assert_eq!(w.reason(), if expires { Reason::PromotionExpired } else { Reason::Aborted });
            assert_eq!(w.runs("staging"), staging, "{}", w.message());
            assert!(w.rel.status.quarantine.is_empty() && w.condition("Drifted").is_none());
        }
    }
}

#[test]
fn a_verified_release_is_taken_back_by_annotation() {
    let mut w = rolling(|_| {});
    w.run();
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified);
    let verified = id(&w);
    w.forget();
    w.annotate(annotation::ROLLBACK, &verified);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::RolledBack, Reason::RolledBack), "{}", w.message());
    assert_eq!((w.runs("production").as_str(), w.runs("staging").as_str()), ("sha-a1", "sha-a1"));
    assert_eq!(w.writes.iter().map(|w| w.stage.as_str()).collect::<Vec<_>>(), ["production", "staging"]);
    assert_eq!(w.rel.status.quarantine.len(), 1, "what was removed is not brought again unasked");
    assert!(w.message().contains("is restored and verified"), "{}", w.message());
    // Twice, or for another rollout: refused, once.
    for value in [verified.as_str(), "7-7"] {
        w.forget();
        w.annotate(annotation::ROLLBACK, "");
        w.run();
        w.annotate(annotation::ROLLBACK, value);
        w.run();
        assert_eq!((w.writes.len(), w.events.len(), w.announced(Reason::RollbackRefused)), (0, 1, true), "{value}");
    }
}

#[test]
fn an_image_that_others_brought_is_not_taken_away_by_the_annotation() {
    let mut w = rolling(|_| {});
    w.run();
    w.approve();
    w.run();
    let verified = id(&w);
    w.forget();
    super::workloads::set_image(
        w.live("production"),
        "app",
        crate::api::Image::build(super::world::REPOSITORY, Some("sha-x9"), None),
        "kubectl",
    );
    w.converge();
    w.annotate(annotation::ROLLBACK, &verified);
    w.run();
    assert_eq!(
        (w.phase(), w.reason(), w.runs("production").as_str()),
        (Phase::Failed, Reason::RollbackBlocked, "sha-x9")
    );
    assert_eq!(w.runs("staging"), "sha-a1", "one target that is blocked stops no other: {}", w.message());
}

/// Production's checks could not be asked.
fn held() -> World {
    held_with(|_| {})
}

fn held_with(change: impl FnOnce(&mut ReleaseSpec)) -> World {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold).behave("production:sha-b2", Behaviour::CannotAsk);
    w.edit(change);
    w.run();
    w.approve();
    w.run_until(|w| w.step_name() == Step::Holding);
    w
}

#[test]
fn what_could_not_be_asked_waits_for_a_person_who_accepts_it() {
    let mut w = held();
    w.turn();
    assert_eq!(
        (w.phase(), w.condition("AwaitingPromotion").unwrap().1.as_str()),
        (Phase::AwaitingPromotion, "Inconclusive")
    );
    assert!(w.message().contains("accept/production:sha-b2#"), "{}", w.message());
    w.annotate(annotation::PROMOTE, "accept/production:sha-b2#9-9");
    w.come_to_rest();
    assert_eq!((w.step_name(), w.announced(Reason::PromotionRefused)), (Step::Holding, true));
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::Verified, "sha-b2"), "{}", w.message());
    let stable = w.rel.status.stable.iter().find(|s| s.stage == "production").unwrap();
    assert!(stable.passed.is_empty(), "nothing was passed there: {:?}", stable.passed);
}

#[test]
fn what_is_held_is_taken_back_by_abort_or_in_time() {
    for expires in [true, false] {
        let mut w = held();
        if expires {
            w.pass(Duration::from_secs(25 * 3600));
        } else {
            let id = id(&w);
            w.annotate(annotation::ABORT, &id);
        }
        w.behaviour.clear();
        w.run();
        assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
        assert!(w.rel.status.quarantine.is_empty());
    }
}

#[test]
fn what_is_held_and_then_crashes_is_taken_back_at_once() {
    let mut w = held();
    w.behaviour.insert("production:sha-b2".into(), Behaviour::CrashLoop);
    w.converge();
    w.run();
    assert_eq!((w.phase(), w.runs("production").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

/// A pod tells its digest some time after it runs. One look without it ends nothing, be the image accepted by a person.
#[test]
fn a_required_digest_that_comes_late_is_waited_for() {
    for by_hand in [true, false] {
        let require = |s: &mut ReleaseSpec| s.image.require_digest = true;
        let mut w = if by_hand { held_with(require) } else { rolling(|_| {}) };
        if !by_hand {
            w.edit(require);
            w.run_until(|w| w.step_name() == Step::Verifying);
        }
        let (stage, step) = (if by_hand { "production" } else { "staging" }, w.step_name());
        let told = w.live(stage).containers.clone();
        w.live(stage).containers.iter_mut().for_each(|c| c.digest = None);
        if by_hand {
            w.approve();
        }
        w.come_to_rest();
        w.now = w.again.unwrap();
        w.come_to_rest();
        assert_eq!(w.step_name(), step, "{}", w.message());
        w.live(stage).containers = told;
        w.run();
        let end = if by_hand { Phase::Verified } else { Phase::AwaitingPromotion };
        assert_eq!(w.phase(), end, "{}", w.message());
    }
}

#[test]
fn an_unknown_digest_ends_the_stage_only_where_it_is_required() {
    for required in [true, false] {
        let mut w = World::verified("sha-a1");
        w.edit(|s| {
            s.image.tag = Some("sha-b2".into());
            s.image.require_digest = required;
        });
        w.run_until(|w| w.step_name() == Step::Verifying);
        let verifies = |w: &World| w.step_name() == Step::Verifying;
        let mut waited = 0;
        while verifies(&w) {
            w.live("staging").containers.iter_mut().for_each(|c| c.digest = None);
            if !w.turn() && verifies(&w) {
                waited += 1;
                assert!(required && w.message().contains("do not tell their digest yet"), "stuck: {}", w.message());
                w.now = w.again.unwrap();
            }
        }
        assert_eq!(waited > 100, required, "every five seconds for ten minutes: {waited}");
        let cause = w.rel.status.rollout.as_ref().unwrap().cause.as_ref().map(|c| c.reason);
        assert_eq!(cause, required.then_some(Reason::DigestUnknown));
        w.run();
        let end = if required { Phase::RolledBack } else { Phase::AwaitingPromotion };
        assert_eq!(w.phase(), end, "{}", w.message());
        assert!(w.rel.status.quarantine.is_empty());
    }
}

//! Several stages, or targets of one, that go back one after the other, and what happens to them on the way.

use super::begun::{failed_in_production, id, rolling};
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World, two_targets};
use crate::api::spec::{RollbackMode, RollbackScope};
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Image, Reason, TargetId, annotation};

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

/// What failed here before seems well now, brought by a person: it is no way back all the same.
#[test]
fn what_failed_before_is_no_way_back_however_well_it_seems() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth).behave("sha-c3", Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
    w.behaviour.insert("sha-b2".into(), Behaviour::Healthy);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("sha-b2"), None), "kubectl-edit");
    w.converge();
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
}

/// What is paused gets its old image, and comes when somebody resumes it: then nothing is wrong any more.
#[test]
fn a_restore_of_what_is_paused_is_well_once_it_is_resumed() {
    let mut w = World::of(two_targets("sha-a1"), "sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.run();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Restoring);
    w.live("staging").paused = true;
    // The other one is on its way back meanwhile.
    w.come_to_rest();
    let trouble = |w: &World| {
        let target = w.rel.status.rollout.as_ref().unwrap().stages[0].targets[0].clone();
        target.trouble.map(|t| t.reason)
    };
    assert_eq!((w.step_name(), trouble(&w)), (Step::Restoring, Some(Reason::RollbackBlocked)), "{}", w.message());
    w.live("staging").paused = false;
    w.come_to_rest();
    assert_eq!(trouble(&w), None);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
}

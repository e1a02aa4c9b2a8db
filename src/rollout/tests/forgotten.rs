//! The status is lost as a whole or in part: what runs, and the stamps on it, tell the rest.

use super::services::{NEW, OLD, service};
use super::workloads::Behaviour;
use super::world::World;
use crate::api::status::{Phase, Step};
use crate::api::view::DeploymentStatus::RolledBack;
use crate::api::{EffectId, Reason, ReleaseStatus, RolloutId, TargetId, Verb, annotation};

#[test]
fn a_lost_status_adopts_or_takes_over_and_never_writes_what_runs() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w.approve();
    w.run();
    w.forget();
    w.rel.status = Default::default();
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::Verified, 0), "{}", w.message());
    // In mid-rollout: what was written is verified, or taken back to the way back of the stamp.
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    w.rel.status = Default::default();
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
    // After a restore: the image that was taken away stays away.
    w.rel.status = Default::default();
    w.run();
    assert_eq!((w.reason(), w.writes.len()), (Reason::Quarantined, 2), "{}", w.message());
}

#[test]
fn a_deletion_with_a_lost_status_restores_what_the_stamps_owe() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.rel.status = Default::default();
    w.rel.deleting = true;
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.rel.finalizer), ("sha-a1", false), "{}", w.message());
}

/// Two services tell of the same image that ECS took back.
#[test]
fn an_image_that_was_taken_back_twice_is_held_once() {
    let mut w = World::new("old", "new");
    for stage in ["staging", "production"] {
        let mut ecs = service(OLD, NEW, RolledBack).ecs.unwrap();
        let (rollout, at) = (RolloutId { generation: 2, attempt: 1 }, TargetId::new(stage, "web"));
        let newest = ecs.newest.as_mut().unwrap();
        newest.effect = Some(EffectId::new(&w.rel.uid, rollout, &at, Verb::Forward));
        newest.way_back = Some("td-old".into());
        w.live(stage).ecs = Some(ecs);
    }
    let held: Vec<_> = w.decide().status.quarantine.iter().map(|q| q.image.short()).collect();
    assert_eq!(held, ["new"]);
}

/// A part of the status is lost while the stage is restored: the image that failed is not brought again.
#[test]
fn an_image_that_is_being_taken_back_stays_away_whatever_part_is_lost() {
    type Loss = fn(&mut ReleaseStatus);
    let losses: [(&str, Loss); 2] = [
        ("the rollout", |s| s.rollout = None),
        ("its targets", |s| s.rollout.iter_mut().flat_map(|r| &mut r.stages).for_each(|s| s.targets.clear())),
    ];
    for (what, loss) in losses {
        let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
        w.tag("sha-b2");
        w.run_until(|w| w.step_name() == Step::Restoring && w.writes.len() == 2);
        loss(&mut w.rel.status);
        w.run();
        assert_eq!((w.runs("staging").as_str(), w.writes.len()), ("sha-a1", 2), "{what}: {}", w.message());
        assert_eq!(w.reason(), Reason::Quarantined, "{what}: {}", w.message());
        w.behaviour.clear();
        w.annotate(annotation::RETRY, "again");
        w.run();
        assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-b2"), "{what}");
    }
}

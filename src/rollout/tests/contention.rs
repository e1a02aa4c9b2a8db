//! Others change a target while it is in work, or at rest.

use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::World;
use crate::api::status::Phase;
use crate::api::view::TargetView;
use crate::api::{Image, Reason, TargetId};

#[test]
fn a_foreign_image_is_never_overwritten() {
    let other = Image::new("ghcr.io/acme/shop:human");
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    set_image(w.live("staging"), "app", other.clone(), "kubectl-edit");
    w.run();
    assert_eq!(
        (w.reason(), w.runs("staging").as_str(), w.writes.len()),
        (Reason::Contended, "human", 1),
        "{}",
        w.message()
    );

    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 2);
    set_image(w.live("staging"), "app", other, "kubectl-edit");
    w.run();
    assert_eq!(
        (w.reason(), w.runs("staging").as_str(), w.writes.len()),
        (Reason::RollbackBlocked, "human", 2),
        "{}",
        w.message()
    );
}

#[test]
fn a_target_that_goes_away_ends_the_rollout() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    w.targets.insert(TargetId::new("staging", "web"), TargetView::Absent);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::TargetGone), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

#[test]
fn drift_is_said_once_and_nothing_is_written() {
    let mut w = World::verified("sha-a1");
    set_image(w.live("production"), "app", Image::new("ghcr.io/acme/shop:human"), "kubectl-edit");
    w.run();
    assert_eq!(w.condition("Drifted").unwrap().0, "True");
    assert_eq!(w.condition("Ready").unwrap().0, "True");
    assert_eq!((w.writes.len(), w.events.len()), (0, 1));
    w.run();
    assert_eq!(w.events.len(), 1);
}

#[test]
fn a_scaling_between_intent_and_write_is_no_contention() {
    let mut w = World::verified("sha-a1").behave("human", Behaviour::FailsHealth);
    set_image(w.live("staging"), "app", Image::new("ghcr.io/acme/shop:human"), "kubectl-edit");
    w.converge();
    w.run();
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    let decision = w.decide();
    somebody_scales(&mut w);
    w.carry_out(decision, Fate::Done);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-b2"), "{}", w.message());
}

/// Whoever else changes it each time before our write comes: it is not fought about.
#[test]
fn a_target_that_is_changed_again_and_again_is_left_alone() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    let mut tries = 0;
    for _ in 0..100 {
        let decision = w.decide();
        if w.next_write().is_some() {
            tries += 1;
            somebody_scales(&mut w);
        }
        if !w.carry_out(decision, Fate::Done) && w.rel.status.running().is_some() {
            w.now = w.again.unwrap();
        }
    }
    assert_eq!((w.phase(), w.reason(), tries), (Phase::RolledBack, Reason::Contended, 5), "{}", w.message());
    assert_eq!((w.runs("staging").as_str(), w.writes.len()), ("sha-a1", 0));
}

#[test]
fn a_container_that_its_owner_takes_away_ends_the_rollout_at_once() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    let began = w.now;
    w.live("staging").containers[0].name = "web".into();
    w.run();
    assert_eq!((w.phase(), w.reason(), w.now), (Phase::Failed, Reason::Contended, began), "{}", w.message());
    assert!(w.message().contains("removed"), "{}", w.message());
}

/// The write was made, its answer was lost, and a GitOps tool took it back before anybody looked.
#[test]
fn a_revert_that_came_before_the_next_look_is_not_written_over() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    let decision = w.decide();
    w.carry_out(decision, Fate::CrashAfter);
    set_image(w.live("staging"), "app", Image::new("ghcr.io/acme/shop:sha-a1"), "argocd-controller");
    w.run();
    assert_eq!(
        (w.reason(), w.runs("staging").as_str(), w.writes.len()),
        (Reason::Contended, "sha-a1", 1),
        "{}",
        w.message()
    );
}

/// Its version is another one, and its image is not.
fn somebody_scales(w: &mut World) {
    let live = w.live("staging");
    live.generation += 1;
    live.observed_generation += 1;
    live.resource_version.push('s');
}

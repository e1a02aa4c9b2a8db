//! Lists that are older than what was seen before: the revision of a Deployment is not among its ReplicaSets.

use super::begun::rolling;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::status::{Phase, Step};
use crate::api::time::{Duration, Time};

/// Looks once without the revision, and goes on. Whether it wanted to look again although nothing happens.
fn blink(w: &mut World) -> bool {
    let revision = w.live("staging").revision.take();
    w.come_to_rest();
    w.live("staging").revision = revision;
    let Some(at) = soon(w) else { return false };
    w.now = at;
    true
}

/// When it looks again, if that is soon.
fn soon(w: &World) -> Option<Time> {
    w.again.filter(|at| w.now.plus(Duration::from_secs(10)) > *at)
}

#[test]
fn what_is_asked_is_no_new_revision_and_is_looked_at_again() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(blink(&mut w));
    assert_eq!((w.phase(), w.step_name()), (Phase::Verifying, Step::Verifying));
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// A look from before our own write says nothing of what others did.
#[test]
fn what_ran_before_our_write_was_brought_by_nobody() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.writes.is_empty() && w.decide().effect.is_some());
    let before = w.live("staging").clone();
    w.run_until(|w| w.step_name() == Step::Verifying);
    let now = std::mem::replace(w.live("staging"), before);
    w.come_to_rest();
    assert!(w.rel.status.running().is_some_and(|r| r.cause.is_none()), "{}", w.message());
    assert!(soon(&w).is_some());
    *w.live("staging") = now;
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn what_rolls_out_is_looked_at_again() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.writes.len() == 1);
    w.converge();
    assert!(blink(&mut w));
    assert_eq!(w.step_name(), Step::Rolling);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// Neither is it another revision of what was restored: the proof goes on.
#[test]
fn what_was_restored_is_looked_at_again() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    assert!(blink(&mut w));
    assert_eq!(w.step_name(), Step::VerifyingRestore);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
}

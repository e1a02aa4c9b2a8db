//! Checks that pass while a part of what they are asked of has gone down.

use super::begun::rolling;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::spec::OnInconclusive;
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Reason, TargetId};

/// One of two pods answers; the other is not ready.
fn half(w: &mut World) {
    let r = &mut w.live("staging").replicas;
    (r.ready, r.available) = (1, 1);
    w.come_to_rest();
}

/// Looks on for so long as half of it is down. Whether it still waits then.
fn waits(w: &mut World, step: Step, at_most: Duration) -> bool {
    let end = w.now.plus(at_most);
    while w.step_name() == step && w.now < end {
        half(w);
        match w.again {
            Some(at) if w.step_name() == step => w.now = at,
            _ => {}
        }
    }
    w.step_name() == step
}

#[test]
fn what_lost_a_pod_is_verified_when_it_is_back() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(waits(&mut w, Step::Verifying, Duration::from_secs(300)), "{}", w.message());
    assert!(w.message().contains("until all of it is available again"), "{}", w.message());
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert!(w.rel.status.rollout.unwrap().stages[0].unavailable_since.is_none());
}

#[test]
fn what_stays_half_down_is_taken_back_without_blame() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(!waits(&mut w, Step::Verifying, Duration::from_secs(700)), "{}", w.message());
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
    assert_eq!(cause.reason, Reason::Inconclusive, "{}", cause.message);
    assert!(cause.message.contains("did not stay available"), "{}", cause.message);
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::RolledBack, 2), "{}", w.message());
    assert!(w.rel.status.quarantine.is_empty());
}

#[test]
fn a_person_is_asked_where_that_is_wished() {
    let mut w = rolling(|r| r.on_inconclusive = OnInconclusive::Hold);
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(!waits(&mut w, Step::Verifying, Duration::from_secs(700)), "{}", w.message());
    assert_eq!((w.step_name(), w.writes.len()), (Step::Holding, 1), "{}", w.message());
}

/// What was out of sight meanwhile is waited for anew: nobody knows how long it was down.
#[test]
fn what_could_not_be_read_is_not_counted() {
    let mut w = rolling(|_| {});
    w.run_until(|w| w.step_name() == Step::Verifying);
    assert!(waits(&mut w, Step::Verifying, Duration::from_secs(20)));
    let id = TargetId::new("staging", "web");
    let seen = w.targets.insert(id.clone(), TargetView::Unreachable("no answer".into())).unwrap();
    w.come_to_rest();
    w.now = w.now.plus(Duration::from_secs(595));
    w.targets.insert(id, seen);
    assert!(waits(&mut w, Step::Verifying, Duration::from_secs(300)), "{}", w.message());
}

/// An autoscaler's wish that no node has room for, and a pause, say nothing of the image.
#[test]
fn what_never_was_is_not_missed() {
    for paused in [true, false] {
        let mut w = rolling(|_| {});
        w.run_until(|w| w.step_name() == Step::Verifying);
        let live = w.live("staging");
        if paused {
            live.paused = true;
            live.progressing.as_mut().unwrap().reason = "DeploymentPaused".into();
        } else {
            let mut homeless = live.pods[0].clone();
            (homeless.name, homeless.uid, homeless.ready) = ("homeless".into(), "p-2".into(), false);
            homeless.unschedulable = Some("0/3 nodes are available".into());
            live.pods.push(homeless);
            (live.replicas.wanted, live.replicas.total) = (3, 3);
        }
        w.come_to_rest();
        assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    }
}

#[test]
fn a_bake_does_not_end_well_with_half_of_it_down() {
    let mut w = rolling(|_| {});
    w.edit(|s| s.stages[0].bake = Some(Duration::from_secs(60)));
    w.run_until(|w| w.message().contains("bakes until"));
    assert!(waits(&mut w, Step::Verifying, Duration::from_secs(300)), "{}", w.message());
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn a_restore_is_proven_when_all_of_it_is_back() {
    for comes_back in [true, false] {
        let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
        w.run_until(|w| w.step_name() == Step::VerifyingRestore);
        let long = Duration::from_secs(if comes_back { 300 } else { 700 });
        assert_eq!(waits(&mut w, Step::VerifyingRestore, long), comes_back, "{}", w.message());
        w.run();
        let end = if comes_back { Phase::RolledBack } else { Phase::Failed };
        assert_eq!((w.phase(), w.writes.len()), (end, 2), "{}", w.message());
        assert!(comes_back || w.message().contains("did not stay available"), "{}", w.message());
    }
}

/// Rounds that are not answered yet do not end the wait, and it says what it waited for.
#[test]
fn a_bake_says_what_it_waited_for() {
    let mut w = rolling(|_| {});
    w.edit(|s| s.stages[0].bake = Some(Duration::from_secs(60)));
    w.run_until(|w| w.message().contains("bakes until"));
    let began = w.now;
    for (mute, seconds, goes_on) in [(true, 120, true), (false, 530, true), (true, 300, false)] {
        w.mute = mute;
        assert_eq!(waits(&mut w, Step::Verifying, Duration::from_secs(seconds)), goes_on, "{}", w.message());
    }
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
    assert!(cause.message.contains("did not stay available"), "{}", cause.message);
    assert!(w.now >= began.plus(Duration::from_secs(715)), "{} after {began}", w.now);
}

/// A restart in mid-proof brings a wait of its own.
#[test]
fn what_was_restarted_is_waited_for_anew() {
    let mut w = rolling(|_| {}).behave("sha-b2", Behaviour::FailsHealth);
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    assert!(waits(&mut w, Step::VerifyingRestore, Duration::from_secs(500)), "{}", w.message());
    w.live("staging").revision = Some("restarted".into());
    w.turn();
    assert_eq!(w.step_name(), Step::Restoring, "{}", w.message());
    assert!(w.rel.status.rollout.as_ref().unwrap().stages[0].unavailable_since.is_none());
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (Phase::RolledBack, 2), "{}", w.message());
}

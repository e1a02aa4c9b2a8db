//! One decision of a rollout is lost, interrupted or unanswered, whichever it is: the end is the same.

use super::begun::{brought, id, rolling};
use super::play::Fate;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::annotation;
use crate::api::spec::{OnInconclusive, RollbackScope};
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;

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
            w.rest_or(waits);
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
fn a_newer_tag_takes_over_whatever_happens_to_one_decision() {
    for (behaviour, phase, tag) in
        [(Behaviour::Healthy, Phase::Verified, "sha-c3"), (Behaviour::FailsHealth, Phase::RolledBack, "sha-a1")]
    {
        let end = if phase == Phase::Verified { tag } else { "sha-a1" };
        let approve = |w: &mut World| {
            if w.step_name() == Step::AwaitingPromotion {
                w.approve();
            }
        };
        let begin = || {
            let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::NeverReady).behave("sha-c3", behaviour);
            w.tag("sha-b2");
            w.run_until(|w| !w.writes.is_empty());
            w.turn();
            w.tag("sha-c3");
            w
        };
        whatever_happens_to_one_decision(begin, approve, (phase, tag, end));
    }
}

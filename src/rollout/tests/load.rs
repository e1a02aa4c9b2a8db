//! Performance checks: after everything else, against absolute limits and against the old version.

use super::workloads::Behaviour;
use super::world::World;
use crate::api::Reason;
use crate::api::ask::{Outcome, Query};
use crate::api::spec::PerformanceCheck;
use crate::api::status::{CheckKind, Phase, Purpose, Step, Verdict};
use crate::api::time::Duration;
use serde_json::{Value, json};

fn check(thresholds: Value) -> PerformanceCheck {
    serde_json::from_value(json!({"name": "load", "http": {"pods": {"port": 80}}, "thresholds": thresholds})).unwrap()
}

/// `sha-a1` is verified in both stages; `sha-b2` is to come, and staging puts load on it.
fn coming(thresholds: &Value) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].performance_checks = vec![check(thresholds.clone())];
    });
    w
}

fn relative() -> Value {
    json!({"p95": {"maxIncrease": "20%"}})
}

/// What is asked while the rollout goes on, in order.
fn asked(w: &mut World, end: impl Fn(&World) -> bool) -> Vec<(Purpose, String)> {
    let mut seen = Vec::new();
    while !end(w) {
        for ask in w.decide().asks {
            let entry = (ask.id.purpose, ask.id.check.clone());
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
        if !w.turn() && !w.converge() {
            w.now = w.again.expect("it goes on");
        }
    }
    seen
}

fn ended(w: &World) -> bool {
    let begun = w.rel.status.rollout.as_ref().is_some_and(|r| r.image.short() == "sha-b2");
    begun && (w.phase() == Phase::AwaitingPromotion || w.rel.status.running().is_none())
}

#[test]
fn load_comes_last_and_what_it_measured_is_kept() {
    let mut w = coming(&json!({"p95": {"max": "300ms"}, "errorRate": {"max": "1%"}}));
    let order = asked(&mut w, ended);
    let names: Vec<_> = order.iter().filter(|(p, _)| *p == Purpose::Verify).map(|(_, n)| n.as_str()).collect();
    assert_eq!(names, ["health", "items", "load"]);
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    let checks = &w.rel.status.history[0].stages[0].checks;
    assert_eq!(
        (checks[0].name.as_str(), checks[0].message.as_deref()),
        ("load", Some("p95 100ms, errorRate 0%; Pass"))
    );
    let state = &w.rel.status.rollout.as_ref().unwrap().stages[0];
    let load = state.checks.iter().find(|c| c.kind == CheckKind::Performance).unwrap();
    assert_eq!((load.verdict, load.number), (Some(Verdict::Passed), 1));
    assert!(state.baselines.is_empty(), "nothing compares");
}

#[test]
fn a_broken_threshold_is_the_images_fault() {
    let mut w = coming(&json!({"p95": {"max": "300ms"}})).behave("sha-b2", Behaviour::Slow);
    let order = asked(&mut w, ended);
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
    assert_eq!((cause.reason, cause.fault), (Reason::PerformanceCheckFailed, true));
    assert_eq!(cause.message, "load after 1 round: p95 is 400ms, more than 300ms; Pass");
    assert_eq!((w.rel.status.quarantine.len(), w.runs("staging")), (1, "sha-a1".into()));
    assert!(!order.contains(&(Purpose::Restore, "load".into())), "a restore is not put under load: {order:?}");
}

#[test]
fn nobody_able_to_ask_is_no_ones_fault() {
    let mut w = could_not_be_asked(4);
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    let cause = w.rel.status.rollout.clone().unwrap().cause.unwrap();
    assert_eq!((cause.reason, w.rel.status.quarantine.len()), (Reason::Inconclusive, 0));
    assert!(cause.message.contains("load after 4 rounds"), "{}", cause.message);
    w = could_not_be_asked(3);
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// A load that nobody could begin so many times.
fn could_not_be_asked(times: u32) -> World {
    let mut w = coming(&json!({"p95": {"max": "300ms"}}));
    for _ in 0..times {
        w.run_until(|w| w.decide().asks.iter().any(|a| matches!(a.query, Query::Load(_))));
        w.force = Some(Outcome::Error);
        w.turn();
        w.force = None;
    }
    w.run();
    w
}

#[test]
fn the_old_version_is_measured_once_before_the_first_write() {
    let mut w = coming(&relative());
    w.mute = true;
    w.run_until(|w| w.step_name() == Step::ChoosingWayBack);
    w.mute = false;
    assert_eq!((w.writes.len(), w.runs("staging")), (0, "sha-a1".into()));
    assert_eq!(w.step_name(), Step::ChoosingWayBack);
    assert_eq!(w.message(), "sha-b2: measuring with load what staging runs now");
    let order = asked(&mut w, |w| !w.writes.is_empty());
    assert_eq!(order, [(Purpose::Baseline, "load".into())]);
    let state = &w.rel.status.rollout.as_ref().unwrap().stages[0];
    assert_eq!(state.baselines[0].measured.as_ref().unwrap().p95, Some(100_000));
    assert!(asked(&mut w, ended).iter().all(|(p, _)| *p == Purpose::Verify));
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn a_first_write_that_is_tried_again_measures_nothing_anew() {
    let mut w = coming(&relative());
    w.refuse = Some((crate::api::effect::Refused::Forbidden, "cannot patch resource".into()));
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.blocked.is_some()));
    w.refuse = None;
    let order = asked(&mut w, |w| !w.writes.is_empty());
    assert!(order.is_empty(), "{order:?}");
}

/// What nobody verified is no measure, and neither is what a restore would not bring.
#[test]
fn what_an_earlier_rollout_left_is_nothing_to_compare_with() {
    let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying);
    w.refuse = Some((crate::api::effect::Refused::Forbidden, "cannot patch resource".into()));
    w.run_until(|w| w.announced(Reason::RollbackFailed));
    w.edit(|s| {
        s.image.tag = Some("sha-c3".into());
        s.stages[0].performance_checks = vec![check(relative())];
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.image.short() == "sha-c3"));
    assert_eq!((w.rel.status.debts.len(), w.runs("staging")), (1, "sha-b2".into()));
    w.refuse = None;
    w.forget();
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::Inconclusive), "{}", w.message());
    assert!(w.message().contains("neither verified nor taken back"), "{}", w.message());
    assert!(w.writes.is_empty());
}

#[test]
fn a_new_version_that_is_slower_is_taken_back() {
    let mut w = coming(&relative()).behave("sha-b2", Behaviour::Slow);
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
    let said = "p95 is 400ms, 300% more than the 100ms of the old version, and 20% is allowed";
    assert!(cause.reason == Reason::PerformanceCheckFailed && cause.message.contains(said), "{}", cause.message);
    // An old version that was as slow is nothing worse.
    let mut w = coming(&relative()).behave("sha-b2", Behaviour::Slow).behave("sha-a1", Behaviour::Slow);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn without_a_measure_nothing_is_written() {
    // Nobody can ask; nothing of it is available; nobody answers for half an hour.
    let cannot_ask = |w: &mut World| w.force = Some(Outcome::Error);
    let unavailable = |w: &mut World| {
        w.live("staging").replicas.available = 0;
        w.behaviour.insert("sha-a1".into(), Behaviour::NeverReady);
    };
    let silent = |w: &mut World| w.mute = true;
    type Trouble<'a> = (&'a dyn Fn(&mut World), &'static str);
    let ways: [Trouble; 3] =
        [(&cannot_ask, "Error"), (&unavailable, "it is not available in full"), (&silent, "it took longer than 30m")];
    for (trouble, why) in ways {
        let mut w = coming(&relative());
        w.run_until(|w| w.step_name() == Step::ChoosingWayBack);
        w.results.clear();
        trouble(&mut w);
        w.run();
        assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::Inconclusive), "{}", w.message());
        assert!(w.message().contains(why) && w.message().contains("nothing was written"), "{}", w.message());
        assert!(w.writes.is_empty() && w.rel.status.quarantine.is_empty());
    }
}

#[test]
fn a_stage_that_runs_the_image_already_has_nothing_to_compare_with() {
    let mut w = World::new("sha-a1", "sha-a1");
    w.edit(|s| s.stages[0].performance_checks = vec![check(json!({"p95": {"max": "300ms", "maxIncrease": "1%"}}))]);
    let mut slow = w.clone().behave("sha-a1", Behaviour::Slow);
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    slow.run();
    assert_eq!((slow.phase(), slow.reason()), (Phase::Failed, Reason::AdoptedUnhealthy), "{}", slow.message());
}

#[test]
fn a_crash_measures_again_what_was_not_stored() {
    let mut w = coming(&relative());
    w.run_until(|w| w.decide().asks.iter().any(|a| a.id.purpose == Purpose::Baseline));
    w.turn();
    w.results.clear();
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    // After the write nothing of it is forgotten.
    let mut w = coming(&relative()).behave("sha-b2", Behaviour::Slow);
    w.run_until(|w| w.next_write().is_some());
    w.results.clear();
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
}

#[test]
fn what_was_measured_before_an_interruption_says_nothing() {
    let mut w = coming(&relative());
    w.run_until(|w| w.step_name() == Step::ChoosingWayBack);
    w.mute = true;
    w.results.clear();
    w.edit(|s| s.suspend = true);
    w.run();
    assert!(w.rel.status.rollout.as_ref().unwrap().stages[0].baselines.is_empty());
    w.pass(Duration::from_secs(7200));
    w.mute = false;
    w.edit(|s| s.suspend = false);
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

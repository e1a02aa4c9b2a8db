//! Checks that are asked on and on: while a stage bakes, while the rollout waits, at rest.

use super::begun::baking;
use super::workloads::Behaviour;
use super::world::World;
use crate::api::Reason;
use crate::api::condition::DEGRADED;
use crate::api::status::{Phase, Purpose, Step};
use crate::api::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A Release whose production is asked every hour at rest.
fn watched() -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[1].every = Some(Duration::from_secs(3600)));
    w.run();
    w.forget();
    w
}

#[test]
fn a_stage_bakes_and_rounds_that_pass_cost_no_write() {
    let mut w = baking();
    let (since, writes) = (w.now, w.status_writes);
    assert!(w.message().contains("bakes until"), "{}", w.message());
    w.look_on(Duration::from_secs(59));
    assert_eq!((w.step_name(), w.status_writes), (Step::Verifying, writes));
    let numbers: Vec<_> = w.results.iter().map(|r| (r.id.purpose, r.id.number)).collect();
    assert_eq!(numbers, [(Purpose::Bake, 590)], "the newest round alone is kept");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert!(w.now >= since.plus(MINUTE));
    assert!(w.announced(Reason::Baking));
}

#[test]
fn what_turns_bad_while_it_bakes_is_restored() {
    for (behaviour, reason, held) in
        [(Behaviour::FailsHealth, Reason::HealthCheckFailed, true), (Behaviour::CannotAsk, Reason::Inconclusive, false)]
    {
        let mut w = baking();
        w.look_on(Duration::from_secs(20));
        w.behaviour.insert("staging:sha-b2".into(), behaviour);
        w.run();
        assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
        let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
        assert_eq!(cause.reason, reason);
        assert!(cause.message.contains("while it baked, health fails for 3 rounds"), "{}", cause.message);
        assert_eq!(!w.rel.status.quarantine.is_empty(), held);
        assert!(w.rel.status.failing.is_empty() && w.condition(DEGRADED).is_none());
    }
}

#[test]
fn a_bad_moment_is_outlived_and_counted_across_a_crash() {
    let mut w = baking();
    w.look_on(Duration::from_secs(20));
    w.behaviour.insert("staging:sha-b2".into(), Behaviour::FailsHealth);
    w.look_on(Duration::from_secs(2));
    let fails = |w: &World| w.rel.status.failing.first().map_or(0, |f| f.fails);
    assert_eq!(fails(&w), 2, "{:?}", w.rel.status.failing);
    // The process dies: what was kept in memory is gone, what failed is not.
    w.results.clear();
    w.look_on(Duration::ZERO);
    assert_eq!(fails(&w), 2);
    w.behaviour.clear();
    w.look_on(Duration::from_secs(5));
    assert_eq!((fails(&w), w.step_name()), (0, Step::Verifying));
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn the_last_word_is_an_answer_from_after_the_bake() {
    let mut w = baking();
    w.mute = true;
    w.look_on(MINUTE);
    w.look_on(MINUTE);
    assert_eq!(w.step_name(), Step::Verifying, "nobody answered");
    w.mute = false;
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    let mut w = baking();
    w.mute = true;
    w.look_on(MINUTE);
    w.look_on(Duration::from_secs(601));
    w.mute = false;
    w.run();
    assert_eq!(w.phase(), Phase::RolledBack, "{}", w.message());
    assert_eq!(w.rel.status.rollout.as_ref().unwrap().cause.as_ref().unwrap().reason, Reason::Inconclusive);
}

#[test]
fn another_revision_bakes_from_its_beginning() {
    let mut w = baking();
    w.look_on(Duration::from_secs(50));
    let id = crate::api::TargetId::new("staging", "web");
    w.edits.insert(id, 1);
    w.live("staging").generation += 1;
    w.converge();
    let since = w.now;
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert!(w.now >= since.plus(MINUTE));
}

#[test]
fn a_stage_that_turns_bad_while_the_rollout_waits_is_said() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion);
    w.forget();
    w.look_on(Duration::from_secs(300));
    assert_eq!(w.status_writes, 0, "all is well");
    w.behaviour.insert("staging:sha-b2".into(), Behaviour::FailsHealth);
    w.look_on(Duration::from_secs(60));
    let (status, reason) = w.condition(DEGRADED).expect("it is said");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "HealthCheckFailed"));
    assert!(w.announced(Reason::HealthCheckFailed));
    let writes = w.status_writes;
    w.look_on(Duration::from_secs(600));
    assert_eq!((w.status_writes, w.phase()), (writes, Phase::AwaitingPromotion), "said once");
    w.behaviour.clear();
    w.look_on(Duration::from_secs(120));
    assert!(w.condition(DEGRADED).is_none() && w.announced(Reason::Recovered));
    w.behaviour.insert("staging:sha-b2".into(), Behaviour::FailsHealth);
    w.look_on(Duration::from_secs(60));
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "a person decided: {}", w.message());
    assert!(w.condition(DEGRADED).is_none());
}

#[test]
fn smoke_tests_are_asked_on_at_rest() {
    let mut w = watched();
    w.look_on(Duration::from_secs(3599));
    assert!(w.results.is_empty(), "too early: {:?}", w.results);
    w.look_on(Duration::from_secs(4 * 3600));
    assert_eq!((w.status_writes, w.writes.len()), (0, 0), "all is well");
    assert_eq!(w.results.iter().map(|r| r.id.purpose).collect::<Vec<_>>(), [Purpose::Rest]);
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    w.look_on(Duration::from_secs(3600));
    assert_eq!(w.condition(DEGRADED).unwrap().1, "SmokeTestFailed");
    assert_eq!((w.phase(), w.condition("Ready").unwrap().0.as_str()), (Phase::Verified, "True"), "nothing is done");
    w.behaviour.clear();
    w.look_on(Duration::from_secs(90));
    assert!(w.condition(DEGRADED).is_none() && w.announced(Reason::Recovered));
    w.behaviour.insert("production:sha-a1".into(), Behaviour::FailsSmoke);
    w.look_on(Duration::from_secs(2 * 3600));
    assert!(w.condition(DEGRADED).is_some());
    w.edit(|s| s.stages[1].every = None);
    w.run();
    assert!(w.condition(DEGRADED).is_none(), "nobody asks any more");
    assert!(w.writes.is_empty());
}

#[test]
fn one_that_is_asked_on_does_not_rest() {
    let mut w = watched();
    assert!(!crate::rollout::rests(&w.rel));
    w.edit(|s| s.stages[1].every = None);
    w.run();
    assert!(crate::rollout::rests(&w.rel));
}

//! A random adversary against the laws that every rollout must keep.

mod adversary;
mod laws;

use super::world::{World, spec};
use crate::api::status::Step;
use crate::api::time::Duration;
use adversary::{Move, moves};
use laws::Laws;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Two targets of several containers in staging, two in production.
fn release() -> World {
    let target = |stage: &str, name: &str, containers: &str| {
        format!("{{name: {name}, kubernetes: {{kind: Deployment, name: {stage}-{name}, containers: [{containers}]}}}}")
    };
    let stage = |name: &str| {
        format!(
            "
- name: {name}
  progressDeadline: 2m
  bake: 5s
  every: 48h
  targets: [{}, {}]
  healthChecks: [{{name: health, http: {{service: {{name: web, port: 80}}}}, retry: {{attempts: 3, interval: 2s, successes: 2}}}}]
  smokeTests: [{{name: items, http: {{service: {{name: web, port: 80}}, path: /items}}}}]",
            target(name, "web", "app, init"),
            target(name, "worker", "app"),
        )
    };
    let yaml = format!(
        "image: {{repository: {}, tag: sha-a1}}\nstages:{}{}",
        super::world::REPOSITORY,
        stage("staging"),
        stage("production")
    );
    World::of(spec(&yaml), "sha-a1")
}

fn check(moves: &[Move]) -> Result<(), TestCaseError> {
    let mut w = release();
    let mut laws = Laws::default();
    for m in moves {
        m.make(&mut w, &mut laws)?;
    }
    // The adversary rests, and what it broke stays broken: everything must come to an end or say what it waits for.
    let ended = laws.run_out(&mut w)?;
    laws.waits_for_somebody(&w, ended)?;
    // What it broke is mended: then everything must end.
    adversary::mend(&mut w);
    laws.run_out(&mut w)?;
    laws.all_has_ended(&w)
}

#[test]
fn the_laws_hold_whatever_happens() {
    // The same cases each time: a red run must be red again. More of them by hand: PROPTEST_CASES=5000.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|c| c.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(60), failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = match cases {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default())),
    };
    runner.run(&moves(), |moves| check(&moves)).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn with_no_adversary_a_rollout_is_verified() {
    let mut w = release();
    w.run();
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.step_name(), Step::AwaitingPromotion);
    w.approve();
    w.pass(Duration::from_secs(1));
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (crate::api::status::Phase::Verified, 4), "{}", w.message());
}

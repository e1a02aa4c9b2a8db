//! A random adversary against the laws that every rollout must keep.

pub(super) mod adversary;
mod deletions;
pub(super) mod laws;
pub(super) mod looks;
mod verified;

use super::world::{World, spec};
use crate::api::spec::{OnInconclusive, RollbackMode, RollbackScope};
use crate::api::status::Step;
use crate::api::time::Duration;
use adversary::{Move, moves};
use laws::Laws;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Two targets in staging, two in production: a Deployment of several containers, and a StatefulSet.
fn release(orders: &Orders) -> World {
    let target = |stage: &str, name: &str, containers: &str| {
        let kind = if name == "worker" { "StatefulSet" } else { "Deployment" };
        format!("{{name: {name}, kubernetes: {{kind: {kind}, name: {stage}-{name}, containers: [{containers}]}}}}")
    };
    let stage = |name: &str| {
        format!(
            "
- name: {name}
  progressDeadline: 2m
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
    let mut spec = spec(&yaml);
    for (stage, o) in spec.stages.iter_mut().zip(orders) {
        stage.hooks = o.hooks.iter().map(|n| hook(n)).collect();
        stage.on_rollback = o.undo.then(|| hook("undo")).into_iter().collect();
        stage.bake = o.bake.map(Duration::from_secs);
        stage.every = o.every.then(|| Duration::from_secs(48 * 3600));
        (stage.rollback.mode, stage.rollback.scope, stage.rollback.on_inconclusive) = (o.mode, o.scope, o.hold);
    }
    World::of(spec, "sha-a1")
}

/// How a stage goes on asking, and what becomes of it when it fails.
#[derive(Clone, Copy, Debug)]
struct Order {
    bake: Option<i64>,
    every: bool,
    mode: RollbackMode,
    scope: RollbackScope,
    hold: OnInconclusive,
    /// `keep` is irreversible.
    hooks: &'static [&'static str],
    undo: bool,
}
type Orders = [Order; 2];

const USUAL: Orders = [Order {
    bake: Some(5),
    every: true,
    mode: RollbackMode::Automatic,
    scope: RollbackScope::Stage,
    hold: OnInconclusive::Restore,
    hooks: &["one"],
    undo: true,
}; 2];

fn hook(name: &str) -> crate::api::spec::Hook {
    let irreversible = name == "keep";
    let job = serde_json::json!({"fromCronJob": {"name": name}});
    let hook = serde_json::json!({"name": name, "timeout": "2m", "irreversible": irreversible, "job": job});
    serde_json::from_value(hook).unwrap()
}

fn orders() -> impl Strategy<Value = Orders> {
    let mode = prop_oneof![
        4 => Just(RollbackMode::Automatic),
        1 => Just(RollbackMode::Manual),
        1 => Just(RollbackMode::Never)
    ];
    let scope = prop_oneof![Just(RollbackScope::Stage), Just(RollbackScope::Release)];
    let hold = prop_oneof![2 => Just(OnInconclusive::Restore), 1 => Just(OnInconclusive::Hold)];
    let bake = prop_oneof![Just(None), Just(Some(5)), Just(Some(300))];
    let hooks = prop_oneof![2 => Just(&[][..]), 2 => Just(&["one", "two"][..]), 1 => Just(&["one", "keep"][..])];
    let order = (bake, any::<bool>(), mode, scope, hold, hooks, any::<bool>());
    let order = order.prop_map(|(bake, every, mode, scope, hold, hooks, undo)| Order {
        bake,
        every,
        mode,
        scope,
        hold,
        hooks,
        undo,
    });
    [order.clone(), order]
}

fn check(orders: &Orders, moves: &[Move]) -> Result<(), TestCaseError> {
    let mut w = release(orders);
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
    runner.run(&(orders(), moves()), |(orders, moves)| check(&orders, &moves)).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn with_no_adversary_a_rollout_is_verified() {
    let mut w = release(&USUAL);
    w.run();
    w.tag("sha-b2");
    w.run();
    assert_eq!(w.step_name(), Step::AwaitingPromotion);
    w.approve();
    w.pass(Duration::from_secs(1));
    w.run();
    assert_eq!((w.phase(), w.writes.len()), (crate::api::status::Phase::Verified, 4), "{}", w.message());
}

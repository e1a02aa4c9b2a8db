//! Metric gates: four outcomes, each with its own limits.

use super::world::{World, timeout};
use crate::api::Reason;
use crate::api::ask::{Outcome, Query};
use crate::api::spec::{MetricGate, OnInconclusive, OnNoData};
use crate::api::status::{GateState, Phase, Step};
use crate::api::time::Duration;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);
const ROUND: Duration = Duration::from_secs(10);

fn gate(more: Value) -> MetricGate {
    let mut gate = json!({
        "name": "errors", "interval": "10s",
        "prometheus": {"url": "https://metrics.example", "query": "vector(0)", "condition": {"max": "0"}},
    });
    gate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(gate).unwrap()
}

/// The stage that has passed its checks and bakes for so long, with one gate.
fn baking(length: Duration, more: Value) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].bake = Some(length);
        s.stages[0].metric_gates = vec![gate(more.clone())];
        timeout(&mut s.stages[0].health_checks[0].question, Duration::from_millis(100));
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
    w
}

fn state(w: &World) -> Option<GateState> {
    w.rel.status.rollout.as_ref()?.stages[0].gates.first().cloned()
}

/// Answers the next rounds so, one each.
fn rounds(w: &mut World, outcomes: &[Outcome]) {
    for outcome in outcomes {
        w.metrics = Some(*outcome);
        w.look_on(ROUND);
    }
}

fn cause(w: &World) -> (Reason, bool, String) {
    let cause = w.rel.status.rollout.as_ref().unwrap().cause.clone().unwrap();
    (cause.reason, cause.fault, cause.message)
}

#[test]
fn what_metrics_say_is_asked_on_a_grid_and_passes_cost_no_write() {
    let mut w = baking(MINUTE, json!({}));
    let (since, writes) = (w.now, w.status_writes);
    w.look_on(Duration::from_secs(59));
    assert_eq!((w.step_name(), w.status_writes), (Step::Verifying, writes));
    assert!(state(&w).is_none(), "what passes is not stored");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert!(w.now >= since.plus(MINUTE));
    let last = state(&w).unwrap();
    assert_eq!((last.outcome, last.number, last.message.as_str()), (Outcome::Pass, 600, "Pass"));
    w.approve();
    w.run();
    let kept = &w.rel.status.history[0].stages[0].gates[0];
    assert_eq!((kept.name.as_str(), kept.outcome, kept.message.as_str()), ("errors", Outcome::Pass, "Pass"));
}

#[test]
fn each_outcome_has_its_own_end() {
    use Outcome::{Error, Fail, NoData};
    let rows = [
        (Fail, 3, Reason::MetricGateFailed, true, "while it baked, errors failed for 3 rounds in a row: Fail"),
        (
            Error,
            5,
            Reason::Inconclusive,
            false,
            "while it baked, errors could not be asked for 5 rounds in a row: Error",
        ),
        (NoData, 5, Reason::Inconclusive, false, "while it baked, errors had no data for 5 rounds in a row: NoData"),
    ];
    for (outcome, limit, reason, fault, said) in rows {
        let mut w = baking(MINUTE.times(10), json!({}));
        rounds(&mut w, &vec![outcome; limit - 1]);
        assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
        rounds(&mut w, &[outcome]);
        w.run();
        assert_eq!((w.phase(), w.runs("staging")), (Phase::RolledBack, "sha-a1".into()), "{}", w.message());
        assert_eq!(cause(&w), (reason, fault, said.to_owned()));
        assert_eq!(w.rel.status.quarantine.len(), usize::from(fault));
    }
}

#[test]
fn rounds_in_all_are_limited_too() {
    use Outcome::{Error, Fail, NoData, Pass};
    let mut w = baking(MINUTE.times(10), json!({}));
    rounds(&mut w, &[Fail, Fail, Pass, Fail, Fail, Pass]);
    assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
    rounds(&mut w, &[Fail]);
    assert_eq!(cause(&w).2, "while it baked, errors failed for 5 rounds in all: Fail");
    for (outcome, said) in [(Error, "could not be asked"), (NoData, "had no data")] {
        let mut w = baking(MINUTE.times(10), json!({}));
        (0..9).for_each(|_| rounds(&mut w, &[outcome, Pass]));
        assert_eq!(w.step_name(), Step::Verifying, "{}", w.message());
        rounds(&mut w, &[outcome]);
        assert_eq!(cause(&w).2, format!("while it baked, errors {said} for 10 rounds in all: {outcome:?}"));
    }
}

#[test]
fn an_answer_ends_the_runs_of_what_it_disproves() {
    use Outcome::{Error, Fail, NoData, Pass};
    for (outcomes, fails, errors, no_data) in [
        (&[Fail, Fail][..], 2, 0, 0),
        (&[Fail, Error, Fail], 2, 0, 0),
        (&[Fail, NoData], 1, 0, 1),
        (&[NoData, Error], 0, 1, 1),
        (&[Error, NoData], 0, 0, 1),
        (&[Error, NoData, Fail], 1, 0, 0),
        (&[Fail, Error, NoData, Error, Pass], 0, 0, 0),
    ] {
        let mut w = baking(MINUTE.times(10), json!({}));
        rounds(&mut w, outcomes);
        let state = state(&w).unwrap();
        let found = [state.fails, state.errors, state.no_data].map(|c| c.consecutive);
        assert_eq!(found, [fails, errors, no_data], "{outcomes:?}");
        let total = [Fail, Error, NoData].map(|o| outcomes.iter().filter(|x| **x == o).count() as i32);
        assert_eq!([state.fails, state.errors, state.no_data].map(|c| c.total), total, "{outcomes:?}");
    }
}

#[test]
fn limits_are_those_of_the_gate() {
    let limits = json!({"limits": {"fail": {"consecutive": 1}, "noData": {"consecutive": 100, "total": 2}}});
    let mut w = baking(MINUTE.times(10), limits.clone());
    rounds(&mut w, &[Outcome::Fail]);
    assert_eq!(cause(&w).2, "while it baked, errors failed for 1 round in a row: Fail");
    let mut w = baking(MINUTE.times(10), limits);
    rounds(&mut w, &[Outcome::NoData, Outcome::Pass, Outcome::NoData]);
    assert_eq!(cause(&w).2, "while it baked, errors had no data for 2 rounds in all: NoData");
}

#[test]
fn no_data_can_count_as_a_failure_and_never_passes() {
    let mut w = baking(MINUTE.times(10), json!({"onNoData": "Fail"}));
    rounds(&mut w, &[Outcome::NoData; 3]);
    assert_eq!(
        cause(&w),
        (Reason::MetricGateFailed, true, "while it baked, errors failed for 3 rounds in a row: NoData".into())
    );
    for on_no_data in [OnNoData::Fail, OnNoData::Inconclusive] {
        // The bake is over after the first round, and only that one counts.
        let mut w = baking(ROUND, json!({"onNoData": on_no_data}));
        w.metrics = Some(Outcome::NoData);
        w.look_on(ROUND);
        assert_eq!(w.step_name(), Step::Verifying, "zero samples passed: {}", w.message());
        w.metrics = None;
        w.run();
        assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    }
}

#[test]
fn the_last_word_is_a_pass_from_after_the_bake() {
    let mut w = baking(MINUTE, json!({"interval": "45s"}));
    // It passed within the bake; at its end nobody answers any more.
    w.look_on(Duration::from_secs(50));
    w.metrics = Some(Outcome::Error);
    w.look_on(Duration::from_secs(15));
    assert_eq!((w.step_name(), state(&w).unwrap().number), (Step::Verifying, 600));
    w.metrics = None;
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
    assert_eq!(state(&w).unwrap().number, 900, "asked on the grid again");
}

#[test]
fn failures_outlive_a_crash() {
    let mut w = baking(MINUTE.times(10), json!({}));
    rounds(&mut w, &[Outcome::Fail; 2]);
    w.results.clear();
    w.look_on(Duration::ZERO);
    assert_eq!(state(&w).unwrap().fails.consecutive, 2, "a round that is stored is not counted again");
    rounds(&mut w, &[Outcome::Fail]);
    assert_eq!(cause(&w).0, Reason::MetricGateFailed);
}

#[test]
fn what_cannot_be_known_can_wait_for_a_person() {
    let mut w = baking(MINUTE.times(10), json!({}));
    let mut spec: crate::api::ReleaseSpec =
        serde_json::from_value(w.rel.status.rollout.as_ref().unwrap().spec.clone().unwrap()).unwrap();
    spec.stages[0].rollback.on_inconclusive = OnInconclusive::Hold;
    w.rel.status.rollout.as_mut().unwrap().spec = Some(serde_json::to_value(spec).unwrap());
    rounds(&mut w, &[Outcome::Error; 5]);
    assert_eq!(w.step_name(), Step::Holding, "{}", w.message());
    assert!(w.message().contains("errors could not be asked for 5 rounds in a row"), "{}", w.message());
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn another_revision_counts_from_the_beginning() {
    let mut w = baking(MINUTE.times(10), json!({}));
    rounds(&mut w, &[Outcome::Fail; 2]);
    w.edits.insert(crate::api::TargetId::new("staging", "web"), 1);
    w.live("staging").generation += 1;
    w.converge();
    w.metrics = None;
    w.look_on(Duration::ZERO);
    assert_eq!(w.step_name(), Step::Verifying);
    assert!(state(&w).is_none(), "{:?}", state(&w));
}

#[test]
fn a_stage_that_was_adopted_and_fails_is_left_alone() {
    let mut w = World::new("sha-a1", "sha-a1");
    w.edit(|s| {
        s.stages[0].bake = Some(MINUTE);
        s.stages[0].metric_gates = vec![gate(json!({}))];
    });
    w.metrics = Some(Outcome::Fail);
    w.run();
    assert_eq!((w.phase(), w.reason()), (Phase::Failed, Reason::AdoptedUnhealthy), "{}", w.message());
    assert!(w.writes.is_empty() && w.rel.status.quarantine.is_empty());
}

#[test]
fn placeholders_are_filled_in() {
    let query =
        "$(TIDEGATE_TAG) $(TIDEGATE_IMAGE) $(TIDEGATE_STAGE) $(TIDEGATE_NAMESPACE) $(TIDEGATE_REVISION) $(OTHER)";
    let url = json!({"url": "https://metrics.example", "query": query, "condition": {"max": "0"}});
    let mut w = baking(MINUTE, json!({"prometheus": url}));
    w.mute = true;
    w.look_on(ROUND);
    let revision = w.live("staging").revision.clone().unwrap();
    let asks = w.decide().asks;
    let asked =
        asks.iter().find_map(|a| if let Query::Prometheus(gate) = &a.query { Some(gate.query.clone()) } else { None });
    assert_eq!(asked.unwrap(), format!("sha-b2 ghcr.io/acme/shop:sha-b2 staging shop {revision} $(OTHER)"));
}

/// The answer from after the bake ends it, though one before it was bad.
#[test]
fn the_last_answer_ends_the_bake_at_once() {
    let mut w = baking(MINUTE, json!({}));
    let until = w.rel.status.rollout.as_ref().unwrap().stages[0].bake_until.unwrap();
    w.run_until(|w| w.now >= until.minus(ROUND).minus(Duration::from_secs(1)));
    w.metrics = Some(Outcome::Error);
    w.run_until(|w| w.now >= until.minus(Duration::from_secs(1)));
    assert_eq!(state(&w).unwrap().outcome, Outcome::Error);
    w.metrics = None;
    w.run_until(|w| w.now >= until && w.results.iter().any(|r| r.id.check == "errors"));
    w.turn();
    assert_ne!(w.step_name(), Step::Verifying, "{}", w.message());
}

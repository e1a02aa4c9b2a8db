//! Performance checks: load after health checks and smoke tests, against limits and against the old version.

use crate::support::manifests::PORT;
use crate::support::scene;
use crate::support::scene::Scene;
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

fn slow(delay: &str) -> Value {
    json!({"http": [{"path": "/load", "status": 200, "delay": delay}]})
}

fn quick() -> Value {
    slow("0s")
}

/// Asks for [`NEW`], with a load on staging that keeps within `thresholds`.
async fn bring(s: &Scene, mut spec: Value, thresholds: Value) {
    spec["stages"][0]["performanceChecks"] = json!([{
        "name": "latency",
        "http": {"pods": {"port": PORT}, "path": "/load", "requests": 40, "concurrency": 2, "timeout": "30s", "warmUp": 4},
        "thresholds": thresholds,
    }]);
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
}

fn latency(status: &ReleaseStatus) -> String {
    let state = &status.rollout.as_ref().unwrap().stages[0];
    state.checks.iter().find(|c| c.name == "latency").and_then(|c| c.message.clone()).unwrap()
}

async fn asked(s: &Scene, tag: &str) -> usize {
    s.requests(tag, "/load").await.len()
}

#[tokio::test]
async fn what_keeps_within_its_limits_is_promoted() {
    scene("load-good", async |s| {
        let spec = s.settled().await;
        s.behaves(OLD, quick()).await;
        s.behaves(NEW, slow("20ms")).await;
        bring(s, spec, json!({"p95": {"max": "4s"}, "errorRate": {"max": "1%"}})).await;
        let token = s.awaiting(NEW).await;
        let said = latency(&s.status().await);
        assert!(said.starts_with("p95 ") && said.contains("errorRate 0%; 40 requests in "), "{said}");
        assert_eq!((asked(s, NEW).await, asked(s, OLD).await), (44, 0), "nothing compares with the old version");
        s.promote(&token).await;
        s.verified(NEW).await;
        let history = &s.status().await.history[0];
        let told = history.stages[0].checks.iter().find(|c| c.name == "latency").unwrap();
        assert!(told.message.as_ref().unwrap().starts_with("p95 "), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn a_percentile_over_its_limit_in_staging_brings_the_old_version_back() {
    scene("load-slow", async |s| {
        let spec = s.settled().await;
        s.behaves(NEW, slow("400ms")).await;
        bring(s, spec, json!({"p95": {"max": "300ms"}})).await;
        let end = s.rolled_back(NEW, Reason::PerformanceCheckFailed).await;
        let said = end.message.clone().unwrap_or_default();
        assert!(said.contains("latency after 1 round: p95 is ") && said.contains("ms, more than 300ms; 40 requests"));
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 1));
        assert_eq!(s.tags("production").await, [OLD]);
        assert_eq!(asked(s, OLD).await, 0, "a restore is not put under load");
        assert!(s.event(Reason::PerformanceCheckFailed).await.contains("more than 300ms"));
    })
    .await;
}

#[tokio::test]
async fn wrong_answers_under_load_bring_the_old_version_back() {
    scene("load-errors", async |s| {
        let spec = s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/load", "status": 500}]})).await;
        bring(s, spec, json!({"errorRate": {"max": "1%"}})).await;
        let end = s.rolled_back(NEW, Reason::PerformanceCheckFailed).await;
        let said = end.message.unwrap_or_default();
        assert!(said.contains("errorRate is 100%, more than 1%; 40 requests in"), "{said}");
        assert!(said.contains("status 500, expected 200 to 299"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_version_much_slower_than_the_one_before_is_taken_back() {
    scene("load-slower", async |s| {
        let spec = s.settled().await;
        s.behaves(OLD, slow("50ms")).await;
        s.behaves(NEW, slow("1s")).await;
        bring(s, spec, json!({"p50": {"maxIncrease": "400%"}})).await;
        let end = s.rolled_back(NEW, Reason::PerformanceCheckFailed).await;
        let said = end.message.clone().unwrap_or_default();
        assert!(said.contains("of the old version, and 400% is allowed"), "{said}");
        assert_eq!(asked(s, OLD).await, 44, "measured once, before the write");
        let baselines = &end.rollout.as_ref().unwrap().stages[0].baselines;
        let before = baselines[0].measured.as_ref().and_then(|m| m.p50).unwrap();
        assert!((50_000..1_000_000).contains(&before), "{baselines:?}");
    })
    .await;
}

#[tokio::test]
async fn a_version_as_slow_as_the_one_before_is_kept() {
    scene("load-alike", async |s| {
        let spec = s.settled().await;
        s.behaves(OLD, slow("200ms")).await;
        s.behaves(NEW, slow("200ms")).await;
        bring(s, spec, json!({"p50": {"maxIncrease": "400%"}, "errorRate": {"maxIncrease": "0%"}})).await;
        s.awaiting(NEW).await;
        let said = latency(&s.status().await);
        assert!(said.starts_with("p50 ") && said.contains("errorRate 0%"), "{said}");
        assert_eq!((asked(s, OLD).await, asked(s, NEW).await), (44, 44));
    })
    .await;
}

#[tokio::test]
async fn an_old_version_that_does_not_answer_is_nothing_to_compare_with() {
    scene("load-unknown", async |s| {
        let spec = s.settled().await;
        s.behaves(OLD, json!({"http": [{"path": "/load", "status": 500}]})).await;
        bring(s, spec, json!({"p50": {"maxIncrease": "20%"}})).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Inconclusive).await;
        let said = end.message.clone().unwrap_or_default();
        assert!(said.contains("latency could not be measured with the version that runs now"), "{said}");
        assert!(said.contains("so nothing was written: p50 has no value, since 100% of the requests"), "{said}");
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.to_owned()], 0));
    })
    .await;
}

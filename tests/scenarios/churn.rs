//! A cluster never holds still: scaling, lost pods and restarts are no contention and no failure.

use crate::support::{Scene, scene};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// A staging stage that is asked eight rounds, and has answered the first.
async fn being_asked(s: &Scene) {
    let mut spec = s.settled().await;
    spec["stages"][0]["healthChecks"][0]["http"]["timeout"] = json!("30s");
    spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 20, "interval": "1s", "successes": 8});
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    s.asked(NEW, "/health", 1).await;
}

/// Rounds that passed are kept, and no round failed: the revision is still the same.
async fn nothing_was_asked_again(s: &Scene) {
    let rounds: Vec<_> = s.statuses().await.iter().filter_map(health).collect();
    let rises = rounds.windows(2).all(|two| two[0].0 <= two[1].0);
    assert!(rises && rounds.iter().all(|r| r.1 == 0), "passes and fails of the health check: {rounds:?}");
    assert_eq!(rounds.last().map(|r| r.0), Some(8), "{rounds:?}");
}

/// Passes and fails in a row of the health check of staging, while the new version is asked.
fn health(status: &Value) -> Option<(i64, i64)> {
    let rollout = &status["rollout"];
    let staging = rollout["stages"].as_array()?.iter().find(|s| s["name"] == "staging")?;
    let check = staging["checks"].as_array()?.iter().find(|c| c["name"] == "health")?;
    let new = rollout["image"].as_str()?.ends_with(NEW) && staging["purpose"] == "Verify";
    new.then(|| (check["passes"].as_i64().unwrap_or(0), check["fails"].as_i64().unwrap_or(0)))
}

#[tokio::test]
async fn scaling_while_it_is_asked() {
    scene("scaling", async |s| {
        being_asked(s).await;
        // Three rounds of two pods.
        s.asked(NEW, "/health", 6).await;
        s.scale("staging", 4).await;
        s.available("staging").await;
        s.scale("staging", 3).await;
        s.awaiting(NEW).await;
        assert_eq!(s.deployment("staging").await.spec.unwrap().replicas, Some(3), "replicas are not ours");
        nothing_was_asked_again(s).await;
        let mut rounds = BTreeMap::new();
        s.requests(NEW, "/health").await.into_iter().for_each(|r| *rounds.entry(r.pod).or_insert(0) += 1);
        assert_eq!(rounds.values().max(), Some(&8), "who was there all along was asked eight times: {rounds:?}");
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn pods_replaced_while_it_is_asked() {
    scene("pods-replaced", async |s| {
        being_asked(s).await;
        // One after the other: with none of them there is nobody to ask, and that is no answer.
        s.all_run("staging", NEW, 2).await;
        for pod in s.row("staging").await.into_keys() {
            s.delete_pod(&pod).await;
            s.all_run("staging", NEW, 2).await;
        }
        s.awaiting(NEW).await;
        nothing_was_asked_again(s).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

/// `kubectl rollout restart`: a new revision with our image, so the answers of the last one count no more.
#[tokio::test]
async fn a_restart_while_it_is_asked() {
    scene("restart", async |s| {
        being_asked(s).await;
        let template = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}});
        s.patch_deployment("staging", json!({"spec": {"template": template}})).await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
        let last = s.pods("staging").await[0].metadata.name.clone().unwrap();
        let rounds = s.requests(NEW, "/health").await.iter().filter(|r| r.pod == last).count();
        assert!(rounds >= 8, "all rounds were asked of the new revision: {rounds}");
    })
    .await;
}

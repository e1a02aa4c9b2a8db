//! `spec.suspend` acts between stages.

use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn before_a_rollout_nothing_begins() {
    scene("suspend-before", async |s| {
        let mut spec = s.settled().await;
        spec["suspend"] = json!(true);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.blocked(Reason::Suspended).await;
        s.marker("later").await;
        assert_eq!(s.tags("staging").await, [OLD]);
        s.suspend(false).await;
        s.awaiting(NEW).await;
    })
    .await;
}

/// A stage that has begun is finished; the next one does not begin, though it is approved.
#[tokio::test]
async fn within_a_stage_it_is_finished_and_the_next_one_waits() {
    scene("suspend-within", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        s.suspend(true).await;
        s.behaves(NEW, json!({})).await;
        let status = s.until_status("staging is verified", |status| {
            status.stable.iter().any(|t| t.stage == "staging" && t.images[0].image.short() == NEW)
        });
        let token = status.await.rollout.unwrap().promotion.map(|p| p.token);
        s.promote(&token.unwrap_or(format!("production:{NEW}"))).await;
        s.marker("later").await;
        assert_eq!(s.tags("production").await, [OLD], "approved, and suspended");
        s.suspend(false).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("production").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn within_a_failing_stage_it_is_taken_back() {
    scene("suspend-failing", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        s.set_tag(NEW).await;
        s.asked(NEW, "/health", 1).await;
        s.suspend(true).await;
        s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(s.status().await.phase, Some(Phase::RolledBack));
    })
    .await;
}

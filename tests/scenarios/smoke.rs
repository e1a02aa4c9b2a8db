//! Smoke tests: asked once, after health.

use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_failure_in_staging_never_touches_production() {
    scene("smoke-staging", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("production").await, [OLD]);
        assert_eq!(s.requests(NEW, "/items").await.len(), 1, "one attempt");
    })
    .await;
}

#[tokio::test]
async fn a_failure_in_production_brings_the_old_version_back_and_proves_it() {
    scene("smoke-production", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        let before = (s.requests(OLD, "/health").await.len(), s.requests(OLD, "/items").await.len());
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.promote(&token).await;
        let end = s.rolled_back(NEW, Reason::SmokeTestFailed).await;

        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.runs("staging").await, NEW, "a verified stage keeps its version");
        assert!(s.requests(OLD, "/health").await.len() > before.0, "the restored version was asked");
        assert!(s.requests(OLD, "/items").await.len() > before.1, "its smoke test too");
        assert_eq!(end.quarantine[0].image.short(), NEW);
        assert_eq!(end.history[0].approvals.len(), 1);
        assert!(s.phases().await.ends_with(&["Verifying".into(), "Restoring".into(), "RolledBack".into()]));
        s.available("production").await;
        s.event(Reason::RolledBack).await;
    })
    .await;
}

/// The same commit that breaks the application brings a test which the old version never had to pass.
#[tokio::test]
async fn a_test_that_came_with_the_image_does_not_condemn_the_way_back() {
    scene("smoke-newer", async |s| {
        let mut spec = s.settled().await;
        s.behaves(OLD, json!({"http": [{"path": "/new", "status": 404}]})).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        let mut newer = spec["stages"][0]["smokeTests"][0].clone();
        newer["name"] = json!("newer");
        newer["http"]["path"] = json!("/new");
        spec["stages"][0]["smokeTests"].as_array_mut().unwrap().push(newer);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let end = s.ends(NEW, Phase::RolledBack, Reason::RolledBack).await;
        assert_eq!(s.cause(&end), Some(Reason::SmokeTestFailed));
        s.event(Reason::CheckNewerThanWayBack).await;
        assert_eq!(s.requests(OLD, "/new").await.len(), 1, "asked once, and only reported");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

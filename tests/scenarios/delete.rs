//! Deleting a Release leaves nothing half-way.

use crate::support::scene;
use crate::support::wait::{is, until};
use kube::api::Api;
use serde_json::json;
use tidegate::api::{Phase, Reason, Release};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn at_rest_it_goes_at_once() {
    scene("delete-rest", async |s| {
        s.settled().await;
        until("the finalizer is gone", async || {
            let left = s.release().await.metadata.finalizers.unwrap_or_default();
            is(left.is_empty(), (), left)
        })
        .await;
        s.delete().await;
        let api: Api<Release> = s.api();
        assert!(api.get_opt("checkout").await.unwrap().is_none(), "nobody has to let it go");
        assert_eq!([s.tags("staging").await, s.tags("production").await].concat(), [OLD, OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_it_is_blocked_it_goes_at_once() {
    scene("delete-blocked", async |s| {
        s.app("staging", OLD).await;
        s.apply(&crate::support::release(NEW)).await;
        s.blocked(Reason::TargetNotFound).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_it_waits_for_a_person_it_goes_at_once() {
    scene("delete-waiting", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        s.awaiting(NEW).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD, NEW], "what was verified stays");
        s.apply(&crate::support::release(NEW)).await;
        s.awaiting(NEW).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_staging_works_it_is_taken_back_first() {
    scene("delete-staging", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_production_is_asked_it_is_taken_back_first() {
    scene("delete-production", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][1]["healthChecks"][0]["retry"] = json!({"attempts": 100, "interval": "1s"});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        s.promote(&token).await;
        s.phase(NEW, Phase::Verifying).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.runs("staging").await, NEW);
    })
    .await;
}

#[tokio::test]
async fn while_it_comes_back_it_comes_back_first() {
    scene("delete-restore", async |s| {
        s.settled().await;
        s.restoring().await;
        s.delete().await;
        s.marker_of("later", "sha-0000007").await;
        let api: Api<Release> = s.api();
        assert!(api.get_opt("checkout").await.unwrap().is_some(), "it stays until production is proven");
        s.behaves(OLD, json!({})).await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_staging_is_asked_it_is_taken_back_first() {
    scene("delete-staging-asked", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        spec["stages"][0]["healthChecks"][0]["retry"]["attempts"] = json!(100);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.asked(NEW, "/health", 2).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        s.available("staging").await;
    })
    .await;
}

#[tokio::test]
async fn while_production_rolls_it_is_taken_back_first() {
    scene("delete-production-rolls", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.promote(&token).await;
        s.phase(NEW, Phase::Rolling).await;
        s.delete().await;
        s.gone().await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("staging").await, [OLD, NEW], "what was verified stays");
    })
    .await;
}

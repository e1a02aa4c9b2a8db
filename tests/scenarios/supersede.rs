//! A newer tag while the last one is still on its way.

use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";
const NEWER: &str = "sha-0000003";

#[tokio::test]
async fn while_staging_works_it_is_taken_back_first() {
    scene("supersede-staging", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        s.set_tag(NEWER).await;
        let token = s.awaiting(NEWER).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD, NEWER]);
        let last = &s.status().await.history[0];
        assert_eq!((last.image.short(), last.reason), (NEW.into(), Reason::Superseded));
        assert!(s.status().await.quarantine.is_empty());
        s.promote(&token).await;
        s.verified(NEWER).await;
        assert_eq!(s.tags("production").await, [OLD, NEWER]);
    })
    .await;
}

#[tokio::test]
async fn while_it_waits_for_a_person_it_takes_over_at_once() {
    scene("supersede-waiting", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        s.awaiting(NEW).await;
        s.set_tag(NEWER).await;
        s.awaiting(NEWER).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, NEWER], "a verified stage is not taken back");
        assert_eq!(s.status().await.history[0].reason, Reason::Superseded);
    })
    .await;
}

#[tokio::test]
async fn while_production_works_it_settles_first() {
    scene("supersede-production", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.promote(&token).await;
        s.phase(NEW, Phase::Rolling).await;
        s.set_tag(NEWER).await;
        s.marker("later").await;
        let now = s.status().await;
        assert_eq!(now.rollout.unwrap().image.short(), NEW, "production is not left half-way");
        assert!(now.message.unwrap_or_default().contains(NEWER), "says what waits");
        s.behaves(NEW, json!({})).await;
        s.awaiting(NEWER).await;
        assert_eq!(s.tags("production").await, [OLD, NEW], "verified, then the next began");
        assert_eq!(s.tags("staging").await, [OLD, NEW, NEWER]);
    })
    .await;
}

/// The debt comes first: the newer tag begins when the stage is proven to be back.
#[tokio::test]
async fn while_staging_comes_back_it_comes_back_first() {
    scene("supersede-restoring", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        s.asked(NEW, "/health", 1).await;
        s.behaves(OLD, json!({"ready": {"never": true}})).await;
        s.phase(NEW, Phase::Restoring).await;
        s.set_tag(NEWER).await;
        s.marker_of("later", "sha-0000007").await;
        let now = s.status().await;
        assert_eq!((now.phase, now.rollout.unwrap().image.short()), (Some(Phase::Restoring), NEW.into()));
        s.behaves(OLD, json!({})).await;
        s.awaiting(NEWER).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD, NEWER]);
        let status = s.status().await;
        assert_eq!((status.history[0].phase, status.history[0].reason), (Phase::RolledBack, Reason::RolledBack));
        assert_eq!(status.quarantine.iter().map(|q| q.image.short()).collect::<Vec<_>>(), [NEW]);
    })
    .await;
}

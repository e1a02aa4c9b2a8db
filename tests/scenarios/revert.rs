//! Going back in Git: to what was good, and to what was not.

use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";
const NEWER: &str = "sha-0000003";

#[tokio::test]
async fn to_a_version_that_was_verified() {
    scene("revert-good", async |s| {
        s.settled().await;
        s.release_to_production(NEW).await;
        s.release_to_production(OLD).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn to_a_version_that_failed_here() {
    scene("revert-bad", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        s.set_tag(OLD).await;
        s.verified(OLD).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "what runs already is adopted");

        s.set_tag(NEW).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Quarantined).await;
        assert!(end.message.unwrap_or_default().contains("retry"), "names the way out");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "nothing was written");

        s.behaves(NEW, json!({})).await;
        s.retry("it was the database").await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        let end = s.verified(NEW).await;
        assert!(end.quarantine.is_empty(), "lifted");
    })
    .await;
}

/// Production burns, and the only way is to a version that later failed elsewhere: it was good in every stage once.
#[tokio::test]
async fn to_a_version_that_was_verified_and_failed_later() {
    scene("revert-both", async |s| {
        s.settled().await;
        s.release_to_production(NEW).await;
        s.release_to_production(NEWER).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        s.behaves(NEW, json!({})).await;
        s.set_tag(NEWER).await;
        s.verified(NEWER).await;
        s.set_tag(NEW).await;
        s.event(Reason::QuarantinedBefore).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
    })
    .await;
}

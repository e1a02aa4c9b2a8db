//! The same tag that means something else: what runs is told by the pods, never by the name.

use crate::support::{scene, single_stage};
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

fn digest(letter: &str) -> Value {
    json!(format!("sha256:{}", letter.repeat(64)))
}

#[tokio::test]
async fn production_must_run_what_staging_verified() {
    scene("digest-moved", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"digest": digest("a")})).await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"digest": digest("b")})).await;
        s.promote(&token).await;
        let end = s.rolled_back(NEW, Reason::DigestDiffers).await;
        let said = end.rollout.unwrap().cause.unwrap().message;
        assert!(said.contains(&"a".repeat(64)) && said.contains(&"b".repeat(64)), "names both: {said}");
        assert!(end.quarantine.is_empty(), "the image that was verified is not to blame");
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// The old tag brings something that nobody verified: it is not back, though all its checks pass.
#[tokio::test]
async fn a_way_back_whose_tag_was_moved_is_not_back() {
    scene("digest-restore", async |s| {
        s.behaves(OLD, json!({"digest": digest("a")})).await;
        s.app("production", OLD).await;
        s.apply(&single_stage(OLD)).await;
        s.verified(OLD).await;
        // Slow enough that the old pods are gone, and are made anew, when it comes back.
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500, "delay": "2s"}]})).await;
        s.behaves(OLD, json!({"digest": digest("b")})).await;
        s.set_tag(NEW).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackFailed).await;
        assert!(serde_json::to_string(&end).unwrap().contains("the tag was moved"), "{end:?}");
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        s.event(Reason::RollbackFailed).await;
    })
    .await;
}

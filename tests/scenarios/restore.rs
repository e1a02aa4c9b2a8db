//! When the way back is not smooth: said, never hidden, and never written over somebody else's change.

use crate::support::manifests::image;
use crate::support::wait::{is, until};
use crate::support::{scene, single_stage};
use k8s_openapi::api::events::v1::Event;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_way_back_that_is_ill_too_is_said_loudly() {
    scene("restore-fails", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.behaves(OLD, json!({"http": [{"path": "/health", "status": 500}]})).await;
        s.set_tag(NEW).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackFailed).await;
        assert_eq!(s.cause(&end), Some(Reason::SmokeTestFailed), "the cause stands beside it");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "the old version was brought all the same");
        s.event(Reason::RollbackFailed).await;
        let loud = |e: &Event| e.reason.as_deref() == Some("RollbackFailed") && e.type_.as_deref() == Some("Warning");
        assert!(s.events().await.iter().any(loud));
    })
    .await;
}

#[tokio::test]
async fn a_person_who_changes_the_image_in_mid_rollout_is_not_written_over() {
    scene("contended", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.phase(NEW, Phase::Rolling).await;
        s.set_image("staging", &image("sha-0000005")).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Contended).await;
        assert!(end.quarantine.is_empty(), "not the image's fault");
        assert_eq!(s.tags("staging").await, [OLD, NEW, "sha-0000005"]);
        s.event(Reason::Contended).await;
    })
    .await;
}

#[tokio::test]
async fn a_person_who_changes_the_image_in_mid_restore_is_not_written_over() {
    scene("restore-blocked", async |s| {
        s.settled().await;
        s.restoring().await;
        until("the old tag is written", async || is(s.runs("staging").await == OLD, (), "not yet")).await;
        s.set_image("staging", &image("sha-0000005")).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackBlocked).await;
        assert_eq!(s.cause(&end), Some(Reason::SmokeTestFailed));
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD, "sha-0000005"]);
        s.event(Reason::RollbackBlocked).await;
    })
    .await;
}

/// Nobody ever released here: what runs is asked before the first write, and is worth coming back to.
#[tokio::test]
async fn what_ran_before_the_first_release_is_a_way_back() {
    scene("restore-first", async |s| {
        s.app("production", OLD).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.apply(&single_stage(NEW)).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// It was ill before us: it is brought back for want of anything better, and nobody says that all is well.
#[tokio::test]
async fn what_ran_ill_before_the_first_release_is_no_proven_way_back() {
    scene("restore-unverified", async |s| {
        s.app("production", OLD).await;
        s.behaves(OLD, json!({"http": [{"path": "/health", "status": 500}]})).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.apply(&single_stage(NEW)).await;
        s.ends(NEW, Phase::Failed, Reason::RollbackFailed).await;
        s.event(Reason::WayBackUnverified).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn a_workload_paused_by_its_owner_is_said_to_be() {
    scene("restore-paused", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.patch_deployment("staging", json!({"spec": {"paused": true}})).await;
        s.abort(s.status().await.rollout.unwrap().id).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackBlocked).await;
        assert!(serde_json::to_string(&end).unwrap().contains("paused"), "{:?}", end.message);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "a resume brings the old version");
    })
    .await;
}

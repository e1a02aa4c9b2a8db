//! Edits of the spec that are no new version: applied again, checks, stages, mistakes mended.

use crate::support::manifests::{single_stage, stage};
use crate::support::{release, scene};
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn the_same_again_twenty_times_writes_nothing() {
    scene("reapply", async |s| {
        let spec = s.settled().await;
        let before = s.writes_to("checkout").await;
        for n in 0..20 {
            // A label-like edit, so that the controller is woken each time.
            s.apply_object("checkout", &json!({"example.test/applied": n.to_string()}), &spec).await;
        }
        s.marker("later").await;
        assert_eq!(s.writes_to("checkout").await, before);
        assert_eq!(s.tags("staging").await, [OLD]);
    })
    .await;
}

#[tokio::test]
async fn checks_edited_at_rest_start_nothing() {
    scene("checks-at-rest", async |s| {
        let mut spec = s.settled().await;
        let before = s.status().await.rollout.unwrap().id;
        spec["stages"][0]["healthChecks"][0]["http"]["path"] = json!("/other");
        s.apply(&spec).await;
        let generation = s.release().await.metadata.generation.unwrap();
        let status = s.until_status("the edit is seen", |status| status.observed_generation == generation).await;
        assert_eq!((status.phase, status.rollout.unwrap().id), (Some(Phase::Verified), before));
        assert!(s.requests(OLD, "/other").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn checks_edited_in_mid_rollout_wait_for_its_end() {
    scene("checks-mid", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.behaves(OLD, json!({"http": [{"path": "/gone", "status": 404}]})).await;
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let frozen = s.phase(NEW, Phase::Rolling).await;
        spec["stages"][0]["healthChecks"][0]["http"]["path"] = json!("/edited");
        s.apply(&spec).await;
        s.marker("later").await;
        let now = s.status().await;
        assert_eq!(now.observed_generation, frozen.observed_generation, "it does not speak of that edit yet");
        s.behaves(NEW, json!({})).await;
        let token = s.awaiting(NEW).await;
        assert!(s.requests(NEW, "/edited").await.is_empty());
        s.promote(&token).await;
        s.verified(NEW).await;
        let generation = s.release().await.metadata.generation.unwrap();
        s.until_status("the edit is seen at last", |status| status.observed_generation == generation).await;
    })
    .await;
}

#[tokio::test]
async fn a_stage_added_at_rest_is_rolled_to_and_the_others_are_left() {
    scene("stage-added", async |s| {
        let mut spec = s.settled().await;
        s.app("europe", "sha-0000000").await;
        spec["stages"].as_array_mut().unwrap().push(stage("europe", Some("Manual")));
        s.apply(&spec).await;
        let token = s.awaiting(OLD).await;
        assert!(token.starts_with("europe:"), "{token}");
        s.promote(&token).await;
        s.until_status("the new stage is verified", |status| {
            status.phase == Some(Phase::Verified) && status.stable.len() == 3
        })
        .await;
        assert_eq!(s.tags("europe").await, ["sha-0000000", OLD]);
        assert_eq!((s.tags("staging").await, s.tags("production").await), (vec![OLD.into()], vec![OLD.into()]));
    })
    .await;
}

#[tokio::test]
async fn a_stage_renamed_or_removed_at_rest_changes_no_workload() {
    scene("stage-renamed", async |s| {
        let mut spec = s.settled().await;
        let id = |status: &tidegate::api::ReleaseStatus| status.rollout.as_ref().map(|r| r.id);
        let first = id(&s.status().await);
        spec["stages"][0]["name"] = json!("test");
        s.apply(&spec).await;
        let renamed = s.until_status("verified under the new name", |status| {
            status.phase == Some(Phase::Verified) && id(status) != first
        });
        let second = id(&renamed.await);
        spec["stages"].as_array_mut().unwrap().remove(0);
        spec["stages"][0]["promotion"] = json!({"mode": "Manual"});
        s.apply(&spec).await;
        s.until_status("verified without it", |status| status.phase == Some(Phase::Verified) && id(status) != second)
            .await;
        assert_eq!((s.tags("staging").await, s.tags("production").await), (vec![OLD.into()], vec![OLD.into()]));
    })
    .await;
}

#[tokio::test]
async fn a_misspelt_target_is_said_and_mended_by_an_edit() {
    scene("misspelt", async |s| {
        s.two_stages().await;
        let mut spec = release(NEW);
        spec["stages"][1]["targets"][0]["kubernetes"]["name"] = json!("prodction");
        s.apply(&spec).await;
        let status = s.blocked(Reason::TargetNotFound).await;
        assert!(status.message.unwrap_or_default().contains("prodction"));
        assert_eq!(s.tags("staging").await, [OLD], "all stages are looked at before the first write");
        spec["stages"][1]["targets"][0]["kubernetes"]["name"] = json!("production");
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn a_workload_that_appears_later_is_waited_for() {
    scene("later-workload", async |s| {
        s.apply(&single_stage(OLD)).await;
        s.blocked(Reason::TargetNotFound).await;
        s.app("production", OLD).await;
        s.verified(OLD).await;
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

//! A person ends a rollout: only the stage in work is taken back.

use crate::support::{Scene, scene};
use serde_json::json;
use tidegate::api::{Phase, Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// Aborts what runs now, waits for the end.
async fn abort(s: &Scene) -> ReleaseStatus {
    s.abort(s.status().await.rollout.unwrap().id).await;
    let end = s.ended(NEW).await;
    assert_eq!(end.rollout.as_ref().unwrap().reason, Some(Reason::Aborted), "{:?}", end.message);
    assert!(end.quarantine.is_empty() && end.debts.is_empty());
    end
}

#[tokio::test]
async fn while_staging_rolls() {
    scene("abort-rolling", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        assert_eq!(abort(s).await.phase, Some(Phase::RolledBack));
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into(), OLD.into()], vec![OLD.into()])
        );
        s.available("staging").await;
    })
    .await;
}

#[tokio::test]
async fn while_staging_is_asked() {
    scene("abort-verifying", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        spec["stages"][0]["healthChecks"][0]["retry"]["attempts"] = json!(100);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.asked(NEW, "/health", 2).await;
        assert_eq!(abort(s).await.phase, Some(Phase::RolledBack));
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn while_it_waits_for_a_person() {
    scene("abort-waiting", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        s.awaiting(NEW).await;
        let end = abort(s).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW], "a verified stage keeps its version");
        assert_eq!(s.tags("production").await, [OLD]);
        assert_eq!(end.phase, Some(Phase::Failed));
        // Started again by a person, it finds staging as it left it.
        s.retry("again").await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn while_production_rolls() {
    scene("abort-production", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.promote(&token).await;
        s.phase(NEW, Phase::Rolling).await;
        assert_eq!(abort(s).await.phase, Some(Phase::RolledBack));
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.runs("staging").await, NEW);
    })
    .await;
}

#[tokio::test]
async fn the_id_of_another_rollout_ends_nothing() {
    scene("abort-wrong", async |s| {
        s.settled().await;
        let before = s.status().await.rollout.unwrap().id;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.abort(before).await;
        s.event(Reason::AbortRefused).await;
        s.promote(&token).await;
        s.verified(NEW).await;
    })
    .await;
}

/// It is coming back already: there is nothing more to end.
#[tokio::test]
async fn while_it_comes_back() {
    scene("abort-restoring", async |s| {
        s.settled().await;
        s.restoring().await;
        s.abort(s.status().await.rollout.unwrap().id).await;
        s.event(Reason::AbortRefused).await;
        s.behaves(OLD, json!({})).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// Its checks would pass in the end; a person does not wait for that.
#[tokio::test]
async fn while_production_is_asked() {
    scene("abort-production-asked", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][1]["healthChecks"][0]["retry"] = json!({"attempts": 100, "interval": "1s"});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        s.promote(&token).await;
        s.phase(NEW, Phase::Verifying).await;
        assert_eq!(abort(s).await.phase, Some(Phase::RolledBack));
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

/// Nothing is written yet: there is nothing to take back.
#[tokio::test]
async fn while_it_is_blocked_before_its_first_write() {
    scene("abort-blocked", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][1]["targets"][0]["kubernetes"]["name"] = json!("prodction");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.blocked(Reason::TargetNotFound).await;
        assert_eq!(abort(s).await.phase, Some(Phase::Failed));
        spec["stages"][1]["targets"][0]["kubernetes"]["name"] = json!("production");
        s.apply(&spec).await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW], "only the edit started it again");
    })
    .await;
}

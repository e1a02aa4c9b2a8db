//! Checks that are asked on and on: while a stage bakes, while the rollout waits, at rest.

use crate::support::scene;
use crate::support::scene::Scene;
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

fn ill() -> Value {
    json!({"http": [{"path": "/health", "status": 503}, {"path": "/items", "status": 500}]})
}

fn degraded(status: &ReleaseStatus) -> Option<String> {
    status.conditions.iter().find(|c| c.type_ == "Degraded").map(|c| format!("{}: {}", c.reason, c.message))
}

/// Staging runs [`NEW`], passed its checks, and bakes for so long.
async fn baking(s: &Scene, bake: &str) {
    let mut spec = s.settled().await;
    spec["stages"][0]["bake"] = json!(bake);
    // Rounds are no closer than this lets them be, and none of it is late on a busy machine.
    spec["stages"][0]["healthChecks"][0]["http"]["timeout"] = json!("4s");
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    s.until_status("it bakes", |s| s.message.as_deref().unwrap_or_default().contains("bakes until")).await;
}

#[tokio::test]
async fn a_stage_that_stays_well_bakes_to_its_end() {
    scene("bake-well", async |s| {
        baking(s, "45s").await;
        let (version, asked) = (s.release().await.metadata.resource_version, s.requests(NEW, "/health").await.len());
        // Two pods, a round every five seconds.
        s.asked(NEW, "/health", asked + 6).await;
        assert_eq!(s.release().await.metadata.resource_version, version, "a round that passed was written");
        assert_eq!(s.status().await.phase, Some(Phase::Verifying));
        let until = s.status().await.rollout.unwrap().stages[0].bake_until.unwrap();
        s.awaiting(NEW).await;
        let verified = s.status().await.rollout.unwrap().stages[0].verified_at.unwrap();
        assert!(verified >= until, "{verified} is before {until}");
        assert!(s.event(Reason::Baking).await.contains("bakes for 45s"));
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_turns_ill_while_it_bakes_is_taken_back() {
    scene("bake-ill", async |s| {
        baking(s, "10m").await;
        s.behaves(NEW, ill()).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert!(end.message.as_deref().unwrap_or_default().contains("while it baked, health fails for 3 rounds"));
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 1));
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

#[tokio::test]
async fn a_verified_stage_that_turns_ill_while_the_rollout_waits_is_said() {
    scene("waiting-ill", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, ill()).await;
        let status = s.until_status("it is said", |s| degraded(s).is_some()).await;
        assert!(degraded(&status).unwrap().starts_with("HealthCheckFailed: staging: health fails for 3 rounds"));
        assert_eq!(status.phase, Some(Phase::AwaitingPromotion), "nothing is done");
        assert!(s.event(Reason::HealthCheckFailed).await.starts_with("staging: health fails"));
        s.behaves(NEW, json!({})).await;
        s.until_status("it is taken back", |s| degraded(s).is_none()).await;
        assert!(s.event(Reason::Recovered).await.contains("passes again"));
        s.promote(&token).await;
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn smoke_tests_are_asked_on_at_rest() {
    scene("rest-ill", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][1]["every"] = json!("10s");
        spec["stages"][1]["smokeTests"][0]["http"]["timeout"] = json!("5s");
        s.apply(&spec).await;
        let before = s.requests(OLD, "/items").await.len();
        s.asked(OLD, "/items", before + 2).await;
        assert!(degraded(&s.status().await).is_none());
        s.behaves(OLD, ill()).await;
        let status = s.until_status("it is said", |s| degraded(s).is_some()).await;
        assert!(degraded(&status).unwrap().starts_with("SmokeTestFailed: production: items fails"));
        assert_eq!(status.phase, Some(Phase::Verified), "what was verified stays so");
        s.behaves(OLD, json!({})).await;
        s.until_status("it is taken back", |s| degraded(s).is_none()).await;
        assert_eq!((s.tags("staging").await.len(), s.tags("production").await.len()), (1, 1), "nothing was written");
    })
    .await;
}

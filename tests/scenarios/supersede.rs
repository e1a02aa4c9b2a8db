//! A newer tag while the last one is still on its way.

use crate::support::scene;
use crate::support::wait::{is, until};
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";
const NEWER: &str = "sha-0000003";

#[tokio::test]
async fn while_staging_works_the_newer_takes_over_at_once() {
    scene("supersede-staging", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the first of them is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.set_tag(NEWER).await;
        let token = s.awaiting(NEWER).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, NEWER], "no restore in between");
        let last = &s.status().await.history[0];
        assert_eq!((last.image.short(), last.reason), (NEW.into(), Reason::Superseded));
        assert!(s.status().await.quarantine.is_empty());
        s.promote(&token).await;
        s.verified(NEWER).await;
        assert_eq!(s.tags("production").await, [OLD, NEWER]);
        assert!(s.status().await.debts.is_empty());
    })
    .await;
}

/// What it inherited is what it owes: the way back is the version from before both.
#[tokio::test]
async fn one_that_took_over_and_fails_restores_what_was_there_before_both() {
    scene("supersede-fails", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.behaves(NEWER, json!({"http": [{"path": "/health", "status": 500}]})).await;
        s.set_tag(NEW).await;
        until("the first of them is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.set_tag(NEWER).await;
        s.rolled_back(NEWER, Reason::HealthCheckFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, NEWER, OLD]);
        let status = s.status().await;
        assert_eq!(status.quarantine.iter().map(|q| q.image.short()).collect::<Vec<_>>(), [NEWER]);
        assert!(status.debts.is_empty());
    })
    .await;
}

/// The newer rollout may not write at all: what it inherited is taken back all the same.
#[tokio::test]
async fn one_that_took_over_and_is_aborted_before_its_first_write_pays() {
    scene("supersede-pays", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        until("the first of them is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        // What is scaled to zero is not written: nothing could be verified.
        s.scale("staging", 0).await;
        s.set_tag(NEWER).await;
        s.blocked(Reason::TargetScaledToZero).await;
        let now = s.phase(NEWER, Phase::Pending).await;
        assert_eq!(now.history[0].reason, Reason::Superseded);
        s.abort(now.rollout.unwrap().id).await;
        until("the old tag is written", async || is(s.runs("staging").await == OLD, (), "not yet")).await;
        s.scale("staging", 2).await;
        s.ends(NEWER, Phase::RolledBack, Reason::Aborted).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// A first stage that a person approved is taken back before the newer tag begins.
#[tokio::test]
async fn a_stage_that_was_approved_is_taken_back_first() {
    scene("supersede-approved", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["stages"][0]["promotion"] = json!({"mode": "Manual"});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        until("it is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.set_tag(NEWER).await;
        s.awaiting(NEWER).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
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
        s.restoring().await;
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

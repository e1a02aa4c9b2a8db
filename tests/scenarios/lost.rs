//! The status is lost (a backup, a careless `kubectl replace`): the stamps on the workloads decide.

use crate::support::scene;
use crate::support::wait::{is, until};
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn at_rest_what_runs_is_adopted_again() {
    scene("lost-rest", async |s| {
        s.settled().await;
        s.release_to_production(NEW).await;
        s.lose_status().await;
        s.verified(NEW).await;
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into(), NEW.into()])
        );
    })
    .await;
}

/// What was written and not verified is not mistaken for what was always there: its way back is known from the stamp.
#[tokio::test]
async fn in_mid_rollout_the_debt_is_remembered() {
    scene("lost-rollout", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        let first = s.phase(NEW, Phase::Rolling).await.rollout.unwrap().id;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.lose_status().await;
        let again = s
            .until_status("it goes on", |status| status.rollout.as_ref().is_some_and(|r| r.image.short() == NEW))
            .await;
        assert_ne!(again.rollout.unwrap().id, first, "an id is never used twice");
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        let end = s.ended(NEW).await;
        assert_eq!(end.phase, Some(Phase::RolledBack), "{:?}", end.message);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn in_mid_restore_the_image_stays_away() {
    scene("lost-restore", async |s| {
        s.settled().await;
        s.restoring().await;
        until("the old tag is written", async || is(s.runs("staging").await == OLD, (), "not yet")).await;
        s.lose_status().await;
        s.behaves(OLD, json!({})).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Quarantined).await;
        assert_eq!(end.quarantine[0].image.short(), NEW);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "not brought a second time");
    })
    .await;
}

/// Nothing is said any more of what is owed, and the Release goes: the stamps still tell it.
#[tokio::test]
async fn deleted_without_a_status_it_pays_its_debt_first() {
    scene("lost-deleted", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        // It cannot be done with it before the status is gone.
        s.behaves(OLD, json!({"ready": {"never": true}})).await;
        s.delete().await;
        s.lose_status().await;
        s.behaves(OLD, json!({})).await;
        s.gone().await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

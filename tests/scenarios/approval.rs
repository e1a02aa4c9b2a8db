//! Nobody reaches production unasked.

use crate::support::manifests::release;
use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason, annotation};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn without_an_approval_production_stays_as_it_is_until_it_expires() {
    scene("approval-missing", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][1]["promotion"]["timeout"] = json!("3s");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let end = s.ends(NEW, Phase::Failed, Reason::PromotionExpired).await;
        s.event(Reason::AwaitingPromotion).await;
        assert!(end.quarantine.is_empty(), "nobody holds it against the image");
        assert_eq!((s.runs("staging").await, s.tags("production").await), (NEW.into(), vec![OLD.into()]));

        // Too late: the token of a rollout that has ended moves nothing.
        s.promote(&format!("production:{NEW}#{}", end.rollout.unwrap().id)).await;
        s.marker("later").await;
        assert_eq!(s.tags("production").await, [OLD]);
        assert_eq!(s.status().await.phase, Some(Phase::Failed));
    })
    .await;
}

#[tokio::test]
async fn wrong_tokens_are_refused_with_a_word_on_what_was_expected() {
    scene("approval-wrong", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        for wrong in ["true", "production:sha-0000009", "staging:sha-0000002", "production:sha-0000002#1-1"] {
            s.promote(wrong).await;
            s.until_status("the wrong token is noted", |status| {
                let promotion = status.rollout.as_ref().and_then(|r| r.promotion.as_ref());
                promotion.and_then(|p| p.last_refused.as_deref()) == Some(wrong)
            })
            .await;
            assert_eq!(
                (s.status().await.phase, s.runs("production").await),
                (Some(Phase::AwaitingPromotion), OLD.into())
            );
        }
        let note = s.event(Reason::PromotionRefused).await;
        assert!(note.contains(&token), "{note}");
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("production").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn an_approval_of_another_rollout_never_counts() {
    scene("approval-stale", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let stale = s.awaiting(NEW).await;
        s.set_tag("sha-0000003").await;
        let token = s.awaiting("sha-0000003").await;
        assert_ne!(stale, token);
        s.promote(&stale).await;
        s.event(Reason::PromotionRefused).await;
        assert_eq!(s.runs("production").await, OLD);
        s.promote(&token).await;
        s.verified("sha-0000003").await;
        assert_eq!(s.tags("production").await, [OLD, "sha-0000003"], "the other one never ran there");
    })
    .await;
}

#[tokio::test]
async fn an_approval_is_used_once() {
    scene("approval-repeated", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        s.release_to_production("sha-0000003").await;
        // Back to the image that was once approved: it is asked for anew, and the old approval is no answer.
        s.set_tag(NEW).await;
        let again = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.event(Reason::PromotionRefused).await;
        assert_eq!(s.runs("production").await, "sha-0000003");
        s.promote(&again).await;
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn an_approval_that_stands_in_the_manifest_approves_nothing() {
    scene("approval-committed", async |s| {
        s.settled().await;
        let mut spec = release(NEW);
        spec["stages"][1]["promotion"]["timeout"] = json!("4s");
        let committed = json!({annotation::PROMOTE: format!("production:{NEW}"), annotation::PROMOTED_BY: "admin"});
        s.apply_object("checkout", &committed, &spec).await;
        s.ends(NEW, Phase::Failed, Reason::PromotionExpired).await;
        s.event(Reason::AwaitingPromotion).await;
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

/// Given while staging is still in work, it counts as soon as the stage waits; the short form serves.
#[tokio::test]
async fn an_early_approval_counts_when_it_is_asked_for() {
    scene("approval-early", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        s.promote(&format!("production:{NEW}")).await;
        s.marker("later").await;
        assert_eq!(s.runs("production").await, OLD);
        s.behaves(NEW, json!({})).await;
        let end = s.verified(NEW).await;
        assert_eq!(end.rollout.unwrap().approvals.len(), 1);
    })
    .await;
}

//! How far back, by whose order: modes, scope, the rollback annotation, and stages that a person decides on.

use crate::support::{Scene, scene};
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason, ReleaseStatus, annotation};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// [`NEW`] is in staging and approved; `rollback` is what the spec says of production.
async fn to_production(s: &Scene, rollback: Value) {
    let mut spec = s.settled().await;
    spec["stages"][1]["rollback"] = rollback;
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    let token = s.awaiting(NEW).await;
    s.promote(&token).await;
}

/// Ill in production alone: the pods of both stages share their image.
async fn fails_in_production(s: &Scene, rollback: Value) {
    let mut spec = s.settled().await;
    let missing = json!({"name": "new", "http": {"pods": {"port": 8080}, "path": "/not-there"}});
    spec["stages"][1]["smokeTests"].as_array_mut().unwrap().push(missing);
    s.behaves(NEW, json!({"http": [{"path": "/not-there", "status": 404}]})).await;
    spec["stages"][1]["rollback"] = rollback;
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    let token = s.awaiting(NEW).await;
    s.promote(&token).await;
}

async fn take_back(s: &Scene) -> String {
    let id = s.status().await.rollout.unwrap().id.to_string();
    s.annotate(json!({annotation::ROLLBACK: id, annotation::PROMOTED_BY: "admin"})).await;
    s.until_status("a rollout of its own has ended", |s| {
        s.rollout.as_ref().is_some_and(|r| r.id.to_string() != id && r.ended_at.is_some())
    })
    .await;
    id
}

#[tokio::test]
async fn manual_waits_for_the_annotation() {
    scene("rollback-manual", async |s| {
        fails_in_production(s, json!({"mode": "Manual"})).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackAwaited).await;
        let id = end.rollout.unwrap().id.to_string();
        assert!(end.message.unwrap().contains(&format!("set tidegate.dev/rollback: {id}")));
        assert_eq!((s.tags("production").await, end.debts.len()), (vec![OLD.into(), NEW.into()], 1));
        take_back(s).await;
        let end = s.rolled_back(NEW, Reason::RollbackRequested).await;
        assert_eq!(
            (s.tags("production").await, s.tags("staging").await.len()),
            (vec![OLD.into(), NEW.into(), OLD.into()], 2)
        );
        assert!(end.debts.is_empty() && end.quarantine.len() == 1);
        s.available("production").await;
    })
    .await;
}

#[tokio::test]
async fn never_leaves_it_as_it_is() {
    scene("rollback-never", async |s| {
        fails_in_production(s, json!({"mode": "Never"})).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackForbidden).await;
        assert!(end.message.unwrap().contains("because rollback.mode is Never"));
        assert_eq!(s.tags("production").await, [OLD, NEW]);
        s.event(Reason::RollbackForbidden).await;
    })
    .await;
}

#[tokio::test]
async fn the_whole_release_goes_back_where_the_scope_says_so() {
    scene("rollback-scope", async |s| {
        fails_in_production(s, json!({"scope": "Release"})).await;
        let end = s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert!(end.conditions.iter().all(|c| c.type_ != "Drifted"));
        s.available("staging").await;
        // The old version was asked in both stages, before the end was said.
        assert!(end.stable.iter().all(|b| b.images[0].image.short() == OLD));
    })
    .await;
}

#[tokio::test]
async fn a_verified_release_is_taken_back_by_annotation() {
    scene("rollback-verified", async |s| {
        to_production(s, json!({})).await;
        s.verified(NEW).await;
        let asked = s.requests(OLD, "/health").await.len();
        let id = take_back(s).await;
        let end = s.rolled_back(NEW, Reason::RollbackRequested).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert!(s.requests(OLD, "/health").await.len() >= asked + 4, "two pods in two stages were asked");
        assert!(end.quarantine.iter().any(|q| q.image.short() == NEW));
        // The tag that is still in the spec is not brought again, and the annotation acts once.
        s.set_tag(OLD).await;
        s.verified(OLD).await;
        s.annotate(json!({annotation::ROLLBACK: format!("{id}0")})).await;
        assert!(s.event(Reason::RollbackRefused).await.contains("is not the last finished rollout"));
    })
    .await;
}

/// A header's Secret that is not there: nobody can ask.
async fn held(s: &Scene) -> String {
    let mut spec = s.settled().await;
    let header = json!([{"name": "Authorization", "secret": {"name": "gone", "key": "token"}}]);
    spec["stages"][0]["smokeTests"][0]["http"]["headers"] = header;
    spec["stages"][0]["rollback"] = json!({"onInconclusive": "Hold"});
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    let waits =
        |s: &ReleaseStatus| s.conditions.iter().any(|c| c.type_ == "AwaitingPromotion" && c.reason == "Inconclusive");
    let status = s.until_status("it is held", waits).await;
    status.rollout.unwrap().promotion.unwrap().token
}

#[tokio::test]
async fn what_could_not_be_asked_is_accepted_by_a_person() {
    scene("hold-accepted", async |s| {
        let token = held(s).await;
        assert!(token.starts_with(&format!("accept/staging:{NEW}#")), "{token}");
        s.promote(token.trim_start_matches("accept/")).await;
        assert!(s.event(Reason::PromotionRefused).await.contains("does not accept staging"));
        s.promote(&token).await;
        let token = |s: &ReleaseStatus| s.rollout.as_ref().and_then(|r| Some(r.promotion.as_ref()?.token.clone()));
        let production = format!("production:{NEW}#");
        s.until_status("production waits", |s| token(s).is_some_and(|t| t.starts_with(&production))).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
        assert_eq!(s.status().await.rollout.unwrap().approvals.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_asked_is_taken_back_by_an_abort() {
    scene("hold-aborted", async |s| {
        held(s).await;
        s.abort(s.status().await.rollout.unwrap().id).await;
        let end = s.ends(NEW, Phase::RolledBack, Reason::Aborted).await;
        assert!(end.quarantine.is_empty(), "nobody knows whether it is bad");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

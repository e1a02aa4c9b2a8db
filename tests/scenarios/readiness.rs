//! A stage that is entered only with evidence about the image.

use crate::support::{Scene, scene};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// As CI does: under the tag's name, beside what is there for other tags.
async fn publish(s: &Scene, tag: &str, coverage: i32, at: &str) {
    let told =
        json!({"tag": tag, "at": at, "ci": "passed", "coverage": coverage, "security": {"low": 2}, "quality": 95});
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "evidence"}, "data": {tag: told.to_string()},
    });
    s.api::<ConfigMap>().patch("evidence", &PatchParams::apply("ci").force(), &Patch::Apply(&map)).await.unwrap();
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

async fn bring(s: &Scene, stage: usize, readiness: Value) {
    let mut spec = s.settled().await;
    spec["stages"][stage]["readiness"] = readiness;
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
}

#[tokio::test]
async fn it_is_waited_for_and_looked_for_again() {
    scene("readiness-waits", async |s| {
        bring(s, 0, json!({"configMap": {"name": "evidence"}})).await;
        let told = s.blocked(Reason::EvidenceMissing).await;
        assert!(told.message.unwrap().contains("ConfigMap evidence does not exist"));
        publish(s, OLD, 95, &now()).await;
        s.until_status("names the key", |x| x.message.as_ref().is_some_and(|m| m.contains("has no key sha-0000002")))
            .await;
        assert_eq!(s.tags("staging").await, [OLD], "nothing is touched");
        publish(s, NEW, 95, &now()).await;
        s.awaiting(NEW).await;
        let ready = s.status().await.rollout.unwrap().stages[0].ready.clone().unwrap();
        assert_eq!((ready.score, s.event(Reason::ReadinessPassed).await.contains("coverage 95 of 100")), (97, true));
    })
    .await;
}

#[tokio::test]
async fn too_little_ends_it_and_names_what_was_short() {
    scene("readiness-short", async |s| {
        publish(s, NEW, 40, &now()).await;
        bring(s, 0, json!({"configMap": {"name": "evidence"}})).await;
        let end = s.ends(NEW, Phase::Failed, Reason::ReadinessTooLow).await;
        let message = end.message.unwrap();
        assert!(message.contains("asks for 90 of 100, and has 81 (coverage 40 of 100 at weight 30, "), "{message}");
        assert!(end.quarantine.is_empty() && end.debts.is_empty());
        publish(s, NEW, 95, &now()).await;
        s.retry("better").await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

/// Production is asked for before a person is.
#[tokio::test]
async fn stale_evidence_is_none_and_nobody_is_asked_for_an_approval() {
    scene("readiness-stale", async |s| {
        publish(s, NEW, 95, "2020-01-01T00:00:00Z").await;
        bring(s, 1, json!({"configMap": {"name": "evidence"}, "threshold": 80})).await;
        let told = s.blocked(Reason::EvidenceMissing).await;
        assert!(told.message.unwrap().contains("counts for 24h"));
        assert_eq!((s.tags("staging").await.len(), s.tags("production").await), (2, vec![OLD.to_owned()]));
        assert!(told.rollout.unwrap().promotion.is_none());
        publish(s, NEW, 95, &now()).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn an_annotation_serves_too() {
    scene("readiness-note", async |s| {
        bring(s, 0, json!({"weights": {"ci": 1, "coverage": 0, "security": 0, "quality": 0}})).await;
        s.blocked(Reason::EvidenceMissing).await;
        let about =
            |tag: &str| json!({"tidegate.dev/evidence": json!({"tag": tag, "at": now(), "ci": "passed"}).to_string()});
        s.annotate(about(OLD)).await;
        s.until_status("names the other", |x| x.message.as_ref().is_some_and(|m| m.contains("another tag"))).await;
        s.annotate(about(NEW)).await;
        s.awaiting(NEW).await;
    })
    .await;
}

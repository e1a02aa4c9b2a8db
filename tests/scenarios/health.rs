//! Health checks: retried, judged by what they answer.

use crate::support::scene;
use serde_json::json;
use tidegate::api::Reason;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_version_that_stays_ill_is_taken_back() {
    scene("health-fails", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert!(end.message.as_deref().unwrap_or_default().contains("health"), "{:?}", end.message);
        assert_eq!(end.quarantine.len(), 1);
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("production").await, [OLD]);
        let rounds = s.requests(NEW, "/health").await.len();
        assert!((3..=6).contains(&rounds), "three rounds of up to two pods: {rounds}");
        assert!(s.requests(NEW, "/items").await.is_empty(), "no smoke test before it is healthy");
        s.available("staging").await;
    })
    .await;
}

#[tokio::test]
async fn a_version_that_needs_a_while_gets_its_retries() {
    scene("health-late", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "failFirst": {"times": 3}}]})).await;
        for stage in [0, 1] {
            spec["stages"][stage]["healthChecks"][0]["retry"]["attempts"] = json!(10);
        }
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        let asked = s.requests(NEW, "/health").await;
        assert!(asked.iter().filter(|r| r.status == 503).count() >= 3 && asked.last().unwrap().status == 200);
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn a_right_status_with_a_wrong_body_is_wrong() {
    scene("health-body", async |s| {
        s.settled().await;
        let secret = "the-answer-is-private";
        s.behaves(NEW, json!({"http": [{"path": "/health", "body": format!("{{\"status\":\"{secret}\"}}")}]})).await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        let said = serde_json::to_string(&end).unwrap();
        assert!(said.contains("/status") && !said.contains(secret), "names the pointer, never the body: {said}");
        for e in s.events().await {
            assert!(!e.note.unwrap_or_default().contains(secret));
        }
    })
    .await;
}

#[tokio::test]
async fn successes_must_come_in_a_row() {
    scene("health-row", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][0]["healthChecks"][0]["retry"]["successes"] = json!(3);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.awaiting(NEW).await;
        s.all_run("staging", NEW, 2).await;
        assert_eq!(s.requests(NEW, "/health").await.len(), 6, "three rounds of two pods");
    })
    .await;
}

//! Stages of several targets, and checks that nobody could ask.

use crate::support::audit::Record;
use crate::support::manifests::{single_stage, target};
use crate::support::scene;
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn several_targets_go_in_order_and_come_back_in_reverse() {
    scene("several", async |s| {
        futures::join!(s.app("production", OLD), s.app("worker", OLD));
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        let mut spec = single_stage(NEW);
        spec["stages"][0]["targets"].as_array_mut().unwrap().push(target("worker", "worker"));
        spec["stages"][0]["healthChecks"][0]["http"]["pods"]["target"] = json!("worker");
        s.apply(&spec).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        for workload in ["production", "worker"] {
            assert_eq!(s.tags(workload).await, [OLD, NEW, OLD]);
        }
        let records = s.records(std::slice::from_ref(&s.ns)).await;
        let ours = |r: &&Record| r.by_controller() && r.done() && r.of("deployments", "");
        let order: Vec<_> = records.iter().filter(ours).map(|r| r.object_ref.name.as_str()).collect();
        assert_eq!(order, ["production", "worker", "worker", "production"]);
    })
    .await;
}

/// The Service of a new smoke test is missing: nobody could ask, so nobody holds it against the image.
#[tokio::test]
async fn what_nobody_could_ask_is_taken_back_and_not_held_against_the_image() {
    scene("inconclusive", async |s| {
        let mut spec = s.settled().await;
        let mut missing = spec["stages"][0]["smokeTests"][0].clone();
        missing["name"] = json!("missing");
        missing["http"]["service"]["name"] = json!("no-such-service");
        spec["stages"][0]["smokeTests"].as_array_mut().unwrap().push(missing);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let end = s.ends(NEW, Phase::RolledBack, Reason::RolledBack).await;
        assert_eq!(s.cause(&end), Some(Reason::Inconclusive));
        assert!(end.quarantine.is_empty());
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        s.retry("the Service is there now").await;
        s.until_status("it is tried again", |status| {
            status.rollout.as_ref().is_some_and(|r| r.id.attempt == 2 && r.cause.as_ref().is_some())
        })
        .await;
    })
    .await;
}

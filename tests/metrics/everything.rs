//! `examples/everything.yaml`, played: one stage with everything in it, first well, then taken back.

use crate::own::settled;
use crate::prometheus::Prometheus;
use crate::support::Scene;
use crate::support::cluster::repository;
use crate::support::manifests::{self, REPOSITORY};
use crate::support::sets::stateful_set;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";
const BAD: &str = "sha-0000003";

/// The example as it stands, but for what a test cannot wait for, and where it runs.
fn example(tag: &str, prometheus: &Prometheus) -> Value {
    let text = std::fs::read_to_string(repository().join("examples/everything.yaml")).unwrap();
    let example: Value = serde_saphyr::from_str(&text).unwrap();
    let mut spec = example["spec"].clone();
    spec["image"] = json!({"repository": REPOSITORY, "tag": tag});
    let stage = &mut spec["stages"][0];
    stage["bake"] = json!("6s");
    let gate = &mut stage["metricGates"][0];
    gate["interval"] = json!("5s");
    gate["prometheus"].as_object_mut().unwrap().remove("service");
    gate["prometheus"]["url"] = json!(prometheus.url);
    // How two loads compare says something of the machine alone here.
    stage["performanceChecks"][0]["thresholds"]["p95"] = json!({"max": "30s", "maxIncrease": "9999%"});
    for check in stage["healthChecks"].as_array_mut().unwrap() {
        check["retry"] = json!({"attempts": 3, "interval": "1s"});
    }
    spec
}

async fn store(s: &Scene) {
    let mut set = stateful_set("checkout-store", &manifests::image(OLD), 2);
    set["spec"]["template"]["spec"]["containers"][0]["name"] = json!("store");
    s.apply_set::<StatefulSet>(&set).await;
}

async fn publish(s: &Scene, tag: &str) {
    let at = jiff::Timestamp::now().to_string();
    let told = json!({"at": at, "ci": "passed", "coverage": 95, "security": {}, "quality": 95}).to_string();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "checkout-evidence"}, "data": {tag: told},
    });
    let ci = PatchParams::apply(&format!("ci-{tag}")).force();
    s.api::<ConfigMap>().patch("checkout-evidence", &ci, &Patch::Apply(&map)).await.unwrap();
}

#[tokio::test]
async fn the_example_with_everything_goes_through_and_comes_back() {
    settled("everything", &[], async |s, _| {
        let prometheus = Prometheus::start(s).await;
        s.app("checkout", OLD).await;
        store(s).await;

        s.apply(&example(NEW, &prometheus)).await;
        s.blocked(Reason::EvidenceMissing).await;
        publish(s, NEW).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        let stage = s.status().await.history[0].stages[0].clone();
        let checks: BTreeSet<_> = stage.checks.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(checks, ["items", "latency", "store", "suite", "web"].into());
        assert!(stage.ready.is_some() && stage.gates.iter().any(|g| g.name == "scraped"), "{stage:?}");
        assert_eq!(s.tags("checkout").await, [OLD, NEW]);
        assert_eq!(s.jobs_made().await.len(), 2, "one migration, one suite");

        // The next one does not answer its clients: everything goes back, and the migration is undone.
        s.behaves(BAD, json!({"http": [{"path": "/items", "status": 500}]})).await;
        publish(s, BAD).await;
        s.apply(&example(BAD, &prometheus)).await;
        let token = s.awaiting(BAD).await;
        s.promote(&token).await;
        let end = s.rolled_back(BAD, Reason::SmokeTestFailed).await;
        assert_eq!(
            (end.phase, s.tags("checkout").await),
            (Some(Phase::RolledBack), vec![OLD.into(), NEW.into(), BAD.into(), NEW.into()])
        );
        let undone = &end.rollout.unwrap().stages[0].on_rollback;
        assert_eq!(undone.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["migrate-down"]);
    })
    .await;
}

//! Health checks that are no HTTP requests.

use crate::support::manifests::PORT;
use crate::support::scene;
use crate::support::scene::Scene;
use serde_json::{Value, json};
use tidegate::api::Reason;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// Asks for [`NEW`], with one more health check in staging.
async fn bring(s: &Scene, mut check: Value) {
    let mut spec = s.settled().await;
    check["name"] = json!("port");
    check["retry"] = json!({"attempts": 2, "interval": "1s"});
    spec["stages"][0]["healthChecks"].as_array_mut().unwrap().push(check);
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
}

#[tokio::test]
async fn pods_and_a_service_that_take_connections_are_promoted() {
    scene("tcp-good", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][0]["healthChecks"] = json!([{"name": "port", "tcp": {"pods": {"port": PORT}}}]);
        spec["stages"][0]["smokeTests"] =
            json!([{"name": "service", "tcp": {"service": {"name": "staging", "port": PORT}, "timeout": "2s"}}]);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.awaiting(NEW).await;
        let checks = s.status().await.rollout.unwrap().stages[0].checks.clone();
        let said: Vec<_> = checks.iter().filter_map(|c| c.message.as_deref()).collect();
        let service = format!("Service {}/staging took a connection", s.ns);
        assert_eq!(said, ["2 of 2 pods took a connection", &service]);
    })
    .await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_brings_the_old_version_back() {
    scene("tcp-closed", async |s| {
        bring(s, json!({"tcp": {"pods": {"port": PORT + 1}}})).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        let said = end.message.unwrap_or_default();
        assert!(said.contains("port after 2 rounds: pod staging-") && said.contains(": connection refused"), "{said}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_speak_grpc_is_not_healthy_by_grpc() {
    scene("grpc-none", async |s| {
        bring(s, json!({"grpc": {"pods": {"port": PORT}}})).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        let said = end.message.unwrap_or_default();
        assert!(said.contains("port after 2 rounds: pod staging-") && said.contains("HTTP/2"), "{said}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

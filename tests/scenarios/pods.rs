//! What the kubelet knows ends a rollout within seconds; only what nobody knows waits for the deadline.

use crate::support::{Scene, manifests, scene};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// A version that behaves so ends for this cause, long before the deadline of ten minutes, and is taken back.
async fn fails_fast(s: &Scene, behaviour: Value, cause: Reason) -> String {
    s.settled().await;
    s.behaves(NEW, behaviour).await;
    s.set_tag(NEW).await;
    let end = s.rolled_back(NEW, cause).await;
    assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    assert_eq!(s.tags("production").await, [OLD]);
    s.available("staging").await;
    end.rollout.unwrap().cause.unwrap().message
}

#[tokio::test]
async fn an_image_that_does_not_exist() {
    scene("pull-not-found", async |s| {
        let said = fails_fast(s, json!({"pull": {"fail": "notFound"}}), Reason::ImagePullFailed).await;
        assert!(said.contains("app") && said.contains("not found"), "{said}");
        assert_eq!(s.status().await.quarantine.len(), 1);
        assert!(s.requests(NEW, "/health").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_image_that_may_not_be_pulled() {
    scene("pull-denied", async |s| {
        fails_fast(s, json!({"pull": {"fail": "unauthorized"}}), Reason::ImagePullFailed).await;
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_hiccups_is_waited_for() {
    scene("pull-flaky", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"pull": {"fail": "transient", "times": 1}})).await;
        s.set_tag(NEW).await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_loop() {
    scene("crash-loop", async |s| {
        let said = fails_fast(s, json!({"run": {"exitCode": 3}}), Reason::CrashLoop).await;
        assert!(said.contains("app") && said.contains('3'), "names the container and the exit code: {said}");
    })
    .await;
}

#[tokio::test]
async fn a_crash_after_a_while() {
    scene("crash-later", async |s| {
        let mut spec = s.settled().await;
        // Its checks would go on for longer than it lives.
        let behaviour = json!({"run": {"exitCode": 1, "after": "2s"}, "http": [{"path": "/health", "status": 503}]});
        s.behaves(NEW, behaviour).await;
        spec["stages"][0]["healthChecks"][0]["retry"]["attempts"] = json!(100);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.rolled_back(NEW, Reason::CrashLoop).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_is_missing() {
    scene("config-error", async |s| {
        let behaviour = json!({"start": {"configError": "configmap \"settings\" not found"}});
        fails_fast(s, behaviour, Reason::ConfigError).await;
    })
    .await;
}

#[tokio::test]
async fn never_ready_until_the_deadline() {
    scene("never-ready", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["stages"][0]["progressDeadline"] = json!("15s");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.rolled_back(NEW, Reason::ProgressDeadlineExceeded).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

#[tokio::test]
async fn out_of_memory() {
    scene("oom-killed", async |s| {
        let said = fails_fast(s, json!({"run": {"oomKilled": true}}), Reason::CrashLoop).await;
        assert!(said.contains("app") && said.contains("OOMKilled") && said.contains("137"), "{said}");
    })
    .await;
}

/// A slow registry, a slow start and a slow application fail nothing within the deadline.
#[tokio::test]
async fn what_comes_late_is_waited_for() {
    scene("late", async |s| {
        s.settled().await;
        let late =
            [json!({"pull": {"delay": "3s"}}), json!({"start": {"delay": "3s"}}), json!({"ready": {"delay": "3s"}})];
        let mut tags = vec![OLD.to_owned()];
        for (n, behaviour) in late.into_iter().enumerate() {
            let tag = format!("sha-000001{n}");
            s.behaves(&tag, behaviour).await;
            s.set_tag(&tag).await;
            s.phase(&tag, Phase::Rolling).await;
            assert!(s.requests(&tag, "/health").await.is_empty(), "nobody is asked before it is there");
            s.awaiting(&tag).await;
            tags.push(tag);
        }
        assert_eq!(s.tags("staging").await, tags);
    })
    .await;
}

/// No node takes the new pods: at the deadline that is the cause, and nobody blames the image.
#[tokio::test]
async fn pods_that_fit_no_node() {
    scene("unschedulable", async |s| {
        // One pod a node, and one on each: none is left for a new version to begin on.
        let nodes: Api<Node> = Api::all(s.client.clone());
        let count = nodes.list(&ListParams::default()).await.unwrap().items.len();
        let replicas = i32::try_from(count).unwrap();
        let mut manifest = manifests::deployment("production", &manifests::image(OLD), replicas);
        let alone =
            json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "production"}}});
        manifest["spec"]["template"]["spec"]["affinity"] =
            json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [alone]}});
        s.apply_deployment(&manifest).await;
        s.available("production").await;
        let mut spec = manifests::single_stage(OLD);
        spec["stages"][0].as_object_mut().unwrap().remove("smokeTests");
        spec["stages"][0]["progressDeadline"] = json!("25s");
        s.apply(&spec).await;
        s.verified(OLD).await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::Unschedulable).await;
        assert!(end.quarantine.is_empty(), "not the image's fault");
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

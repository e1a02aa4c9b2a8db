//! What others do to workloads: at rest it is said, in work it ends the rollout, never is there a write war.

use crate::support::manifests::{deployment, image};
use crate::support::wait::{is, until};
use crate::support::{scene, single_stage};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use tidegate::api::condition::{DRIFTED, READY, find};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_drift_at_rest_is_said_and_nothing_is_written() {
    scene("drift", async |s| {
        s.settled().await;
        s.release_to_production(NEW).await;
        s.set_image("production", &image("sha-0000009")).await;
        let drifted = |on| move |st: &tidegate::api::ReleaseStatus| find(&st.conditions, DRIFTED).is_some() == on;
        let status = s.until_status("the drift is said", drifted(true)).await;
        assert_eq!(find(&status.conditions, READY).unwrap().status, "True");
        assert_eq!(status.phase, Some(Phase::Verified));
        s.marker("later").await;
        assert_eq!(s.runs("production").await, "sha-0000009");
        s.set_image("production", &image(NEW)).await;
        s.until_status("it is said no more", drifted(false)).await;
    })
    .await;
}

#[tokio::test]
async fn a_gitops_tool_that_takes_the_image_back_ends_it() {
    scene("gitops-revert", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        s.apply_deployment(&deployment("staging", &image(OLD), 2)).await;
        let end = s.ended(NEW).await;
        assert_eq!(end.rollout.unwrap().reason, Some(Reason::Contended), "{:?}", end.message);
        assert!(end.message.unwrap_or_default().contains("owner"), "names the manager");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD], "no write war");
    })
    .await;
}

#[tokio::test]
async fn a_workload_deleted_in_mid_rollout_ends_it() {
    scene("gone", async |s| {
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        let api: Api<Deployment> = s.api();
        api.delete("staging", &DeleteParams::default()).await.unwrap();
        let end = s.ends(NEW, Phase::Failed, Reason::TargetGone).await;
        assert!(end.debts.is_empty(), "nothing is owed to what is gone");
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

/// Server-side apply leaves a renamed container behind, with our image and nothing else.
#[tokio::test]
async fn a_container_renamed_by_its_owner_is_given_up() {
    scene("orphaned", async |s| {
        let two = |first: &str, tag: &str| {
            let mut d = deployment("production", &image(tag), 1);
            let mut second = d["spec"]["template"]["spec"]["containers"][0].clone();
            second["name"] = json!("worker");
            second["ports"] = json!([{"containerPort": 9090}]);
            d["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(second);
            d["spec"]["template"]["spec"]["containers"][0]["name"] = json!(first);
            d
        };
        s.apply_deployment(&two("app", OLD)).await;
        s.available("production").await;
        let mut spec = crate::support::single_stage(NEW);
        spec["stages"][0]["targets"][0]["kubernetes"]["containers"] = json!(["app", "worker"]);
        spec["stages"][0].as_object_mut().unwrap().remove("smokeTests");
        s.apply(&spec).await;
        s.verified(NEW).await;
        s.apply_deployment(&two("web", NEW)).await;
        let names = async || {
            let pod = s.deployment("production").await.spec.unwrap().template.spec.unwrap();
            pod.containers.into_iter().map(|c| c.name).collect::<Vec<_>>()
        };
        assert!(names().await.contains(&"app".to_owned()), "the zombie is there");
        s.set_tag("sha-0000003").await;
        s.event(Reason::ContainerOrphaned).await;
        until("the zombie is let go", async || {
            let left = names().await;
            is(!left.contains(&"app".to_owned()), (), left)
        })
        .await;
    })
    .await;
}

/// Its own verdict on what ran before says nothing of what we bring.
#[tokio::test]
async fn an_old_verdict_of_the_deployment_condemns_nobody() {
    scene("stale-verdict", async |s| {
        s.app("production", OLD).await;
        s.behaves("sha-0000008", json!({"ready": {"never": true}})).await;
        s.patch_deployment("production", json!({"spec": {"progressDeadlineSeconds": 1}})).await;
        s.set_image("production", &image("sha-0000008")).await;
        until("the Deployment gives up", async || {
            let conditions = s.deployment("production").await.status.unwrap().conditions.unwrap_or_default();
            is(conditions.iter().any(|c| c.reason.as_deref() == Some("ProgressDeadlineExceeded")), (), conditions)
        })
        .await;
        s.patch_deployment("production", json!({"spec": {"progressDeadlineSeconds": 600}})).await;
        s.behaves(NEW, json!({"ready": {"delay": "2s"}})).await;
        s.apply(&single_stage(NEW)).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("production").await, [OLD, "sha-0000008", NEW]);
    })
    .await;
}

/// Scaled to zero there is nobody to ask: that is no success, and not the image's fault.
#[tokio::test]
async fn scaled_to_zero_while_it_is_asked_nobody_is_blamed() {
    scene("scaled-away", async |s| {
        let mut spec = s.settled().await;
        spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 5, "interval": "1s", "successes": 30});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.asked(NEW, "/health", 1).await;
        s.scale("staging", 0).await;
        let cause = s
            .until_status("the stage failed", |status| status.rollout.as_ref().is_some_and(|r| r.cause.is_some()))
            .await
            .rollout
            .unwrap()
            .cause
            .unwrap();
        assert!(cause.message.contains("scaled to zero"), "{cause:?}");
        s.scale("staging", 2).await;
        let end = s.ended(NEW).await;
        assert!(end.quarantine.is_empty(), "{end:?}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(end.phase, Some(Phase::RolledBack), "{:?}", end.message);
    })
    .await;
}

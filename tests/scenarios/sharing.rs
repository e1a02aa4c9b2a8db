//! Whose workload it is: one Release each, in its own namespace or with consent, from one repository.

use crate::support::manifests::{self, REPOSITORY, deployment, image, single_stage};
use crate::support::scene;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_second_release_of_the_same_container_waits() {
    scene("busy", async |s| {
        s.app("production", OLD).await;
        s.apply(&single_stage(NEW)).await;
        s.verified(NEW).await;
        s.apply_as("second", &single_stage("sha-0000003")).await;
        let status = s.blocked_of("second", Reason::TargetBusy).await;
        assert!(status.message.unwrap_or_default().contains("checkout"), "names the other");
        assert_eq!(s.tags("production").await, [OLD, NEW]);
        s.delete().await;
        s.ended_of("second", "sha-0000003").await;
        assert_eq!(s.tags("production").await, [OLD, NEW, "sha-0000003"]);
    })
    .await;
}

#[tokio::test]
async fn a_second_release_of_another_container_waits_too() {
    scene("busy-other", async |s| {
        s.app("production", OLD).await;
        s.apply(&single_stage(NEW)).await;
        s.verified(NEW).await;
        let mut other = single_stage("sha-2222222");
        other["image"]["repository"] = json!("registry.test/shop/proxy");
        other["stages"][0]["targets"][0]["kubernetes"]["containers"] = json!(["sidecar"]);
        s.apply_as("second", &other).await;
        s.blocked_of("second", Reason::TargetBusy).await;
        s.marker("later").await;
        assert_eq!(s.status_of("second").await.phase, Some(Phase::Pending));
    })
    .await;
}

#[tokio::test]
async fn the_same_workload_twice_in_one_release_is_refused() {
    scene("duplicate", async |s| {
        s.app("production", OLD).await;
        let mut spec = single_stage(NEW);
        spec["stages"][0]["targets"].as_array_mut().unwrap().push(manifests::target("again", "production"));
        for check in ["healthChecks", "smokeTests"] {
            spec["stages"][0].as_object_mut().unwrap().remove(check);
        }
        spec["stages"][0]["checks"] = json!("None");
        s.apply(&spec).await;
        s.blocked(Reason::TargetDuplicate).await;
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

#[tokio::test]
async fn another_namespace_must_agree() {
    scene("consent", async |s| {
        let elsewhere = s.namespace("staging", json!({})).await;
        let there: Api<Deployment> = Api::namespaced(s.client.clone(), &elsewhere);
        let workload = deployment("web", &image(OLD), 1);
        there.patch("web", &PatchParams::apply("owner"), &Patch::Apply(&workload)).await.unwrap();
        let mut spec = single_stage(NEW);
        spec["stages"][0]["targets"][0]["kubernetes"] =
            json!({"kind": "Deployment", "name": "web", "namespace": elsewhere, "containers": ["app"]});
        spec["stages"][0].as_object_mut().unwrap().remove("smokeTests");
        s.apply(&spec).await;
        s.blocked(Reason::ConsentMissing).await;

        let agree = |from: &str| json!({"metadata": {"annotations": {"tidegate.dev/allow-from": from}}});
        let wrong = agree("somebody-else/*");
        there.patch("web", &PatchParams::default(), &Patch::Merge(&wrong)).await.unwrap();
        s.marker("later").await;
        assert_eq!(s.status().await.phase, Some(Phase::Pending));

        let right = agree(&format!("somebody-else/*, {}/checkout", s.ns));
        there.patch("web", &PatchParams::default(), &Patch::Merge(&right)).await.unwrap();
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn another_repository_must_be_allowed_by_the_workload() {
    scene("repository", async |s| {
        s.apply_deployment(&deployment("production", "registry.test/shop/other:sha-0000001", 1)).await;
        let mut spec = single_stage(NEW);
        spec["stages"][0].as_object_mut().unwrap().remove("smokeTests");
        s.apply(&spec).await;
        let status = s.blocked(Reason::RepositoryDiffers).await;
        assert!(status.message.unwrap_or_default().contains("tidegate.dev/allow-repository"));
        let allow = json!({"metadata": {"annotations": {"tidegate.dev/allow-repository": REPOSITORY}}});
        s.patch_deployment("production", allow).await;
        s.verified(NEW).await;
    })
    .await;
}

//! Smoke tests that are real Jobs: what they run, and which of their ends are the image's.

use crate::support::jobs::{inline, template};
use crate::support::manifests::image;
use crate::support::wait::until;
use crate::support::{Scene, scene};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{EvictParams, ListParams};
use serde_json::{Value, json};
use tidegate::api::Reason;

const NEW: &str = "sha-0000002";

/// A smoke test that is a Job: it runs what the stage runs, and its failure is the image's.
#[tokio::test]
async fn a_smoke_test_may_be_a_job() {
    scene("hooks-smoke", async |s| {
        let mut spec = s.settled().await;
        let mut test = inline("end-to-end");
        test.as_object_mut().unwrap().remove("timeout");
        test["job"]["timeout"] = json!("60s");
        spec["stages"][0]["smokeTests"] = json!([test]);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.awaiting(NEW).await;
        let jobs = s.jobs().await;
        let job = jobs[0].spec.as_ref().unwrap();
        assert_eq!((jobs.len(), job.ttl_seconds_after_finished), (1, Some(3600)));
        assert_eq!(job.template.spec.as_ref().unwrap().containers[0].image, Some(image(NEW)));

        let bad = "sha-0000003";
        s.behaves(bad, json!({"job": {"exitCode": 2}, "output": "cart is empty"})).await;
        s.set_tag(bad).await;
        let end = s.rolled_back(bad, Reason::SmokeTestFailed).await;
        assert_eq!(end.quarantine[0].image.short(), bad);
        assert!(end.message.unwrap().contains("exited with 2 (Error): cart is empty"));
        // The restored version was asked by a Job of its own image.
        let last = s.jobs_made().await.pop().unwrap();
        let jobs = s.jobs().await;
        let last = jobs.iter().find(|j| j.name_any() == last).and_then(|j| j.spec.as_ref()).unwrap();
        let last = last.template.spec.as_ref().unwrap();
        assert_eq!(last.containers[0].image, Some(image(NEW)));
    })
    .await;
}

/// Its pod was never seen to run when its deadline came: that says nothing of the application.
#[tokio::test]
async fn a_smoke_test_that_never_began_blames_nobody() {
    scene("hooks-smoke-late", async |s| {
        let helper = "sha-0000009";
        s.behaves(helper, json!({"pull": {"delay": "120s"}})).await;
        let mut spec = s.settled().await;
        let job = template(&image(helper));
        spec["stages"][0]["smokeTests"] = json!([{
            "name": "end-to-end", "retry": {"attempts": 1}, "job": {"template": job, "timeout": "3s"},
        }]);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let end = s.rolled_back(NEW, Reason::Inconclusive).await;
        assert!(end.quarantine.is_empty(), "nobody was asked");
        assert!(end.message.as_ref().unwrap().contains("its pod did not begin in time"), "{:?}", end.message);
    })
    .await;
}

/// Its pod was drained while it ran: nobody knows what it would have said.
#[tokio::test]
async fn a_smoke_test_whose_pod_is_evicted_blames_nobody() {
    scene("hooks-smoke-evicted", async |s| {
        let helper = "sha-0000009";
        s.behaves(helper, json!({"job": {"exitCode": 0, "after": "10m"}})).await;
        let mut spec = s.settled().await;
        spec["stages"][0]["smokeTests"] = end_to_end(template(&image(helper)));
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let name = running(s).await;
        // The Job of the restored version is let end.
        s.behaves(helper, json!({"job": {"exitCode": 0}})).await;
        s.api::<Pod>().evict(&name, &EvictParams::default()).await.unwrap();
        let end = s.rolled_back(NEW, Reason::Inconclusive).await;
        assert!(end.quarantine.is_empty(), "it was never heard out");
        assert!(end.message.as_ref().unwrap().contains("its pod was taken away"), "{:?}", end.message);
    })
    .await;
}

/// One pod was drained, and the others fell over by themselves: that is the image's.
#[tokio::test]
async fn a_smoke_test_that_fails_beside_an_eviction_is_the_images_fault() {
    scene("hooks-smoke-both", async |s| {
        let helper = "sha-0000009";
        s.behaves(helper, json!({"job": {"exitCode": 3, "after": "10m"}})).await;
        let mut spec = s.settled().await;
        let mut job = template(&image(helper));
        job["spec"]["backoffLimit"] = json!(1);
        spec["stages"][0]["smokeTests"] = end_to_end(job);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let first = running(s).await;
        s.behaves(helper, json!({"job": {"exitCode": 3}})).await;
        s.api::<Pod>().evict(&first, &EvictParams::default()).await.unwrap();
        let end = s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(end.quarantine[0].image.short(), NEW);
        assert!(end.message.as_ref().unwrap().contains("exited with 3"), "{:?}", end.message);
    })
    .await;
}

/// One smoke test, asked once: this Job.
fn end_to_end(job: Value) -> Value {
    json!([{"name": "end-to-end", "retry": {"attempts": 1}, "job": {"template": job, "timeout": "2m"}}])
}

/// Waits until a Job's pod runs; its name.
async fn running(s: &Scene) -> String {
    until("a Job's pod runs", async || {
        let of_a_job = ListParams::default().labels("batch.kubernetes.io/job-name");
        let found = s.api::<Pod>().list(&of_a_job).await.unwrap().items;
        let runs = |p: &&Pod| p.status.as_ref().is_some_and(|s| s.phase.as_deref() == Some("Running"));
        found.iter().find(runs).map(ResourceExt::name_any).ok_or(format!("{} pods", found.len()))
    })
    .await
}

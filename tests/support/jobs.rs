//! Templates of hooks, and what is seen of their Jobs.

use super::oracle::version;
use super::scene::Scene;
use super::wait::{is, until};
use super::workloads::owner;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A Job's template with one container.
pub fn template(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "migrate", "image": image, "command": ["/app", "migrate"]}],
    }}}})
}

/// A hook with an inline template, which runs the Release's image.
pub fn inline(name: &str) -> Value {
    json!({"name": name, "timeout": "60s", "job": {"template": template("$(TIDEGATE_IMAGE)")}})
}

impl Scene {
    /// A suspended CronJob, as a tenant keeps it for its migrations, with the labels of a GitOps tool.
    pub async fn cron_job(&self, namespace: &str, name: &str, image: &str, annotations: Value) {
        self.cron_job_as(namespace, name, image, annotations, "default").await;
    }

    /// The same with this ServiceAccount.
    pub async fn cron_job_as(&self, namespace: &str, name: &str, image: &str, annotations: Value, account: &str) {
        let tracked = json!({"app.kubernetes.io/instance": "shop", "team": "shop"});
        let mut template = template(image);
        let tracking = json!({"argocd.argoproj.io/tracking-id": "shop:batch/CronJob"});
        template["metadata"] = json!({"labels": tracked, "annotations": tracking});
        template["spec"]["template"]["spec"]["serviceAccountName"] = json!(account);
        let object = json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": name, "labels": tracked, "annotations": annotations},
            "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": template},
        });
        let api: Api<CronJob> = Api::namespaced(self.client.clone(), namespace);
        api.patch(name, &owner(), &Patch::Apply(object)).await.unwrap();
    }

    /// The Jobs that Tidegate made in a namespace, oldest first.
    pub async fn jobs_in(&self, namespace: &str) -> Vec<Job> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        let mut jobs = api.list(&ListParams::default().labels("tidegate.dev/release-uid")).await.unwrap().items;
        jobs.sort_by_key(|j| j.creation_timestamp().map(|t| t.0));
        jobs
    }

    pub async fn jobs(&self) -> Vec<Job> {
        self.jobs_in(&self.ns).await
    }

    /// Whether the quota forbids Jobs.
    pub async fn no_jobs(&self, none: bool) {
        let most = if none { "0" } else { "9" };
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "jobs"},
            "spec": {"hard": {"count/jobs.batch": most}},
        });
        let api: Api<ResourceQuota> = self.api();
        api.patch("jobs", &owner(), &Patch::Apply(quota)).await.unwrap();
        until("the quota is counted", async || {
            let hard = api.get("jobs").await.unwrap().status.and_then(|s| s.hard).unwrap_or_default();
            is(hard.get("count/jobs.batch").is_some_and(|q| q.0 == most), (), "not yet")
        })
        .await;
    }

    pub async fn delete_jobs(&self) {
        let api: Api<Job> = self.api();
        for job in self.jobs().await {
            api.delete(&job.name_any(), &DeleteParams::background()).await.unwrap();
        }
    }

    /// Names of the Jobs that were ever created, by anybody, in the order in which they were.
    pub async fn jobs_made(&self) -> Vec<String> {
        let versions = self.versions(|key| key.resource == "jobs").await;
        let mut seen = BTreeSet::new();
        let first = versions.iter().filter(|v| seen.insert(version::uid(&v.value).to_owned()));
        first.filter_map(|v| v.value["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }
}

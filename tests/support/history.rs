//! What the world looked like from start to end, not only how it ended.
//!
//! What an object was is read from etcd; who wrote it stands in the audit log alone.

use super::oracle::{Key, Stored};
use super::people::RELEASE;
use super::scene::Scene;
use super::workloads::tag_of;
use serde_json::Value;

impl Scene {
    /// Every tag that the workload's container `app` was told to run, in order.
    pub async fn tags(&self, workload: &str) -> Vec<String> {
        let versions = self.versions(|key| key.is_workload() && key.name == workload).await;
        distinct(versions.iter().map(|v| tag_of(app_image(&v.value))))
    }

    /// The workloads that the controller wrote, and the pods that it deleted, in order.
    pub async fn touched(&self) -> Vec<String> {
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let mut ours: Vec<_> = records.iter().filter(|r| r.by_controller() && r.done()).collect();
        ours.retain(|r| r.workload().is_some() || r.of("pods", ""));
        ours.sort_by_key(|r| r.at.clone());
        ours.iter().map(|r| r.key().1).collect()
    }

    /// Every phase that the Release was said to be in, in order.
    pub async fn phases(&self) -> Vec<String> {
        let statuses = self.statuses().await;
        distinct(statuses.iter().filter_map(|s| s["phase"].as_str().map(str::to_owned)))
    }

    /// Every status that the Release `checkout` was given, in order.
    pub async fn statuses(&self) -> Vec<Value> {
        let versions = self.versions(|key| key.is_release() && key.name == RELEASE).await;
        let mut statuses: Vec<_> = versions.into_iter().map(|mut v| v.value["status"].take()).collect();
        statuses.retain(|s| !s.is_null());
        statuses.dedup();
        statuses
    }

    /// How often the controller has written this Release or its status.
    pub async fn writes_to(&self, release: &str) -> usize {
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let ours = records.iter().filter(|r| r.by_controller() && r.object_ref.resource == "releases");
        ours.filter(|r| r.object_ref.name == release).count()
    }

    /// Every version of objects of the scene that were there.
    pub(super) async fn versions(&self, of: impl Fn(&Key) -> bool) -> Vec<Stored> {
        let mut all = self.stored(std::slice::from_ref(&self.ns)).await;
        all.retain(|s| !s.value.is_null() && Key::parse(&s.key).is_some_and(|key| of(&key)));
        all
    }
}

fn app_image(workload: &Value) -> &str {
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array();
    let app = containers.into_iter().flatten().find(|c| c["name"] == "app");
    app.and_then(|c| c["image"].as_str()).unwrap_or("none")
}

fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut list: Vec<String> = all.collect();
    list.dedup();
    list
}

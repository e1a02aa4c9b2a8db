//! What the world looked like from start to end, read from the audit log: not only how it ended.

use super::people::RELEASE;
use super::scene::Scene;
use super::workloads::tag_of;
use serde_json::Value;

impl Scene {
    /// Every tag that the workload's container `app` was told to run, in order.
    pub async fn tags(&self, workload: &str) -> Vec<String> {
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let versions = records.iter().filter(|r| r.done() && r.shows_workload());
        let of_it = versions.filter(|r| r.key().1 == workload);
        distinct(of_it.map(|r| tag_of(app_image(&r.response))))
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
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let said = records.iter().filter(|r| r.done() && r.of("releases", "status"));
        distinct(said.filter_map(|r| r.response["status"]["phase"].as_str().map(str::to_owned)))
    }

    /// Every status that the Release `checkout` was given, in order.
    pub async fn statuses(&self) -> Vec<Value> {
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let said = records.iter().filter(|r| r.done() && r.of("releases", "status"));
        said.filter(|r| r.object_ref.name == RELEASE).map(|r| r.response["status"].clone()).collect()
    }

    /// How often the controller has written this Release or its status.
    pub async fn writes_to(&self, release: &str) -> usize {
        let records = self.records(std::slice::from_ref(&self.ns)).await;
        let ours = records.iter().filter(|r| r.by_controller() && r.object_ref.resource == "releases");
        ours.filter(|r| r.object_ref.name == release).count()
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

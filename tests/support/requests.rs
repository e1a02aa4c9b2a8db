//! What reached the pods, as the simulated nodes saw it.

use super::cluster::Cluster;
use super::manifests;
use super::scene::Scene;
use super::wait::{BOUND, is, until};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub time: Timestamp,
    pub image: String,
    pub pod: String,
    pub path: String,
    pub status: u16,
    pub user_agent: String,
    /// None at all where the request was no HTTP.
    #[serde(deserialize_with = "list")]
    pub headers: Vec<String>,
}

impl Scene {
    /// Requests for `path` that reached pods of this scene with this tag, oldest first.
    pub async fn requests(&self, tag: &str, path: &str) -> Vec<Request> {
        let query = [("namespace", self.ns.as_str()), ("image", &manifests::image(tag)), ("path", path)];
        let url = format!("{}/requests", self.cluster.node);
        let text = self.http.get(url).query(&query).send().await.unwrap().text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Until at least `count` requests for `path` have reached pods with this tag.
    pub async fn asked(&self, tag: &str, path: &str, count: usize) {
        until(&format!("{count} requests for {path} of {tag}"), async || {
            let seen = self.requests(tag, path).await.len();
            is(seen >= count, (), seen)
        })
        .await;
    }
}

/// Until the nodes act on this version of a namespace's catalogue.
pub async fn in_force(cluster: &Cluster, catalogue: &ConfigMap) {
    let of = |field: &Option<String>| field.clone().unwrap_or_default();
    let (namespace, version) = (of(&catalogue.metadata.namespace), of(&catalogue.metadata.resource_version));
    let (url, key) = (format!("{}/catalogue", cluster.node), format!("{namespace}/images"));
    let http = reqwest::Client::builder().timeout(BOUND).no_proxy().build().unwrap();
    until("the catalogue to be in force", async || {
        let text = http.get(&url).send().await.unwrap().text().await.unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        assert!(report[&key]["error"].is_null(), "{report}");
        is(report[&key]["resourceVersion"] == version, (), report)
    })
    .await;
}

/// Go writes an empty list as null.
fn list<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Vec<String>, D::Error> {
    Ok(<Option<Vec<String>> as serde::Deserialize>::deserialize(de)?.unwrap_or_default())
}

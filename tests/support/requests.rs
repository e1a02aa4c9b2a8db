//! What reached the pods, as the simulated nodes saw it.

use super::manifests;
use super::scene::Scene;
use super::wait::{is, until};
use jiff::Timestamp;
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

    /// Until the nodes act on this version of a namespace's catalogue.
    pub(super) async fn in_force(&self, namespace: &str, resource_version: &str) {
        let (url, key) = (format!("{}/catalogue", self.cluster.node), format!("{namespace}/images"));
        until("the catalogue to be in force", async || {
            let text = self.http.get(&url).send().await.unwrap().text().await.unwrap();
            let report: Value = serde_json::from_str(&text).unwrap();
            assert!(report[&key]["error"].is_null(), "{report}");
            is(report[&key]["resourceVersion"] == resource_version, (), report)
        })
        .await;
    }
}

/// Go writes an empty list as null.
fn list<'de, D: serde::Deserializer<'de>>(de: D) -> Result<Vec<String>, D::Error> {
    Ok(<Option<Vec<String>> as serde::Deserialize>::deserialize(de)?.unwrap_or_default())
}

//! The judge: reads what the controller really asked of the API server, and says which of its own rules it broke.
//!
//! The rules are those about requests, refused ones too: it writes nothing but what is its own (`shape`); a pod is
//! deleted once, as it was seen, and only after a status said so (`stuck`); it tells people of each step that a status
//! stored, and of nothing else (`told`). What must be true of the objects themselves is for `oracle`.

mod shape;
mod stuck;
#[cfg(test)]
mod tests;
mod told;

use super::cluster::{CONTROLLER, Cluster};
use super::wait::{is, until};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU32, Ordering};

/// Workloads that a Release may name, as resource and kind.
const WORKLOADS: [(&str, &str); 3] =
    [("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")];

/// One request that the API server has answered.
#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub verb: String,
    #[serde(rename = "requestURI")]
    pub uri: String,
    pub user: User,
    pub object_ref: Object,
    #[serde(default)]
    pub response_status: Answer,
    #[serde(default, rename = "requestObject")]
    pub request: Value,
    #[serde(default, rename = "responseObject")]
    pub response: Value,
    #[serde(rename = "requestReceivedTimestamp")]
    pub at: String,
    /// When it was answered.
    #[serde(default, rename = "stageTimestamp")]
    pub done_at: String,
}

#[derive(Deserialize, Clone, Debug)]
pub struct User {
    pub username: String,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Object {
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct Answer {
    pub code: u16,
}

/// Which rules the controller broke, in sentences. Empty: none.
pub fn broken(records: &[Record]) -> Vec<String> {
    let rules = [shape::broken, stuck::broken, told::broken];
    rules.iter().flat_map(|rule| rule(records)).collect()
}

/// Only whether it wrote nothing but what is its own: for writes that belong to no rollout.
pub fn broken_shape(records: &[Record]) -> Vec<String> {
    shape::broken(records)
}

/// Events that stored statuses announced and the controller has not tried to publish yet.
pub fn untold(records: &[Record]) -> Vec<String> {
    told::untold(records)
}

/// The log's length now; what happens later stands behind it.
pub fn length(cluster: &Cluster) -> u64 {
    std::fs::metadata(&cluster.audit_log).unwrap().len()
}

/// What was logged in these namespaces since `begins`, in the order in which it took effect.
///
/// `marks`: where a mark is left, which shows that the log has caught up.
pub async fn read(cluster: &Cluster, marks: &Api<ConfigMap>, begins: u64, namespaces: &[String]) -> Vec<Record> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("audit-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let marker: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap();
    let marker = marks.create(&PostParams::default(), &marker).await.unwrap();
    let mark = format!("\"namespace\":\"{}\",\"name\":\"{name}\"", marker.metadata.namespace.unwrap_or_default());
    let lines = until("the audit log to catch up", async || {
        let text = since(cluster, begins);
        is(text.lines().any(|l| l.contains(&mark)), text, "not yet")
    })
    .await;
    let here = |l: &&str| namespaces.iter().any(|n| l.contains(&format!("\"namespace\":\"{n}\"")));
    let mut records: Vec<Record> = lines.lines().filter(here).filter_map(parse).collect();
    records.retain(|r| namespaces.contains(&r.object_ref.namespace));
    records.sort_by_key(|r| (r.version().unwrap_or_default(), r.at.clone()));
    records
}

/// Whole lines only: the last one may be half-written.
fn since(cluster: &Cluster, begins: u64) -> String {
    let mut file = File::open(&cluster.audit_log).unwrap();
    file.seek(SeekFrom::Start(begins)).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    bytes.truncate(end);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parse(line: &str) -> Option<Record> {
    const READS: [&str; 3] = ["get", "list", "watch"];
    let record: Record = serde_json::from_str(line).ok()?;
    let writes = !READS.contains(&record.verb.as_str()) && !record.uri.contains("dryRun=");
    writes.then_some(record)
}

impl Record {
    pub fn by_controller(&self) -> bool {
        self.user.username == CONTROLLER
    }
    pub fn done(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }
    /// Of the object that came of it; the same over all objects of the cluster, so it orders them.
    pub fn version(&self) -> Option<u64> {
        self.response["metadata"]["resourceVersion"].as_str()?.parse().ok()
    }
    /// Of a workload: its kind and namespace, and its name.
    pub fn workload(&self) -> Option<(String, String)> {
        let of = &self.object_ref.resource;
        let (namespace, name) = self.key();
        WORKLOADS.iter().any(|(resource, _)| resource == of).then(|| (format!("{of}/{namespace}"), name))
    }
    /// Whether the answer is a whole workload.
    pub fn shows_workload(&self) -> bool {
        let of = (self.object_ref.resource.as_str(), self.response["kind"].as_str().unwrap_or_default());
        WORKLOADS.contains(&of)
    }
    pub fn of(&self, resource: &str, subresource: &str) -> bool {
        self.object_ref.resource == resource && self.object_ref.subresource == subresource
    }
    /// The object's namespace and name. A create does not name its object in the address.
    pub fn key(&self) -> (String, String) {
        let named = Some(self.object_ref.name.as_str()).filter(|n| !n.is_empty());
        let name = named.or(self.response["metadata"]["name"].as_str()).unwrap_or_default();
        (self.object_ref.namespace.clone(), name.to_owned())
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let o = &self.object_ref;
        let (ns, name) = self.key();
        let sub = if o.subresource.is_empty() { String::new() } else { format!("/{}", o.subresource) };
        write!(f, "{} {}{sub} {ns}/{name} ({})", self.verb, o.resource, self.response_status.code)
    }
}

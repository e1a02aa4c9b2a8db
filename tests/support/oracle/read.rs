//! Gathers what a history is made of: etcd's versions, the audit log, and what reached the pods.

use super::Sources;
use super::version::{Key, Stored};
use crate::support::audit::Record;
use crate::support::requests::Request;
use crate::support::scene::Scene;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

impl Scene {
    /// Everything that happened in these namespaces since the scene began.
    pub async fn sources(&self, namespaces: &[String]) -> Sources {
        let records = self.records(namespaces).await;
        let stored = self.stored(namespaces).await;
        let (requests, complete_since) = self.requests_in(namespaces).await;
        let logs = if stored.iter().any(|s| s.key.starts_with("secrets/")) { self.logs() } else { String::new() };
        let (calls, standings) = (self.calls.borrow().clone(), self.standings.borrow().clone());
        Sources { stored, records, requests, complete_since, calls, standings, logs, now: Timestamp::now() }
    }

    /// Every version of every object, from etcd itself.
    pub async fn stored(&self, namespaces: &[String]) -> Vec<Stored> {
        let mut query: Vec<_> = namespaces.iter().map(|n| ("namespace", n.clone())).collect();
        query.push(("from", self.first_revision.to_string()));
        let url = &self.cluster.history;
        let answer = self.http.get(url).query(&query).send().await.unwrap().error_for_status().unwrap();
        let text = answer.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn requests_in(&self, namespaces: &[String]) -> (Vec<Request>, Option<Timestamp>) {
        let (mut all, mut complete_since) = (Vec::new(), None);
        for namespace in namespaces {
            let url = format!("{}/requests", self.cluster.node);
            let answer = self.http.get(url).query(&[("namespace", namespace)]).send().await.unwrap();
            let header = answer.headers().get("complete-since").and_then(|h| h.to_str().ok()?.parse().ok());
            complete_since = complete_since.max(header);
            let text = answer.text().await.unwrap();
            all.extend(text.lines().map(|line| serde_json::from_str::<Request>(line).unwrap()));
        }
        (all, complete_since)
    }

    /// What all controllers of this cluster have logged.
    fn logs(&self) -> String {
        let files = std::fs::read_dir(&self.cluster.dir).unwrap().filter_map(Result::ok);
        let logs = files.map(|f| f.path()).filter(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with("controller-") && name.ends_with(".log")
        });
        logs.map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect()
    }
}

/// Versions of what the controller may write of which no record tells who made them.
pub fn untold(records: &[Record], stored: &[Stored]) -> Vec<(u64, String)> {
    let told: BTreeSet<u64> = records.iter().filter_map(Record::version).collect();
    let ours = |key: &Key| key.is_release() || key.is_workload() || key.resource == "jobs";
    let made = stored.iter().filter(|s| !s.value.is_null() && Key::parse(&s.key).is_some_and(|key| ours(&key)));
    made.filter(|s| !told.contains(&s.revision)).map(|s| (s.revision, s.key.clone())).collect()
}

/// Gives records whose answer was metadata alone the whole version that came of the request.
pub fn complete(records: &mut [Record], stored: &[Stored]) {
    let whole: BTreeMap<u64, &Stored> = stored.iter().map(|s| (s.revision, s)).collect();
    for r in records.iter_mut().filter(|r| r.done() && r.response["kind"] == "PartialObjectMetadata") {
        let Some((found, version)) = r.version().and_then(|v| Some((*whole.get(&v)?, v))) else { continue };
        r.response = found.value.clone();
        r.response["metadata"]["resourceVersion"] = version.to_string().into();
    }
}

//! What the controller asked of the API server, counted from the audit log.

use crate::support::audit;
use crate::support::cluster::{CONTROLLER, Cluster};
use crate::support::scene::Scene;
use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Requests by what they were for. Each is in exactly one.
#[derive(Serialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Requests<N> {
    /// get, list and watch.
    pub(crate) reads: N,
    pub(crate) status: N,
    pub(crate) finalizer: N,
    pub(crate) workloads: N,
    pub(crate) events: N,
    pub(crate) lease: N,
    pub(crate) other: N,
    /// Of all these, how many were refused (a stale version, mostly).
    pub(crate) refused: N,
}

/// The audit log from here on.
pub(crate) struct Log {
    path: PathBuf,
    from: u64,
}

const BOUND: Duration = Duration::from_secs(30);

impl Log {
    pub(crate) fn begin(cluster: &Cluster) -> Self {
        Self { path: cluster.audit_log.clone(), from: audit::length(cluster) }
    }

    /// Counts what was answered since. The log lags behind a little, so a request of our own is awaited in it.
    pub(crate) async fn end(self, scene: &Scene) -> Result<Requests<u64>> {
        let name = format!("counted-{}", audit::length(scene.cluster));
        let maps: Api<ConfigMap> = scene.api();
        let marker: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        maps.create(&PostParams::default(), &marker).await?;
        maps.delete(&name, &DeleteParams::default()).await?;
        let began = Instant::now();
        loop {
            if let Some(counted) = self.count(&name)? {
                return Ok(counted);
            }
            anyhow::ensure!(began.elapsed() < BOUND, "the audit log does not catch up");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn count(&self, marker: &str) -> Result<Option<Requests<u64>>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.from))?;
        let user = format!("\"username\":\"{CONTROLLER}\"");
        let mut counted = Requests::default();
        for line in BufReader::new(file).lines() {
            let line = line?;
            if line.contains(marker) {
                return Ok(Some(counted));
            }
            if line.contains(&user) {
                counted.add(&serde_json::from_str(&line).context("audit log")?);
            }
        }
        Ok(None)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: audit::User,
    #[serde(default)]
    object_ref: audit::Object,
    #[serde(default)]
    response_status: audit::Answer,
}

impl Requests<u64> {
    fn add(&mut self, line: &Line) {
        if line.user.username != CONTROLLER {
            return;
        }
        let (resource, subresource) = (line.object_ref.resource.as_str(), line.object_ref.subresource.as_str());
        let count = match (resource, subresource, line.verb.as_str()) {
            ("leases", ..) => &mut self.lease,
            (_, _, "get" | "list" | "watch") => &mut self.reads,
            ("events", ..) => &mut self.events,
            ("releases", "status", _) => &mut self.status,
            ("releases", "", _) => &mut self.finalizer,
            ("deployments", ..) => &mut self.workloads,
            _ => &mut self.other,
        };
        *count += 1;
        self.refused += u64::from(line.response_status.code >= 400);
    }

    /// So many per one of `of`, to one digit after the point.
    pub(crate) fn per(&self, of: f64) -> Requests<f64> {
        let per = |n: u64| (n as f64 / of * 10.0).round() / 10.0;
        Requests {
            reads: per(self.reads),
            status: per(self.status),
            finalizer: per(self.finalizer),
            workloads: per(self.workloads),
            events: per(self.events),
            lease: per(self.lease),
            other: per(self.other),
            refused: per(self.refused),
        }
    }
}

impl Requests<f64> {
    /// To the Release and the workloads.
    pub(crate) fn writes(&self) -> f64 {
        self.status + self.finalizer + self.workloads + self.other
    }
}

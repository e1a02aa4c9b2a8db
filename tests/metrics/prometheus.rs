//! A Prometheus of one scene's own, which scrapes the pods of its namespace.

use crate::support::Scene;
use crate::support::cluster::repository;
use crate::support::held::Held;
use crate::support::manifests::PORT;
use crate::support::wait::{Look, until};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Not that of the API server, which nobody may ask.
const HOST: &str = "127.0.4.90";

pub struct Prometheus {
    pub url: String,
    _process: Held,
    discovery: JoinHandle<()>,
}

impl Prometheus {
    pub async fn start(s: &Scene) -> Self {
        let free = std::net::TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = s.cluster.dir.join(format!("prometheus-{}", s.ns));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("prometheus.yaml");
        let targets = dir.join("targets.json");
        fs::write(&file, config(&targets).to_string()).unwrap();
        let discovery = tokio::spawn(discover(s.api(), targets));
        let args = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address={HOST}:{free}"),
        ];
        let process = Held::start(&binary(), &args, &[], &dir.join("log"));
        let up = Self { url: format!("http://{HOST}:{free}"), _process: process, discovery };
        until("Prometheus is ready", async || -> Look<()> {
            let answer = s.http.get(format!("{}/-/ready", up.url)).send().await.map_err(|e| e.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
        up
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.discovery.abort();
    }
}

fn config(targets: &Path) -> Value {
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        // Debian's server is built without the discovery of pods.
        "scrape_configs": [{"job_name": "pods", "file_sd_configs": [{"files": [targets]}]}],
    })
}

/// Tells Prometheus of the scene's pods, as its own discovery would.
async fn discover(pods: Api<Pod>, targets: PathBuf) {
    let mut told = Value::Null;
    loop {
        if let Ok(list) = pods.list(&ListParams::default()).await {
            let now: Vec<Value> = list.items.iter().filter_map(target).collect();
            if told != json!(now) {
                told = json!(now);
                let written = targets.with_extension("new");
                fs::write(&written, told.to_string()).unwrap();
                fs::rename(&written, &targets).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn target(pod: &Pod) -> Option<Value> {
    let ip = pod.status.as_ref()?.pod_ip.as_ref()?;
    let app = pod.spec.as_ref()?.containers.iter().find(|c| c.name == "app")?;
    let labels = json!({"namespace": pod.namespace(), "pod": pod.name_any(), "image": app.image});
    Some(json!({"targets": [format!("{ip}:{PORT}")], "labels": labels}))
}

fn binary() -> PathBuf {
    let brought = repository().join("target/prometheus/bin/prometheus");
    let path = std::env::var_os("TIDEGATE_PROMETHEUS").map_or(brought, PathBuf::from);
    assert!(path.exists(), "{} is missing: bring it with `make prometheus`", path.display());
    path
}

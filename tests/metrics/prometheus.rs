//! A Prometheus of one scene's own, which finds the pods of its namespace and scrapes them.

use crate::support::Scene;
use crate::support::cluster::repository;
use crate::support::held::Held;
use crate::support::wait::{Look, until};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

pub struct Prometheus {
    pub url: String,
    _process: Held,
}

impl Prometheus {
    pub async fn start(s: &Scene) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = s.cluster.dir.join(format!("prometheus-{}", s.ns));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("prometheus.yaml");
        fs::write(&file, config(s).to_string()).unwrap();
        let args = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{free}"),
        ];
        let process = Held::start(&binary(), &args, &[], &dir.join("log"));
        let up = Self { url: format!("http://127.0.0.1:{free}"), _process: process };
        until("Prometheus is ready", async || -> Look<()> {
            let answer = s.http.get(format!("{}/-/ready", up.url)).send().await.map_err(|e| e.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
        up
    }

    /// Waits until the query comes to `value`.
    pub async fn says(&self, s: &Scene, query: &str, value: &str) {
        until(&format!("{query} is {value}"), async || -> Look<()> {
            let url = format!("{}/api/v1/query", self.url);
            let answer = s.http.get(url).query(&[("query", query)]).send().await.map_err(|e| e.to_string())?;
            let answer: Value = answer.json().await.map_err(|e| e.to_string())?;
            let found = &answer["data"]["result"][0]["value"][1];
            if found == value { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
    }
}

fn config(s: &Scene) -> Value {
    let label = |source: &str, target: &str| json!({"source_labels": [source], "target_label": target});
    json!({
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
        "scrape_configs": [{
            "job_name": "pods",
            "kubernetes_sd_configs": [{
                "role": "pod", "kubeconfig_file": s.cluster.kubeconfig, "namespaces": {"names": [s.ns]},
            }],
            "relabel_configs": [
                {"source_labels": ["__meta_kubernetes_pod_container_name"], "regex": "app", "action": "keep"},
                label("__meta_kubernetes_namespace", "namespace"),
                label("__meta_kubernetes_pod_name", "pod"),
                label("__meta_kubernetes_pod_container_image", "image"),
            ],
        }],
    })
}

fn binary() -> PathBuf {
    let brought = repository().join("target/prometheus/bin/prometheus");
    let path = std::env::var_os("TIDEGATE_PROMETHEUS").map_or(brought, PathBuf::from);
    assert!(path.exists(), "{} is missing: bring it with `make prometheus`", path.display());
    path
}

//! The objects that the scenes are made of, as JSON that a test changes where it differs.

use serde_json::{Value, json};

/// The repository of every image here.
pub const REPOSITORY: &str = "registry.test/shop/checkout";
pub const PORT: i32 = 8080;

pub fn image(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}")
}

/// staging (automatic), then production (manual), each with one health check and one smoke test.
pub fn release(tag: &str) -> Value {
    json!({
        "image": {"repository": REPOSITORY, "tag": tag},
        "stages": [stage("staging", None), stage("production", Some("Manual"))],
    })
}

/// Only production, entered without asking.
pub fn single_stage(tag: &str) -> Value {
    json!({"image": {"repository": REPOSITORY, "tag": tag}, "stages": [stage("production", Some("Automatic"))]})
}

/// A stage on the Deployment and the Service of its name.
pub fn stage(name: &str, promotion: Option<&str>) -> Value {
    let mut stage = json!({
        "name": name,
        "targets": [target("web", name)],
        "healthChecks": [{
            "name": "health",
            "http": {
                "pods": {"port": PORT}, "path": "/health", "timeout": "5s",
                "expect": {"status": [200], "json": [{"pointer": "/status", "equals": "healthy"}]},
            },
            "retry": {"attempts": 3, "interval": "1s"},
        }],
        "smokeTests": [{
            "name": "items",
            "http": {
                // Asked once: a machine that stands still for a while is no failure.
                "service": {"name": name, "port": PORT}, "path": "/items", "timeout": "30s", "expect": {"status": [200]},
            },
        }],
    });
    if let Some(mode) = promotion {
        stage["promotion"] = json!({"mode": mode});
    }
    stage
}

pub fn target(name: &str, deployment: &str) -> Value {
    json!({"name": name, "kubernetes": {"kind": "Deployment", "name": deployment, "containers": ["app"]}})
}

/// A Deployment whose pods say at once that they are ready. Its second container is nobody's business but its owner's.
pub fn deployment(name: &str, image: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                    {"name": "app", "image": image, "ports": [{"containerPort": PORT}], "env": [{"name": "A", "value": "b"}]},
                    {"name": "sidecar", "image": "registry.test/shop/proxy:sha-1111111", "env": [{"name": "C", "value": "d"}]},
                ]},
            },
        },
    })
}

pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]},
    })
}

/// What images do on the simulated nodes, for the pods of the ConfigMap's own namespace.
pub fn catalogue(entries: &[Value]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "images", "labels": {"tidegate.dev/cluster": "images"}},
        "data": {"images.yaml": Value::from(entries).to_string()},
    })
}

/// An answer of the application on `path`.
pub fn answers(path: &str, status: u16) -> Value {
    json!({"http": [{"path": path, "status": status}]})
}

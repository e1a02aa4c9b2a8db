//! StatefulSets and DaemonSets: their manifests, and what is seen of them.

use super::manifests::{PORT, deployment, image, service, single_stage};
use super::scene::Scene;
use super::wait::{is, until};
use super::workloads::owner;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The pod template of [`deployment`], under a StatefulSet.
pub fn stateful_set(name: &str, image: &str, replicas: i32) -> Value {
    let mut set = deployment(name, image, replicas);
    let spec = set["spec"].as_object_mut().unwrap();
    spec.remove("strategy");
    spec.insert("serviceName".into(), json!(name));
    set["kind"] = json!("StatefulSet");
    set
}

/// The same under a DaemonSet, on three of the nodes.
pub fn daemon_set(name: &str, image: &str) -> Value {
    let mut set = deployment(name, image, 0);
    let spec = set["spec"].as_object_mut().unwrap();
    spec.remove("strategy");
    spec.remove("replicas");
    let those = json!({"matchExpressions": [{
        "key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1", "node-2", "node-3"],
    }]});
    spec["template"]["spec"]["affinity"] = json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [those]},
    }});
    set["kind"] = json!("DaemonSet");
    set
}

pub fn target_of(kind: &str, name: &str, workload: &str) -> Value {
    json!({"name": name, "kubernetes": {"kind": kind, "name": workload, "containers": ["app"]}})
}

/// One stage on a workload of this kind, and on the Service of its name.
pub fn single_stage_of(kind: &str, workload: &str, tag: &str) -> Value {
    let mut spec = single_stage(tag);
    spec["stages"][0]["targets"] = json!([target_of(kind, "web", workload)]);
    spec["stages"][0]["smokeTests"][0]["http"]["service"] = json!({"name": workload, "port": PORT});
    spec
}

impl Scene {
    /// A StatefulSet with its Service, once it is available.
    pub async fn stateful(&self, name: &str, tag: &str, replicas: i32) {
        self.apply_set::<StatefulSet>(&stateful_set(name, &image(tag), replicas)).await;
        self.serve(name).await;
        self.row_runs(name, &vec![tag; usize::try_from(replicas).unwrap()]).await;
    }

    /// A DaemonSet on three nodes with its Service, once it is available.
    pub async fn daemons(&self, name: &str, tag: &str) {
        self.apply_set::<DaemonSet>(&daemon_set(name, &image(tag))).await;
        self.serve(name).await;
        self.all_run(name, tag, 3).await;
    }

    pub async fn serve(&self, name: &str) {
        let services: Api<Service> = self.api();
        services.patch(name, &owner(), &Patch::Apply(service(name))).await.unwrap();
    }

    pub async fn apply_set<K>(&self, manifest: &Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        self.api::<K>().patch(name, &owner(), &Patch::Apply(manifest)).await.unwrap()
    }

    /// A strategic merge patch, as `kubectl patch` makes it.
    pub async fn patch_set<K>(&self, name: &str, patch: Value) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap()
    }

    /// `kubectl set image`, by a person.
    pub async fn set_image_of<K>(&self, name: &str, tag: &str) -> K
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let containers = json!([{"name": "app", "image": image(tag)}]);
        self.patch_set(name, json!({"spec": {"template": {"spec": {"containers": containers}}}})).await
    }

    /// Until the pods of a StatefulSet, from the first on, run these tags and are ready.
    pub async fn row_runs(&self, name: &str, tags: &[&str]) {
        until(&format!("the pods of {name} run {tags:?}"), async || {
            let row = self.row(name).await;
            let seen: Vec<_> = row.values().map(|(tag, _, ready)| (tag.as_str(), *ready)).collect();
            let wanted: Vec<_> = tags.iter().map(|t| (*t, true)).collect();
            is(seen == wanted, (), seen)
        })
        .await;
    }

    /// The pods of a workload by name: tag, uid, and whether they are ready.
    pub async fn row(&self, name: &str) -> BTreeMap<String, (String, String, bool)> {
        let pods = self.pods(name).await;
        pods.into_iter()
            .map(|p| (p.metadata.name.clone().unwrap(), (tag(&p), p.metadata.uid.clone().unwrap(), ready(&p))))
            .collect()
    }

    /// Until so many pods run this tag, all are ready, and there are no others.
    pub async fn all_run(&self, name: &str, tag: &str, count: usize) {
        until(&format!("{count} pods of {name} run {tag}"), async || {
            let row = self.row(name).await;
            is(row.len() == count && row.values().all(|(t, _, ready)| t == tag && *ready), (), row)
        })
        .await;
    }
}

fn tag(pod: &Pod) -> String {
    let containers = &pod.spec.as_ref().unwrap().containers;
    let app = containers.iter().find(|c| c.name == "app").and_then(|c| c.image.as_deref());
    super::workloads::tag_of(app.unwrap_or("none"))
}

fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref()).into_iter().flatten();
    let is_ready = conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

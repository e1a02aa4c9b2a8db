//! What people and other controllers do to workloads, and what is seen of them.

use super::manifests;
use super::requests::in_force;
use super::scene::Scene;
use super::wait::{is, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

impl Scene {
    /// A Deployment of two replicas with its Service, once it is available.
    pub async fn app(&self, name: &str, tag: &str) {
        self.app_of(name, &manifests::image(tag)).await;
    }

    /// The same with an image of any repository.
    pub async fn app_of(&self, name: &str, image: &str) {
        self.apply_deployment(&manifests::deployment(name, image, 2)).await;
        let services: Api<Service> = self.api();
        services.patch(name, &owner(), &Patch::Apply(manifests::service(name))).await.unwrap();
        self.available(name).await;
    }

    /// Server-side apply by the workload's owner, as a GitOps tool does it.
    pub async fn apply_deployment(&self, manifest: &Value) {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let api: Api<Deployment> = self.api();
        api.patch(name, &owner(), &Patch::Apply(manifest)).await.unwrap();
    }

    pub async fn patch_deployment(&self, name: &str, patch: Value) -> Deployment {
        let api: Api<Deployment> = self.api();
        api.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap()
    }

    /// `kubectl set image`, by a person.
    pub async fn set_image(&self, name: &str, image: &str) {
        let containers = json!([{"name": "app", "image": image}]);
        self.patch_deployment(name, json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    }

    pub async fn scale(&self, name: &str, replicas: i32) {
        self.patch_deployment(name, json!({"spec": {"replicas": replicas}})).await;
    }

    /// All replicas run the current template and are available.
    pub async fn available(&self, name: &str) {
        until(&format!("Deployment {name} to be available"), async || {
            let d = self.deployment(name).await;
            let (wanted, s) = (d.spec.as_ref().unwrap().replicas, d.status.clone().unwrap_or_default());
            let counts = [s.replicas, s.updated_replicas, s.available_replicas];
            is(s.observed_generation == d.metadata.generation && counts.iter().all(|c| *c == wanted), (), s)
        })
        .await;
    }

    pub async fn deployment(&self, name: &str) -> Deployment {
        let api: Api<Deployment> = self.api();
        api.get(name).await.unwrap()
    }

    /// The tag that the Deployment's container `app` is told to run.
    pub async fn runs(&self, name: &str) -> String {
        tag_of(&image_of(&self.deployment(name).await, "app"))
    }

    pub async fn pods(&self, name: &str) -> Vec<Pod> {
        let api: Api<Pod> = self.api();
        api.list(&ListParams::default().labels(&format!("app={name}"))).await.unwrap().items
    }

    pub async fn delete_pods(&self, name: &str) {
        for pod in self.pods(name).await {
            self.delete_pod(pod.metadata.name.as_deref().unwrap()).await;
        }
    }

    /// Unless it is gone already.
    pub async fn delete_pod(&self, pod: &str) {
        let api: Api<Pod> = self.api();
        let _ = api.delete(pod, &DeleteParams::default()).await;
    }

    /// From now on, pods of this scene with this tag behave so. In force when this returns.
    pub async fn behaves(&self, tag: &str, behaviour: Value) {
        self.image_behaves(&manifests::image(tag), behaviour).await;
    }

    /// The same of an image of any repository.
    pub async fn image_behaves(&self, image: &str, behaviour: Value) {
        let mut entry = behaviour;
        entry["image"] = json!(image);
        self.images.borrow_mut().insert(image.to_owned(), entry);
        let entries: Vec<_> = self.images.borrow().values().cloned().collect();
        self.put_catalogue(&self.ns, &entries).await;
    }

    /// Sets what images do in a namespace; what is not said there is healthy, whatever other scenes say.
    pub(super) async fn put_catalogue(&self, namespace: &str, entries: &[Value]) {
        let all = [&[json!({"image": "*"})], entries].concat();
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = api.patch("images", &owner(), &Patch::Apply(manifests::catalogue(&all))).await.unwrap();
        in_force(self.cluster, &map).await;
    }
}

pub fn image_of(d: &Deployment, container: &str) -> String {
    let containers = &d.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers;
    containers.iter().find(|c| c.name == container).and_then(|c| c.image.clone()).unwrap_or_default()
}

pub fn tag_of(image: &str) -> String {
    image.rsplit(':').next().unwrap().to_owned()
}

pub fn owner() -> PatchParams {
    PatchParams::apply("owner").force()
}

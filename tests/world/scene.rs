//! One test's own namespace, with what people do in it, and the reader and writer under test.

use crate::support::Cluster;
use crate::support::audit;
use crate::support::cluster::{ACCOUNT, HOME};
use crate::support::manifests;
use crate::support::requests::in_force;
use crate::support::wait::until;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;
use tidegate::api::effect::{Answer, Refused, Stamp, TargetWrite};
use tidegate::api::spec::{KubernetesTarget, TargetKind, WorkloadKind};
use tidegate::api::status::ContainerImage;
use tidegate::api::view::{LiveTarget, TargetView};
use tidegate::api::{EffectId, Image, NsName, Release, RolloutId, TargetId, Verb};
use tidegate::observe::{Limits, Observer, client};
use tidegate::rollout::ReleaseView;
use tidegate::target::Target;
use tidegate::target::kubernetes::KubernetesWriter;

pub struct Scene {
    pub client: kube::Client,
    pub config: kube::Config,
    pub ns: String,
    pub observer: Observer,
    pub writer: KubernetesWriter,
    /// Where in the audit log the scene begins.
    begins: u64,
}

impl Scene {
    /// A fresh namespace, prepared by the administrator, read and written by the controller's own account.
    pub async fn open(name: &str) -> Self {
        let cluster = Cluster::get();
        let mut config = config(cluster, "admin").await;
        let token = cluster.kubectl(&["create", "token", ACCOUNT, "-n", HOME], None);
        config.auth_info.token = Some(token.trim().to_owned().into());
        Self::with(cluster, name, config).await
    }

    /// Read and written by somebody who has no right at all.
    pub async fn open_as_stranger(name: &str) -> Self {
        let cluster = Cluster::get();
        Self::with(cluster, name, config(cluster, "mallory").await).await
    }

    async fn with(cluster: &Cluster, name: &str, config: kube::Config) -> Self {
        let acting = client::acting(config.clone()).unwrap();
        let scene = Self {
            client: cluster.client("admin").await,
            config,
            ns: format!("w-{name}"),
            observer: Observer::new(acting.clone(), Limits::default()),
            writer: KubernetesWriter::new(acting, Duration::from_secs(5)),
            begins: audit::length(cluster),
        };
        scene.namespace(&scene.ns, json!({})).await;
        scene.apply::<Release>("test", &listing()).await;
        scene.images(&[]).await;
        scene
    }

    /// What images do here. All others work, whatever they do in other scenes: the nodes ask every namespace's catalogue.
    pub async fn images(&self, entries: &[Value]) {
        let all = [entries, &[json!({"image": "registry.test/*"})]].concat();
        let catalogue = self.apply::<ConfigMap>("test", &manifests::catalogue(&all)).await;
        in_force(Cluster::get(), &catalogue).await;
    }

    pub async fn namespace(&self, name: &str, annotations: Value) {
        let object = json!({"metadata": {"name": name, "annotations": annotations}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub fn api<K: kube::Resource<Scope = NamespaceResourceScope, DynamicType: Default>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.ns)
    }

    /// Server-side apply with force, as a GitOps tool named `manager` does it.
    pub async fn apply<K>(&self, manager: &str, manifest: &Value) -> K
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType: Default>,
        K: Clone + Debug + serde::de::DeserializeOwned,
    {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let params = PatchParams::apply(manager).force();
        self.api::<K>().patch(name, &params, &Patch::Apply(manifest)).await.unwrap()
    }

    /// The controller's account wrote nothing but what is its own. No rollout is in work here, so no more can be told.
    pub async fn judge(&self) {
        // Left elsewhere: the scene's own namespace may be ending.
        let marks = Api::default_namespaced(self.client.clone());
        let records = audit::read(Cluster::get(), &marks, self.begins, std::slice::from_ref(&self.ns)).await;
        let broken = audit::broken_shape(&records);
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    pub async fn deployment(&self) -> Deployment {
        self.api::<Deployment>().get("web").await.unwrap()
    }

    pub async fn merge(&self, patch: Value) -> Deployment {
        self.api::<Deployment>().patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Deployment `web` as it is seen for a Release of this namespace.
    pub async fn seen(&self) -> TargetView {
        self.seen_by(&release(&self.ns, "release-uid"), &self.ns).await
    }

    pub async fn seen_by(&self, release: &ReleaseView, namespace: &str) -> TargetView {
        let id = TargetId::new("staging", "web");
        let mut views = self.observer.targets(release, &[(id.clone(), target(namespace))]).await;
        views.remove(&id).unwrap()
    }

    pub async fn live(&self) -> LiveTarget {
        match self.seen().await {
            TargetView::Live(live) => *live,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until `web` is seen as `wanted` says.
    pub async fn until(&self, what: &str, wanted: impl Fn(&LiveTarget) -> bool) -> LiveTarget {
        until(what, async || match self.seen().await {
            TargetView::Live(live) if wanted(&live) => Ok(*live),
            other => Err(format!("{other:#?}")),
        })
        .await
    }

    /// All replicas run the current template and are available.
    pub async fn settled(&self) -> LiveTarget {
        self.until("web to be available", |l| {
            let r = l.replicas;
            l.revision.is_some()
                && l.observed_generation >= l.generation
                && [r.total, r.updated, r.available].iter().all(|n| *n == r.wanted)
        })
        .await
    }

    pub async fn write(&self, write: &TargetWrite) -> Answer {
        self.writer.write(write).await
    }

    /// The answer to a write decided on a fresh look: the Deployment controller writes too, so that takes more than one
    /// look at times.
    pub async fn answer(&self, decide: impl Fn(&LiveTarget) -> TargetWrite) -> Answer {
        until("a write that no status overtook", async || match self.write(&decide(&self.live().await)).await {
            Answer::Refused { kind: Refused::Conflict, message } => Err(message),
            answer => Ok(answer),
        })
        .await
    }

    /// Writes `images`, whatever the Deployment controller does meanwhile.
    pub async fn bring(&self, images: &[(&str, &str)]) {
        let answer = self.answer(|live| write(live, images)).await;
        assert!(matches!(answer, Answer::Applied { .. }), "{answer:?}");
    }
}

/// A Release that lists what the scenes write; nobody acts on it.
fn listing() -> Value {
    let target = json!({"name": "web", "kubernetes": {
        "kind": "Deployment", "name": "web", "containers": ["app", "sidecar", "api", "prepare"],
    }});
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release", "metadata": {"name": "listing"},
        "spec": {
            "image": {"repository": "registry.test/app", "tag": "sha-1111111"},
            "stages": [{"name": "only", "checks": "None", "promotion": {"mode": "Manual"}, "targets": [target]}],
        },
    })
}

async fn config(cluster: &Cluster, user: &str) -> kube::Config {
    let file = Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let options = KubeConfigOptions { context: Some(user.to_owned()), ..KubeConfigOptions::default() };
    kube::Config::from_custom_kubeconfig(file, &options).await.unwrap()
}

/// A Deployment `web` of two replicas: container `app`, which is written, and `sidecar`, which is not.
pub fn web(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                    {"name": "app", "image": image, "ports": [{"containerPort": 8080}], "env": [{"name": "A", "value": "b"}]},
                    {"name": "sidecar", "image": "registry.test/proxy:1"},
                ]},
            },
        },
    })
}

/// A write of `images` to the workload as it was seen.
pub fn write(live: &LiveTarget, images: &[(&str, &str)]) -> TargetWrite {
    let images: Vec<_> = images.iter().map(|(container, image)| container_image(container, image)).collect();
    let init = |name: &str| live.container(name).is_some_and(|c| c.init);
    TargetWrite {
        stage: "staging".into(),
        target: "web".into(),
        workload: live.workload.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
        init: images.iter().filter(|i| init(&i.container)).map(|i| i.container.clone()).collect(),
        stamp: stamp(&NsName::new(namespace(live), "checkout"), "release-uid", &images),
        images,
        ecs: None,
    }
}

pub fn namespace(live: &LiveTarget) -> String {
    live.workload.kubernetes().unwrap().namespace.clone()
}

pub fn stamp(release: &NsName, uid: &str, images: &[ContainerImage]) -> Stamp {
    let rollout = RolloutId { generation: 1, attempt: 1 };
    Stamp {
        effect: EffectId::new(uid, rollout, &TargetId::new("staging", "web"), Verb::Forward),
        release: release.clone(),
        uid: uid.to_owned(),
        images: images.to_vec(),
        way_back: vec![container_image("app", "registry.test/app:1")],
        verified: true,
        irreversible: false,
        task_definition: None,
        took: Vec::new(),
    }
}

pub fn container_image(container: &str, image: &str) -> ContainerImage {
    ContainerImage { container: container.to_owned(), image: Image::new(image), digest: None }
}

pub fn target(namespace: &str) -> TargetKind {
    TargetKind::Kubernetes(KubernetesTarget {
        kind: WorkloadKind::Deployment,
        name: "web".into(),
        namespace: Some(namespace.to_owned()),
        containers: vec!["app".into()],
    })
}

/// A Release `checkout` that is read for.
pub fn release(namespace: &str, uid: &str) -> ReleaseView {
    let image = json!({"repository": "registry.test/app", "tag": "sha-1111111"});
    ReleaseView {
        name: NsName::new(namespace, "checkout"),
        uid: uid.to_owned(),
        generation: 1,
        deleting: false,
        finalizer: false,
        annotations: Default::default(),
        spec: serde_json::from_value(json!({"image": image, "stages": []})).unwrap(),
        status: Default::default(),
    }
}

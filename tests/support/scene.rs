//! One test's own corner of the cluster, judged at its end.

use super::audit;
use super::cluster::Cluster;
use super::controller::Controller;
use super::manifests;
use super::oracle::{self, History};
use super::people::RELEASE;
use super::wait::{Look, is, until};
use futures::FutureExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Duration, Instant};
use tidegate::api::{Reason, Release, ReleaseStatus};

/// How far the audit log may be behind; more means that a line is missing.
const LAG: Duration = Duration::from_secs(5);

pub struct Scene {
    pub cluster: &'static Cluster,
    pub client: kube::Client,
    pub http: reqwest::Client,
    /// The scene's namespace.
    pub ns: String,
    /// More namespaces of it.
    pub others: RefCell<Vec<String>>,
    /// Its judge asks only whether the controller wrote nothing but what is its own.
    pub shape_only: Cell<bool>,
    /// So many events were refused on their way to the API server, and are not published again.
    pub refused_events: Cell<usize>,
    pub(super) images: RefCell<BTreeMap<String, Value>>,
    /// Writes that a stand-in for AWS received.
    pub calls: RefCell<Vec<oracle::Call>>,
    /// How that one's services stood.
    pub standings: RefCell<Option<Vec<oracle::Standing>>>,
    /// What plays it again, where that is not the test of this thread.
    pub again: RefCell<Option<String>>,
    /// Where in the audit log the scene begins.
    begins: u64,
    /// Where in etcd it begins: its namespace is created.
    pub(super) first_revision: u64,
}

/// Plays a scene with the controller that all scenes share.
pub async fn scene(name: &str, play: impl AsyncFn(&Scene)) {
    let cluster = Cluster::get();
    let shared = Controller::shared();
    play_with(cluster, name, play, |ns| shared.tail(ns)).await;
}

/// Plays a scene, then reads from the audit log whether the controller behaved. A failure shows what is there.
pub async fn play_with(
    cluster: &'static Cluster,
    name: &str,
    play: impl AsyncFn(&Scene),
    log: impl Fn(&str) -> String,
) {
    let scene = Scene::open(cluster, name).await;
    let whole = async {
        play(&scene).await;
        scene.judge().await;
    };
    if let Err(panic) = AssertUnwindSafe(whole).catch_unwind().await {
        eprintln!("{}\n--- controller\n{}", scene.dump().await, log(&scene.ns));
        resume_unwind(panic);
    }
    scene.close().await;
}

impl Scene {
    async fn open(cluster: &'static Cluster, name: &str) -> Self {
        let client = cluster.client("admin").await;
        let mut scene = Self {
            cluster,
            client,
            http: reqwest::Client::builder().timeout(super::wait::BOUND).no_proxy().build().unwrap(),
            ns: format!("t-{name}"),
            others: RefCell::default(),
            shape_only: Cell::new(false),
            refused_events: Cell::new(0),
            images: RefCell::default(),
            calls: RefCell::default(),
            standings: RefCell::default(),
            again: RefCell::default(),
            begins: audit::length(cluster),
            first_revision: 1,
        };
        scene.first_revision = scene.create_namespace(&scene.ns, json!({})).await;
        scene
    }

    /// Deployments `staging` and `production`, both running the good tag `sha-0000001`.
    pub async fn two_stages(&self) {
        futures::join!(self.app("staging", "sha-0000001"), self.app("production", "sha-0000001"));
    }

    /// The two stages, and the Release that has adopted them: `sha-0000001` is stable in both.
    pub async fn settled(&self) -> Value {
        self.two_stages().await;
        let spec = manifests::release("sha-0000001");
        self.apply(&spec).await;
        self.verified("sha-0000001").await;
        spec
    }

    /// The next version came to staging and failed its smoke test, and the one before does not get ready again: it is
    /// being restored for as long as the test likes.
    pub async fn restoring(&self) {
        self.restoring_by(&manifests::release("sha-0000002")).await;
    }

    /// The same by this spec.
    pub async fn restoring_by(&self, spec: &Value) {
        const NEW: &str = "sha-0000002";
        let fails = json!([{"path": "/items", "status": 500}]);
        self.behaves(NEW, json!({"ready": {"never": true}, "http": fails})).await;
        self.apply(spec).await;
        until("the new tag is written", async || is(self.runs("staging").await == NEW, (), "not yet")).await;
        // Both in this order, so that nothing is restored before it is spoilt.
        self.behaves("sha-0000001", json!({"ready": {"never": true}})).await;
        self.behaves(NEW, json!({"http": fails})).await;
        self.phase(NEW, tidegate::api::Phase::Restoring).await;
        let written = async || is(self.runs("staging").await == "sha-0000001", (), "not yet");
        until("the old tag is written", written).await;
    }

    /// A further namespace of this scene, named after it.
    pub async fn namespace(&self, suffix: &str, annotations: Value) -> String {
        let name = format!("{}-{suffix}", self.ns);
        self.create_namespace(&name, annotations).await;
        self.others.borrow_mut().push(name.clone());
        name
    }

    async fn create_namespace(&self, name: &str, annotations: Value) -> u64 {
        let object = json!({"metadata": {"name": name, "annotations": annotations}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        let created = api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        self.put_catalogue(name, &[]).await;
        created.metadata.resource_version.unwrap().parse().unwrap()
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.ns)
    }

    pub async fn release(&self) -> Release {
        let api: Api<Release> = self.api();
        api.get(RELEASE).await.unwrap()
    }

    pub async fn status(&self) -> ReleaseStatus {
        self.status_of(RELEASE).await
    }

    pub async fn status_of(&self, name: &str) -> ReleaseStatus {
        let api: Api<Release> = self.api();
        api.get(name).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until the Release's status is as `look` wants it.
    pub async fn until_status(&self, what: &str, look: impl Fn(&ReleaseStatus) -> bool) -> ReleaseStatus {
        self.until_status_of(RELEASE, what, look).await
    }

    pub async fn until_status_of(
        &self,
        name: &str,
        what: &str,
        look: impl Fn(&ReleaseStatus) -> bool,
    ) -> ReleaseStatus {
        until(&format!("{name}: {what}"), async || -> Look<ReleaseStatus> {
            let status = self.status_of(name).await;
            if look(&status) { Ok(status) } else { Err(format!("{:?}: {:?}", status.phase, status.message)) }
        })
        .await
    }

    /// The events about the Release, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let api: Api<Event> = self.api();
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.retain(|e| e.regarding.as_ref().is_some_and(|r| r.kind.as_deref() == Some("Release")));
        events.sort_by_key(|e| e.event_time.as_ref().map(|t| t.0));
        events
    }

    /// Waits for an event with this reason; its note.
    pub async fn event(&self, reason: Reason) -> String {
        until(&format!("an event {reason}"), async || {
            let events = self.events().await;
            let found = events.iter().rev().find(|e| e.reason.as_deref() == Some(&reason.to_string()));
            let seen: Vec<_> = events.iter().filter_map(|e| e.reason.clone()).collect();
            found.map(|e| e.note.clone().unwrap_or_default()).ok_or(format!("{seen:?}"))
        })
        .await
    }

    /// Something that the controller does after everything it was told before: a Release of its own, from start to end.
    pub async fn marker(&self, name: &str) {
        self.marker_of(name, "sha-0000001").await;
    }

    /// The same with an image of its own, where that of the others does not work.
    pub async fn marker_of(&self, name: &str, tag: &str) {
        let deployment = manifests::deployment(name, &manifests::image(tag), 1);
        self.apply_deployment(&deployment).await;
        let mut spec = manifests::single_stage(tag);
        spec["stages"][0] = json!({
            "name": "only", "checks": "None", "promotion": {"mode": "Automatic"}, "targets": [manifests::target("web", name)],
        });
        self.apply_as(name, &spec).await;
        self.until_status_of(name, "the marker is verified", |s| s.phase == Some(tidegate::api::Phase::Verified)).await;
    }

    async fn judge(&self) {
        let mut namespaces = self.others.borrow().clone();
        namespaces.push(self.ns.clone());
        let told = until("the last events are published", async || {
            let records = self.records(&namespaces).await;
            let untold = audit::untold(&records);
            is(untold.len() <= self.refused_events.get(), records, untold)
        });
        let told = told.await;
        let broken = if self.shape_only.get() { audit::broken_shape(&told) } else { audit::broken(&told) };
        assert!(broken.is_empty(), "the controller broke its own rules:\n{}", broken.join("\n"));
        self.consult(&namespaces).await;
    }

    /// The complete history, held against what was promised.
    async fn consult(&self, namespaces: &[String]) {
        let history = History::new(self.sources(namespaces).await);
        let broken = oracle::rules::broken(&history);
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let this = format!("cargo test --test {} -- --exact {test}", env!("CARGO_CRATE_NAME"));
        let again = self.again.borrow().clone().unwrap_or(this);
        assert!(broken.is_empty(), "{}", oracle::report(&history, &broken, &self.ns, &again));
    }

    /// What the API server logged in the scene's namespaces since it began.
    ///
    /// A write stands there a little later than others see it, so it is waited for; but not for ever: what a controller
    /// sent that died before it heard the answer may never be told.
    pub async fn records(&self, namespaces: &[String]) -> Vec<audit::Record> {
        let (stored, since) = (self.stored(namespaces).await, Instant::now());
        let mut records = until("the audit log to catch up", async || {
            let records = audit::read(self.cluster, &self.api(), self.begins, namespaces).await;
            let untold = oracle::untold(&records, &stored);
            let late = !untold.is_empty() && since.elapsed() > LAG;
            if late {
                eprintln!("{}: nobody says who made {untold:?}", self.ns);
            }
            is(untold.is_empty() || late, records, untold)
        })
        .await;
        oracle::complete(&mut records, &stored);
        records
    }

    async fn close(&self) {
        let releases: Api<Release> = self.api();
        let _ = releases.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        let api: Api<Namespace> = Api::all(self.client.clone());
        let others = self.others.borrow().clone();
        for name in others.iter().chain([&self.ns]) {
            let _ = api.delete(name, &DeleteParams::background()).await;
        }
    }

    async fn dump(&self) -> String {
        let mut text = format!("=== scene {}\n", self.ns);
        let releases: Api<Release> = self.api();
        for mut release in releases.list(&ListParams::default()).await.map(|l| l.items).unwrap_or_default() {
            release.metadata.managed_fields = None;
            text += &serde_saphyr::to_string(&release).unwrap_or_default();
        }
        let pods: Api<Pod> = self.api();
        for pod in pods.list(&ListParams::default()).await.map(|l| l.items).unwrap_or_default() {
            let containers = pod.status.as_ref().and_then(|s| s.container_statuses.clone()).unwrap_or_default();
            let states: Vec<_> = containers.iter().map(|c| (&c.name, &c.image, c.ready, &c.state)).collect();
            text += &format!("pod {:?} {}\n", pod.metadata.name, serde_json::to_string(&states).unwrap_or_default());
        }
        for e in self.events().await {
            text += &format!("event {:?} {:?}\n", e.reason, e.note);
        }
        text
    }
}

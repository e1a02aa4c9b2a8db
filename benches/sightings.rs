//! Watches of the benchmark's own: when what was first seen in which state.

use crate::support::people::RELEASE;
use crate::support::scene::Scene;
use crate::support::workloads::{image_of, tag_of};
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate::api::{Phase, Release};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest that anything here may take.
const BOUND: Duration = Duration::from_secs(120);

pub(crate) struct Sightings {
    seen: watch::Receiver<Seen>,
    // Ended when this is dropped.
    _watches: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    /// The state that each subject is in.
    state: HashMap<String, String>,
    /// When a subject last came into a state.
    at: HashMap<(String, String), Instant>,
}

impl Sightings {
    /// Follows the scene's Release, Deployments and pods.
    pub(crate) fn of(scene: &Scene) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        let sender = Arc::new(sender);
        let mut watches = JoinSet::new();
        watches.spawn(follow(scene.api::<Release>(), sender.clone(), release));
        watches.spawn(follow(scene.api::<Deployment>(), sender.clone(), deployment));
        watches.spawn(follow(scene.api::<Pod>(), sender, pod));
        Self { seen, _watches: watches }
    }

    /// Waits until the Deployment is told to run `tag`, later than `after`.
    pub(crate) async fn runs(&self, deployment: &str, tag: &str, after: Instant) -> Result<Instant> {
        self.wait(deployment, tag, after).await
    }

    /// Waits until the Release's rollout of `tag` is in this phase; at an end, until the finalizer is gone too.
    pub(crate) async fn phase(&self, tag: &str, phase: Phase, after: Instant) -> Result<Instant> {
        let at = self.wait(&format!("release of {tag}"), &format!("{phase:?}"), after).await?;
        if matches!(phase, Phase::Verified | Phase::RolledBack) {
            self.wait("finalizer", "gone", after).await?;
        }
        Ok(at)
    }

    /// Waits until a pod of `tag` says that its image cannot be pulled.
    pub(crate) async fn pull_error(&self, tag: &str, after: Instant) -> Result<Instant> {
        self.wait(&format!("pods of {tag}"), "ErrImagePull", after).await
    }

    async fn wait(&self, subject: &str, state: &str, after: Instant) -> Result<Instant> {
        let key = (subject.to_owned(), state.to_owned());
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|s| s.at.get(&key).is_some_and(|at| *at > after));
        let found = timeout(BOUND, found).await.with_context(|| format!("waited for {subject}: {state}"))?;
        found?.at.get(&key).copied().context("seen, then not")
    }
}

/// What an object says: subject and state.
type Says = Option<(String, String)>;

async fn follow<K>(api: kube::Api<K>, seen: Arc<watch::Sender<Seen>>, says: fn(&K) -> [Says; 2])
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = Box::pin(watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let at = Instant::now();
        let Ok(Event::Apply(object) | Event::InitApply(object)) = event else { continue };
        let told: Vec<_> = says(&object).into_iter().flatten().collect();
        // All are noted, so nothing that stops at the first.
        seen.send_if_modified(|seen| told.into_iter().fold(false, |news, says| seen.note(says, at) | news));
    }
}

impl Seen {
    fn note(&mut self, (subject, state): (String, String), at: Instant) -> bool {
        let before = self.state.insert(subject.clone(), state.clone());
        let news = before.as_ref() != Some(&state);
        if news {
            self.at.insert((subject, state), at);
        }
        news
    }
}

fn release(release: &Release) -> [Says; 2] {
    if release.name_any() != RELEASE {
        return [None, None];
    }
    let status = release.status.as_ref();
    let phase = status.and_then(|s| {
        let tag = s.rollout.as_ref()?.image.short();
        Some((format!("release of {tag}"), format!("{:?}", s.phase?)))
    });
    let finalizer = if release.finalizers().is_empty() { "gone" } else { "set" };
    [phase, Some(("finalizer".to_owned(), finalizer.to_owned()))]
}

fn deployment(deployment: &Deployment) -> [Says; 2] {
    [Some((deployment.name_any(), tag_of(&image_of(deployment, "app")))), None]
}

fn pod(pod: &Pod) -> [Says; 2] {
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let says = statuses.filter(|c| c.name == "app").find_map(|c| {
        let waiting = c.state.as_ref()?.waiting.as_ref()?;
        let said = waiting.reason.as_deref() == Some("ErrImagePull");
        said.then(|| (format!("pods of {}", tag_of(&c.image)), "ErrImagePull".to_owned()))
    });
    [says, None]
}

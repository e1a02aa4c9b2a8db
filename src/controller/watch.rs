//! The standing watches: Releases whole, workloads of every kind as metadata.
//!
//! They fill the [`Memory`] and put names into the [`Queue`]; they decide nothing.

use super::heard::{Heard, Sketch};
use super::memory::{Memory, Seen};
use super::queue::Queue;
use super::unreadable::Unreadable;
use crate::api::NsName;
use crate::api::spec::WorkloadKind;
use crate::api::status::KubernetesWorkload;
use crate::observe::into_view;
use crate::rollout;
use crate::telemetry::Metrics;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// What the watches share.
pub(super) struct Watches {
    memory: Arc<Memory>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    unreadable: mpsc::Sender<Unreadable>,
    /// Whether each has listed everything once.
    releases_synced: AtomicBool,
    /// By kind.
    workloads_synced: [AtomicBool; WorkloadKind::ALL.len()],
}

/// After so many errors in a row a watch is built anew: some of its states never leave an expired version.
const REBUILD_AFTER: u32 = 5;
/// Objects that are listed at once.
const PAGE: u32 = 50;
/// How long the next object of a list may take to come.
const LISTING: Duration = Duration::from_secs(30);
/// How long one watch request lasts, in seconds. One that has gone silent on its way is noticed a little after that, and
/// until then nobody hears of an abort or an approval: so it is short. Beginning anew costs one request, and no list.
pub(super) const LENGTH: u32 = 50;

impl Watches {
    pub(super) fn new(
        memory: Arc<Memory>,
        queue: Arc<Queue>,
        metrics: Arc<Metrics>,
        unreadable: mpsc::Sender<Unreadable>,
    ) -> Self {
        let (releases_synced, workloads_synced) = Default::default();
        Self { memory, queue, metrics, unreadable, releases_synced, workloads_synced }
    }
    pub(super) fn synced(&self) -> bool {
        let workloads = || self.workloads_synced.iter().all(|s| s.load(Ordering::Relaxed));
        self.releases_synced.load(Ordering::Relaxed) && workloads()
    }

    /// Follows every Release. Never returns.
    pub(super) async fn releases(&self, api: Api<Heard>) {
        let mut listed = HashSet::new();
        follow("releases", api, &self.metrics, |event| match event {
            Event::Init => listed.clear(),
            Event::InitApply(heard) => {
                listed.insert(named(&heard));
                self.release(heard);
            }
            Event::InitDone => {
                let gone = self.memory.names().into_iter().filter(|n| !listed.contains(n));
                gone.for_each(|n| self.release_gone(&n));
                listed = HashSet::new();
                self.releases_synced.store(true, Ordering::Relaxed);
            }
            Event::Apply(heard) => self.release(heard),
            Event::Delete(heard) => self.release_gone(&named(&heard)),
        })
        .await;
    }

    /// Follows the metadata of every workload of one kind. Never returns.
    pub(super) async fn workloads<K>(&self, kind: WorkloadKind, api: Api<Sketch<K>>)
    where
        Sketch<K>: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let what = match kind {
            WorkloadKind::Deployment => "deployments",
            WorkloadKind::StatefulSet => "statefulsets",
            WorkloadKind::DaemonSet => "daemonsets",
        };
        let mut listed = HashSet::new();
        follow(what, api, &self.metrics, |event| match event {
            Event::Init => listed.clear(),
            Event::InitApply(meta) => {
                listed.insert(workload(kind, &meta));
                self.workload(kind, &meta);
            }
            Event::InitDone => {
                let mut gone = self.memory.workloads();
                gone.retain(|w| w.kind == kind && !listed.contains(w));
                gone.iter().for_each(|w| self.trigger(self.memory.workload_gone(w)));
                listed = HashSet::new();
                self.workloads_synced[kind as usize].store(true, Ordering::Relaxed);
            }
            Event::Apply(meta) => self.workload(kind, &meta),
            Event::Delete(meta) => self.trigger(self.memory.workload_gone(&workload(kind, &meta))),
        })
        .await;
    }

    fn release(&self, heard: Heard) {
        let name = named(&heard);
        match heard {
            Heard::Release(release) => {
                let version = release.metadata.resource_version.clone().unwrap_or_default();
                let view = into_view(*release);
                if self.memory.put(&view, &version, rollout::rests(&view)) {
                    self.queue.add(&view.name, Instant::now(), false);
                }
            }
            Heard::Unreadable { error, .. } => {
                self.metrics.unreadable.inc();
                tracing::error!(release = %name, %error, "this Release cannot be read, and is left alone");
                if self.unreadable.try_send(Unreadable { name, error }).is_err() {
                    tracing::warn!("too many Releases cannot be read to say so of each");
                }
            }
        }
    }

    /// Looked at once more, so that what is kept for it is dropped.
    fn release_gone(&self, name: &NsName) {
        self.memory.remove(name);
        self.queue.add(name, Instant::now(), false);
    }

    fn workload(&self, kind: WorkloadKind, object: &impl Resource) {
        let meta = object.meta();
        let seen = Seen::new(meta.uid.as_deref().unwrap_or_default(), meta.generation.unwrap_or(0));
        self.trigger(self.memory.workload(workload(kind, object), seen));
    }

    fn trigger(&self, triggers: Vec<NsName>) {
        // Before all lists are complete nobody knows what changed; the first look compares then.
        if !self.synced() {
            return;
        }
        for trigger in triggers {
            self.queue.touch(&trigger);
        }
    }
}

/// Feeds a watch's events to `each`, for ever; errors back off up to 30 s.
async fn follow<K>(what: &'static str, api: Api<K>, metrics: &Metrics, mut each: impl FnMut(Event<K>))
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // A page is decoded as a whole, so its size is what the process grows by while it starts.
    let config = watcher::Config::default().page_size(PAGE).timeout(LENGTH);
    let mut errors = 0_u32;
    loop {
        let mut stream = Box::pin(watcher(api.clone(), config.clone()));
        let mut listing = true;
        while let Some(event) = next(&mut stream, listing).await {
            match event {
                Ok(event) => {
                    // A list that begins proves nothing yet.
                    if !matches!(event, Event::Init) {
                        errors = 0;
                    }
                    listing = matches!(event, Event::Init | Event::InitApply(_));
                    each(event);
                }
                Err(error) => {
                    errors += 1;
                    metrics.watch_error(what);
                    tracing::warn!(watch = what, error = %chain(&error), errors, "watching failed; trying again");
                    tokio::time::sleep(back_off(errors)).await;
                    if errors.is_multiple_of(REBUILD_AFTER) || expired(&error) {
                        break;
                    }
                }
            }
        }
    }
}

/// The next event; none, if a list has stopped in the middle. A watch without events is silent for hours, and rightly so.
async fn next<S: Stream + Unpin>(stream: &mut S, listing: bool) -> Option<S::Item> {
    if !listing {
        return stream.next().await;
    }
    let next = timeout(LISTING, stream.next()).await;
    next.unwrap_or_else(|_| {
        tracing::warn!("a list stopped in the middle; it begins anew");
        None
    })
}

/// 200 ms, doubled up to 30 s.
pub(super) fn back_off(errors: u32) -> Duration {
    Duration::from_millis(100_u64 << errors.min(9)).min(Duration::from_secs(30))
}

/// The version to go on from is not kept any more.
fn expired(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::WatchError(status) => status.code,
        watcher::Error::InitialListFailed(e) | watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => {
            match e {
                kube::Error::Api(status) => status.code,
                _ => 0,
            }
        }
        watcher::Error::NoResourceVersion => 0,
    };
    code == 410
}

/// An error with its causes, which `Display` alone does not show.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn named<K: Resource>(object: &K) -> NsName {
    let meta = object.meta();
    NsName::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn workload(kind: WorkloadKind, object: &impl Resource) -> KubernetesWorkload {
    let name = named(object);
    KubernetesWorkload { kind, namespace: name.namespace, name: name.name }
}

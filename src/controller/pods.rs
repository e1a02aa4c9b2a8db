//! Watches on pods, only while a rollout that cares for them is in work.
//!
//! Metadata is enough: every change of a pod's status is an event, and what it says is read when it is decided on.

use super::queue::Queue;
use super::watch::back_off;
use crate::api::NsName;
use crate::telemetry::Metrics;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// Which pods: a namespace and a label selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pods {
    pub(super) namespace: String,
    pub(super) selector: String,
}

/// One watch per distinct [`Pods`], however many Releases care.
pub(super) struct PodWatches {
    client: Client,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    watches: Mutex<HashMap<Pods, Watch>>,
}

struct Watch {
    task: JoinHandle<()>,
    cares: Arc<Mutex<BTreeSet<NsName>>>,
}

impl PodWatches {
    pub(super) fn new(client: Client, queue: Arc<Queue>, metrics: Arc<Metrics>) -> Self {
        Self { client, queue, metrics, watches: Mutex::default() }
    }

    /// From now on `release` cares for exactly these.
    pub(super) fn care(&self, release: &NsName, wanted: &BTreeSet<Pods>) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|pods, watch| {
            let mut cares = watch.cares.lock().unwrap_or_else(PoisonError::into_inner);
            if !wanted.contains(pods) {
                cares.remove(release);
            }
            if cares.is_empty() {
                watch.task.abort();
            }
            !cares.is_empty()
        });
        for pods in wanted {
            let watch = watches.entry(pods.clone()).or_insert_with(|| self.start(pods));
            watch.cares.lock().unwrap_or_else(PoisonError::into_inner).insert(release.clone());
        }
        self.metrics.pod_watches.set(i64::try_from(watches.len()).unwrap_or(i64::MAX));
    }

    fn start(&self, pods: &Pods) -> Watch {
        let cares = Arc::<Mutex<BTreeSet<NsName>>>::default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pods.namespace);
        let (queue, metrics) = (self.queue.clone(), self.metrics.clone());
        let (selector, caring) = (pods.selector.clone(), cares.clone());
        let task = tokio::spawn(async move {
            let mut errors = 0;
            loop {
                match once(&api, &selector, &queue, &caring).await {
                    Ok(()) => errors = 0,
                    Err(error) => {
                        errors += 1;
                        metrics.watch_error("pods");
                        tracing::warn!(watch = "pods", namespace = ?api.namespace(), %error, "watching failed; trying again");
                        tokio::time::sleep(back_off(errors)).await;
                    }
                }
            }
        });
        Watch { task, cares }
    }
}

/// One watch request until the server ends it. It begins with what is there, so nothing is missed in between.
async fn once(api: &Api<Pod>, selector: &str, queue: &Queue, cares: &Mutex<BTreeSet<NsName>>) -> kube::Result<()> {
    let params = WatchParams::default().labels(selector).timeout(290);
    let mut stream = Box::pin(api.watch_metadata(&params, "0").await?);
    while let Some(event) = stream.try_next().await? {
        match event {
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(kube::Error::Api(status.boxed())),
            WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_) => {
                let cares = cares.lock().unwrap_or_else(PoisonError::into_inner);
                cares.iter().for_each(|name| queue.touch(name));
            }
        }
    }
    Ok(())
}

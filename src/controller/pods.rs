//! Watches on pods, only while a rollout that cares for them is in work.
//!
//! Metadata is enough: every change of a pod's status is an event, and what it says is read when it is decided on.

use super::queue::Queue;
use super::watch::{LENGTH, back_off};
use crate::api::NsName;
use crate::api::status::{JobRef, Step};
use crate::api::view::TargetView;
use crate::rollout::{Decision, Observed};
use crate::telemetry::Metrics;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How long it may take to begin, and to end beyond its length.
const SHORT: Duration = Duration::from_secs(10);

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

/// The pods worth watching: of the current revision of the stage in work, or of the hook that is at work.
pub(super) fn worth_watching(decision: &Decision, observed: &Observed) -> BTreeSet<Pods> {
    let Some(rollout) = decision.status.running() else { return BTreeSet::new() };
    if matches!(rollout.step, Step::Preflight | Step::AwaitingPromotion | Step::Ended) {
        return BTreeSet::new();
    }
    if matches!(rollout.step, Step::RunningHooks | Step::RunningRollbackHooks) {
        let stage = rollout.stage.as_ref().and_then(|s| rollout.stage_state(s));
        let hooks = stage.into_iter().flat_map(|s| s.hooks.iter().chain(&s.on_rollback));
        let jobs = hooks.filter(|h| h.under_way()).filter_map(|h| h.job.as_ref());
        let of_job = |job: &JobRef| Pods {
            namespace: job.namespace.clone(),
            selector: format!("batch.kubernetes.io/job-name={}", job.name),
        };
        return jobs.map(of_job).collect();
    }
    let of_stage = observed.targets.iter().filter(|(id, _)| Some(&id.stage) == rollout.stage.as_ref());
    let watched = of_stage.filter_map(|(_, view)| match view {
        TargetView::Live(live) => live.revision.as_ref().zip(live.workload.kubernetes()).map(|(revision, of)| Pods {
            namespace: of.namespace.clone(),
            selector: format!("{}={revision}", of.kind.revision_label()),
        }),
        _ => None,
    });
    watched.collect()
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

    /// Nobody cares for any: another replica leads.
    pub(super) fn clear(&self) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.drain().for_each(|(_, watch)| watch.task.abort());
        self.metrics.pod_watches.set(0);
    }

    fn start(&self, pods: &Pods) -> Watch {
        let cares = Arc::<Mutex<BTreeSet<NsName>>>::default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pods.namespace);
        let (queue, metrics) = (self.queue.clone(), self.metrics.clone());
        let (selector, caring) = (pods.selector.clone(), cares.clone());
        let task = tokio::spawn(async move {
            let mut errors = 0;
            loop {
                let began = Instant::now();
                match once(&api, &selector, &queue, &caring).await {
                    Ok(()) if began.elapsed() >= SHORT => errors = 0,
                    // A watch that ends as soon as it begins would begin for ever.
                    Ok(()) => errors += 1,
                    Err(error) => {
                        errors += 1;
                        metrics.watch_error("pods");
                        tracing::warn!(watch = "pods", namespace = ?api.namespace(), %error, "watching failed; trying again");
                    }
                }
                tokio::time::sleep(back_off(errors)).await;
            }
        });
        Watch { task, cares }
    }
}

/// One watch request until the server ends it. It begins with what is there, so nothing is missed in between.
async fn once(api: &Api<Pod>, selector: &str, queue: &Queue, cares: &Mutex<BTreeSet<NsName>>) -> kube::Result<()> {
    let params = WatchParams::default().labels(selector).timeout(LENGTH);
    // A server that ends it no more, nor anything else, is one that is gone.
    let end = Instant::now() + Duration::from_secs(u64::from(LENGTH)) + SHORT;
    let Ok(begun) = timeout(SHORT, api.watch_metadata(&params, "0")).await else { return Ok(()) };
    let mut stream = Box::pin(begun?);
    while let Ok(event) = timeout_at(end, stream.try_next()).await {
        let Some(event) = event? else { break };
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{Request, Response};
    use kube::client::Body;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A server, or something before it, that ends each watch as soon as it begins.
    #[tokio::test]
    async fn a_watch_that_ends_at_once_is_not_begun_at_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        });
        let watches = PodWatches::new(Client::new(service, "shop"), Arc::default(), Arc::new(Metrics::new()));
        let pods = Pods { namespace: "shop".into(), selector: "pod-template-hash=1".into() };
        watches.care(&NsName::new("shop", "a"), &[pods].into());
        let began = Instant::now();
        while asked.load(Ordering::Relaxed) < 3 && began.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (took, asked) = (began.elapsed(), asked.load(Ordering::Relaxed));
        assert!(asked == 3 && took >= Duration::from_millis(600), "{asked} requests in {took:?}");
        watches.clear();
    }
}

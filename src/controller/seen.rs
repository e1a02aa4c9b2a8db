//! One reading of the world, which may serve several steps of one look.
//!
//! It is dropped as soon as a workload was written, the need changed, or [`FRESH`] has passed; it never outlives a look.

use crate::api::ask::{AskId, AskResult};
use crate::api::status::Step;
use crate::api::view::{EvidenceView, TargetView};
use crate::api::{ReleaseStatus, TargetId};
use crate::check::Pool;
use crate::observe::Observer;
use crate::rollout::{Need, ReleaseView};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long one reading serves. Whatever changes meanwhile asks for another look, and a write carries the version that
/// was read.
const FRESH: Duration = Duration::from_secs(1);

/// Workloads as they were read, for which need, and the answers that were there by then.
pub(super) struct Seen {
    need: Need,
    /// See [`Observer::cached`].
    cached: bool,
    at: Instant,
    pub targets: BTreeMap<TargetId, TargetView>,
    pub evidence: BTreeMap<String, EvidenceView>,
    /// Taken with the workloads: a later answer must not be judged by an earlier reading.
    pub results: Vec<AskResult>,
}

impl Seen {
    pub(super) async fn read(observer: &Observer, pool: &Pool, view: &ReleaseView, need: Need) -> Self {
        let (at, cached) = (Instant::now(), !concludes_from_pods(&view.status));
        let targets = async {
            match cached {
                true => observer.cached().targets(view, &need.targets).await,
                false => observer.targets(view, &need.targets).await,
            }
        };
        let evidence = observer.evidence(&view.name.namespace, &need.evidence);
        let (targets, evidence) = futures::join!(targets, evidence);
        Self { need, cached, at, targets, evidence, results: pool.results(&view.name) }
    }

    /// Whether the next step, which needs `need`, may decide on this.
    pub(super) fn serves(&self, view: &ReleaseView, need: &Need) -> bool {
        need.targets.iter().all(|n| self.need.targets.contains(n))
            && need.evidence.iter().all(|n| self.need.evidence.contains(n))
            && self.cached != concludes_from_pods(&view.status)
            && self.at.elapsed() < FRESH
    }

    /// Forgets the answers that a stored status has counted.
    pub(super) fn counted(&mut self, counted: &[AskId]) {
        self.results.retain(|r| !counted.contains(&r.id));
    }
}

/// Whether what pods say may decide how a stage ends. Before its first write they tell digests and restart counts alone.
fn concludes_from_pods(status: &ReleaseStatus) -> bool {
    let step = status.running().map(|r| r.step);
    !matches!(step, None | Some(Step::Preflight | Step::AwaitingPromotion))
}

//! One reading of the world, which may serve several steps of one look.
//!
//! It is dropped as soon as a workload was written, the need changed, or [`FRESH`] has passed; it never outlives a look.

use crate::api::ask::{AskId, AskResult};
use crate::api::hook::{HookLook, HookView};
use crate::api::status::Step;
use crate::api::view::{EvidenceView, TargetView};
use crate::api::{HookId, Reason, ReleaseStatus, TargetId};
use crate::check::Pool;
use crate::hook::Hooks;
use crate::observe::Observer;
use crate::rollout::{Need, ReleaseView};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long one reading serves. Whatever changes meanwhile asks for another look, and a write carries the version that
/// was read.
const FRESH: Duration = Duration::from_secs(1);

/// Workloads as they were read, for which need, and the answers that were there by then.
#[derive(Clone)]
pub(super) struct Seen {
    need: Need,
    /// See [`Observer::cached`].
    cached: bool,
    at: Instant,
    pub targets: BTreeMap<TargetId, TargetView>,
    pub hooks: BTreeMap<HookId, HookView>,
    pub evidence: BTreeMap<String, EvidenceView>,
    /// Taken before the workloads are read: a later answer must not be judged by an earlier reading.
    pub results: Vec<AskResult>,
}

impl Seen {
    pub(super) async fn read(observer: &Observer, hooks: &Hooks, pool: &Pool, view: &ReleaseView, need: Need) -> Self {
        let (at, cached) = (Instant::now(), !concludes_from_pods(&view.status));
        let results = pool.results(&view.name);
        let from = if cached { observer.cached() } else { observer.clone() };
        let evidence = observer.evidence(&view.name.namespace, &need.evidence);
        let hooks = look_at_hooks(observer, hooks, view, &need.hooks);
        let (targets, evidence, hooks) = futures::join!(from.targets(view, &need.targets), evidence, hooks);
        Self { need, cached, at, targets, hooks, evidence, results }
    }

    /// Whether the next step, which needs `need`, may decide on this.
    pub(super) fn serves(&self, view: &ReleaseView, need: &Need) -> bool {
        need.targets.iter().all(|n| self.need.targets.contains(n))
            && need.hooks.iter().all(|n| self.need.hooks.contains(n))
            && need.evidence.iter().all(|n| self.need.evidence.contains(n))
            && self.cached != concludes_from_pods(&view.status)
            && self.at.elapsed() < FRESH
    }

    /// Forgets the answers that a stored status has counted.
    pub(super) fn counted(&mut self, counted: &[AskId]) {
        self.results.retain(|r| !counted.contains(&r.id));
    }
}

/// Nothing is asked of AWS with a role that the Release may not use.
async fn look_at_hooks(
    observer: &Observer,
    hooks: &Hooks,
    view: &ReleaseView,
    looks: &[(HookId, HookLook)],
) -> BTreeMap<HookId, HookView> {
    let (mut seen, mut allowed) = (BTreeMap::new(), Vec::new());
    for (id, look) in looks.iter().cloned() {
        let why = match look.service() {
            Some(service) => observer.barred(view, service).await,
            None => Ok(None),
        };
        let barred = match (why, &look) {
            (Ok(None), _) => {
                allowed.push((id, look));
                continue;
            }
            (Ok(Some(message)), HookLook::Fit(_)) => HookView::Unfit { reason: Reason::PermissionDenied, message },
            (Ok(Some(message)), HookLook::Found(_)) => HookView::Unreachable(message),
            (Err(error), _) => HookView::Unreachable(error.to_string()),
        };
        seen.insert(id, barred);
    }
    seen.extend(hooks.look(&allowed).await);
    seen
}

/// Whether what pods say may decide how a stage ends. Before its first write they tell digests and restart counts alone.
fn concludes_from_pods(status: &ReleaseStatus) -> bool {
    let step = status.running().map(|r| r.step);
    !matches!(step, None | Some(Step::Preflight | Step::AwaitingPromotion | Step::RunningHooks))
}

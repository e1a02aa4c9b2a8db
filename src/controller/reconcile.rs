//! One look at one Release: observe, step, write the status, act, report.
//!
//! Nothing is decided here. Nothing is done before the status that intends it is stored, and nothing without the lease.

use super::clock::Clock;
use super::error::Error;
use super::events::Events;
use super::lease::Leadership;
use super::memory::Memory;
use super::pods::{PodWatches, Pods};
use super::record::Recorder;
use super::status::{Stored, Writer};
use crate::api::effect::{Answer, Effect};
use crate::api::status::Step;
use crate::api::time::Time;
use crate::api::view::TargetView;
use crate::api::{NsName, Release};
use crate::check::Pool;
use crate::observe::{Observer, release_view};
use crate::rollout::{self, Decision, Observed, ReleaseView};
use crate::target::Target;
use crate::telemetry::Metrics;
use kube::ResourceExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::{Instrument, Span, info_span};

/// What every look needs. Shared by all, owned by none.
pub(super) struct Context {
    pub(super) clock: Clock,
    pub(super) memory: Arc<Memory>,
    pub(super) observer: Observer,
    pub(super) writer: Writer,
    pub(super) target: Arc<dyn Target>,
    pub(super) pool: Arc<Pool>,
    pub(super) pods: PodWatches,
    pub(super) events: Events,
    pub(super) metrics: Arc<Metrics>,
    pub(super) recorder: Option<Recorder>,
    pub(super) leadership: watch::Receiver<Leadership>,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Nothing was to be done, and nothing was asked of the API server.
    Rest(Option<Time>),
    /// When to look again although nothing happens.
    Worked(Option<Time>),
    Gone,
}

/// A look that is not at rest after so many steps is interrupted, and taken up again later.
const STEPS: u32 = 40;
/// So many times a Release may change under a decision in one look.
const CONFLICTS: u32 = 5;

/// One look at `name`. `touched`: a workload or pod of it changed since the last one.
pub(super) async fn reconcile(cx: &Context, name: &NsName, touched: bool) -> Result<Outcome, Error> {
    let Some(cached) = cx.memory.release(name) else { return Ok(cx.drop_release(name)) };
    if let Some(again) = at_rest(&cached.view, touched, cx.clock.now()) {
        return Ok(Outcome::Rest(again));
    }
    let Some(mut release) = cx.read(name).await? else { return Ok(cx.drop_release(name)) };
    let (mut answer, mut conflicts) = (None, 0);
    for _ in 0..STEPS {
        cx.lead()?;
        let view = release_view(&release);
        tell(&view);
        let (observed, decision) = cx.decide(&view, touched, answer.take()).await;
        let stored = match cx.store(&release, &view, &decision).await? {
            Some(Stored::Yes(stored)) => Some(*stored),
            Some(Stored::Conflict) if conflicts < CONFLICTS => {
                conflicts += 1;
                answer = observed.answer;
                let Some(now) = cx.read(name).await? else { return Ok(cx.drop_release(name)) };
                release = now;
                continue;
            }
            Some(Stored::Conflict) => return Err(Error::Contended(conflicts)),
            None => None,
        };
        let wrote = stored.is_some();
        release = stored.unwrap_or(release);
        cx.follow(&view, &release, &observed, &decision);
        if let Some(effect) = &decision.effect {
            let (came, now) = cx.act(&release, effect).await?;
            answer = Some(came);
            release = match now {
                Some(now) => now,
                None => match cx.read(name).await? {
                    Some(now) => now,
                    None => return Ok(cx.drop_release(name)),
                },
            };
        } else if !wrote {
            return Ok(Outcome::Worked(decision.again));
        }
    }
    Err(Error::Unsettled(STEPS))
}

/// Nothing to read and nothing to change: when to look again. Costs no request.
fn at_rest(view: &ReleaseView, touched: bool, now: Time) -> Option<Option<Time>> {
    let need = rollout::need(view, touched);
    if need.active || !need.targets.is_empty() {
        return None;
    }
    let decision = rollout::step(view, &Observed::default(), now);
    let changes = decision.status != view.status || decision.effect.is_some() || !decision.asks.is_empty();
    (!changes).then_some(decision.again)
}

impl Context {
    async fn read(&self, name: &NsName) -> Result<Option<Release>, Error> {
        self.observer.release(name).await.map_err(Error::Read)
    }

    async fn decide(&self, view: &ReleaseView, touched: bool, answer: Option<Answer>) -> (Observed, Decision) {
        let need = rollout::need(view, touched);
        let targets = self.observer.targets(view, &need.targets).await;
        let observed = Observed { targets, results: self.pool.results(&view.name), answer };
        let now = self.clock.now();
        let decision = rollout::step(view, &observed, now);
        if let Some(recorder) = &self.recorder {
            recorder.record(view, &observed, now);
        }
        let active = need.active || decision.status.running().is_some();
        self.memory.set_active(&view.name, active);
        self.pods.care(&view.name, &pods(&decision, &observed));
        (observed, decision)
    }

    /// `None`: it stands there already.
    async fn store(&self, release: &Release, view: &ReleaseView, decision: &Decision) -> Result<Option<Stored>, Error> {
        if decision.status == view.status {
            return Ok(None);
        }
        self.lead()?;
        let stored = self.writer.status(release, &decision.status).await?;
        match &stored {
            Stored::Yes(stored) => self.memory.wrote(&view.name, stored.resource_version().as_deref()),
            Stored::Conflict => drop(self.metrics.conflicts.inc()),
        }
        Ok(Some(stored))
    }

    /// What follows from a status that is stored: questions, events, numbers.
    fn follow(&self, before: &ReleaseView, stored: &Release, observed: &Observed, decision: &Decision) {
        let counted = observed.results.iter().filter(|r| decision.counted.contains(&r.id));
        counted.for_each(|r| self.metrics.counted(r.outcome));
        self.pool.forget(&before.name, &decision.counted);
        self.pool.ensure(&before.name, &decision.asks);
        if decision.status == before.status {
            return;
        }
        let after = release_view(stored);
        tell(&after);
        report(&self.metrics, before, &after);
        self.events.announce(&after, &before.status.announced);
    }

    /// Carries out one effect. Also the Release after it, where it is known.
    async fn act(&self, release: &Release, effect: &Effect) -> Result<(Answer, Option<Release>), Error> {
        self.lead()?;
        let (answer, now) = match effect {
            Effect::SetFinalizer => self.writer.finalizer(release, true).await,
            Effect::RemoveFinalizer => {
                let (answer, now) = self.writer.finalizer(release, false).await;
                // A deleted object may be gone with its last finalizer, so it is read.
                (answer, now.filter(|r| r.metadata.deletion_timestamp.is_none()))
            }
            Effect::Write(write) => {
                let span = info_span!("write", stage = %write.stage, target = %write.target);
                let answer = self.target.write(write).instrument(span.clone()).await;
                span.in_scope(
                    || tracing::info!(workload = %write.workload, effect = %write.stamp.effect, ?answer, "wrote"),
                );
                (answer, Some(release.clone()))
            }
        };
        self.metrics.answered(effect, &answer);
        if let Some(now) = now.as_ref().filter(|now| now.resource_version() != release.resource_version()) {
            self.memory.wrote(&super::status::name(release), now.resource_version().as_deref());
        }
        Ok((answer, now))
    }

    /// Asked before every write: leadership is a deadline, and may have passed since the last one.
    fn lead(&self) -> Result<(), Error> {
        if self.leadership.borrow().is_held() { Ok(()) } else { Err(Error::NotLeading) }
    }

    fn drop_release(&self, name: &NsName) -> Outcome {
        self.pool.drop_release(name);
        self.pods.care(name, &BTreeSet::new());
        Outcome::Gone
    }
}

/// The pods worth watching: of the current revision of the stage in work.
fn pods(decision: &Decision, observed: &Observed) -> BTreeSet<Pods> {
    let Some(rollout) = decision.status.running() else { return BTreeSet::new() };
    if matches!(rollout.step, Step::Preflight | Step::AwaitingPromotion | Step::Ended) {
        return BTreeSet::new();
    }
    let of_stage = observed.targets.iter().filter(|(id, _)| Some(&id.stage) == rollout.stage.as_ref());
    let watched = of_stage.filter_map(|(_, view)| match view {
        TargetView::Live(live) => live.revision.as_ref().map(|revision| Pods {
            namespace: live.workload.namespace.clone(),
            selector: format!("pod-template-hash={revision}"),
        }),
        _ => None,
    });
    watched.collect()
}

/// Puts the rollout and stage onto every line that this look logs from here on.
fn tell(view: &ReleaseView) {
    if let Some(rollout) = &view.status.rollout {
        let span = Span::current();
        span.record("rollout", rollout.id.to_string());
        if let Some(stage) = &rollout.stage {
            span.record("stage", stage);
        }
    }
}

/// Says in logs and numbers what changed with a stored status.
fn report(metrics: &Metrics, before: &ReleaseView, after: &ReleaseView) {
    let (old, new) = (&before.status, &after.status);
    for announced in new.announced.iter().filter(|a| old.announced.iter().all(|b| b.name != a.name)) {
        tracing::info!(reason = %announced.reason, warning = announced.warning, "{}", announced.note);
    }
    if let Some(phase) = new.phase.filter(|p| old.phase != Some(*p)) {
        metrics.entered(phase);
        tracing::info!(?phase, message = new.message.as_deref().unwrap_or_default());
    }
    let ended = new.rollout.as_ref().filter(|r| r.step == Step::Ended);
    if let Some(rollout) =
        ended.filter(|r| old.running().is_some() || old.rollout.as_ref().is_none_or(|o| o.id != r.id))
    {
        metrics.ended(rollout, new.phase);
    }
}

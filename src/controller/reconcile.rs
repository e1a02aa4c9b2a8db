//! One look at one Release: observe, step, write the status, act, report.
//!
//! Nothing is decided here. Nothing is done before the status that intends it is stored, and nothing without the lease.

use super::clock::Clock;
use super::error::Error;
use super::events::Events;
use super::lease::Leadership;
use super::memory::Memory;
use super::place::{span, span_of_write};
use super::pods::{self, PodWatches};
use super::record::Recorder;
use super::seen::Seen;
use super::status::{Stored, Writer};
use crate::api::effect::{Answer, Effect};
use crate::api::status::{Rollout, Step};
use crate::api::time::{Duration, Time};
use crate::api::view::{Lookup, Manifest};
use crate::api::{Image, NsName, Release, ReleaseStatus};
use crate::check::Pool;
use crate::hook::Hooks;
use crate::observe::{Observer, release_view};
use crate::rollout::{self, Decision, Observed, ReleaseView};
use crate::target::Target;
use crate::telemetry::Metrics;
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tracing::Instrument;

/// What every look needs. Shared by all, owned by none.
pub(super) struct Context {
    pub(super) clock: Clock,
    pub(super) memory: Arc<Memory>,
    pub(super) observer: Observer,
    pub(super) writer: Writer,
    pub(super) target: Arc<dyn Target>,
    pub(super) hooks: Arc<Hooks>,
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
    Rest,
    /// When to look again although nothing happens.
    Worked(Option<Time>),
    Gone,
}

/// A look that is not at rest after so many steps is interrupted, and taken up again later.
const STEPS: u32 = 40;
/// An event may lead to a look whose reads are older than it, and be the last one: what is waited for without being asked
/// is looked at this often whatever comes.
const SECOND_LOOK: Duration = Duration::from_secs(30);
/// So many times a Release may change under a decision in one look.
const CONFLICTS: u32 = 5;

/// Where one step leaves a look.
enum Turn {
    /// The Release as it stands now: the next step runs at once.
    Next(Box<Release>),
    /// It is not known how the Release stands: it is read again.
    Reread,
    /// The same, because somebody changed it while it was decided on.
    Conflict,
    Settled(Option<Time>),
}

/// What a step leaves for the next one of the same look.
#[derive(Default)]
struct Carried {
    /// What came of its effect.
    answer: Option<Answer>,
    /// What registries said of the images that it asked for.
    images: BTreeMap<Image, Lookup<Manifest>>,
    /// What it saw, while no workload was written since.
    seen: Option<Seen>,
}

/// One look at `name`. `touched`: a workload or pod of it changed since the last one.
pub(super) async fn reconcile(cx: &Context, name: &NsName, touched: bool) -> Result<Outcome, Error> {
    if !cx.memory.knows(name) {
        return Ok(cx.drop_release(name));
    }
    if !touched && cx.memory.rests(name) && !cx.memory.untold(name) {
        return Ok(Outcome::Rest);
    }
    let (mut known, mut carried, mut conflicts) = (None, Carried::default(), 0);
    for _ in 0..STEPS {
        let release = match known.take() {
            Some(release) => release,
            None => match cx.read(name).await? {
                Some(release) => Box::new(release),
                None => return Ok(cx.drop_release(name)),
            },
        };
        let view = release_view(&release);
        cx.tell_what_nobody_heard_of(&view)?;
        let span = span(&view.name, &view.status);
        match cx.turn(*release, view, touched, &mut carried).instrument(span).await? {
            Turn::Next(release) => known = Some(release),
            Turn::Reread => {}
            Turn::Conflict if conflicts == CONFLICTS => return Err(Error::Contended(conflicts)),
            Turn::Conflict => conflicts += 1,
            Turn::Settled(again) => return Ok(Outcome::Worked(again)),
        }
    }
    Err(Error::Unsettled(STEPS))
}

impl Context {
    async fn read(&self, name: &NsName) -> Result<Option<Release>, Error> {
        let release = self.observer.release(name).await.map_err(Error::Read)?;
        let older = |r: &Release| self.memory.knows_newer(name, r.resource_version().as_deref());
        if release.as_ref().is_some_and(older) { Err(Error::Outdated) } else { Ok(release) }
    }

    /// A status write may be stored although its answer said otherwise, or never came, be it of whoever led before.
    fn tell_what_nobody_heard_of(&self, view: &ReleaseView) -> Result<(), Error> {
        self.lead()?;
        if self.memory.tell(view) {
            self.events.announce_again(view, self.clock.now());
        }
        Ok(())
    }

    /// Observe, step, write the status, report, act.
    async fn turn(
        &self,
        mut release: Release,
        view: ReleaseView,
        touched: bool,
        carried: &mut Carried,
    ) -> Result<Turn, Error> {
        self.lead()?;
        let (observed, mut seen) = self.observe(&view, touched, std::mem::take(carried)).await;
        let decision = self.step(&view, &observed);
        let wrote = match self.store(&release, &view, &decision).await? {
            Some(Stored::Yes(stored)) => {
                release = *stored;
                true
            }
            Some(Stored::Conflict) => {
                (carried.answer, carried.images) = (observed.answer, observed.images);
                return Ok(Turn::Conflict);
            }
            None => false,
        };
        self.report(&view, &release, &observed, &decision);
        seen.counted(&decision.counted);
        carried.seen = Some(seen).filter(|_| !decision.effect.as_ref().is_some_and(Effect::outdates));
        let Some(effect) = &decision.effect else {
            if !decision.look_up.is_empty() {
                carried.images = self.observer.images(&view, &decision.look_up).await;
                return Ok(Turn::Next(Box::new(release)));
            }
            return Ok(if wrote { Turn::Next(Box::new(release)) } else { Turn::Settled(self.again(&decision)) });
        };
        let (came, now) = self.act(&release, effect).instrument(span(&view.name, &decision.status)).await?;
        carried.answer = Some(came);
        Ok(now.map_or(Turn::Reread, |now| Turn::Next(Box::new(now))))
    }

    fn again(&self, decision: &Decision) -> Option<Time> {
        let waits = |r: &Rollout| matches!(r.step, Step::Rolling | Step::Restoring);
        let second = decision.status.running().filter(|r| waits(r)).map(|_| self.clock.now().plus(SECOND_LOOK));
        [decision.again, second].into_iter().flatten().min()
    }

    async fn observe(&self, view: &ReleaseView, touched: bool, carried: Carried) -> (Observed, Seen) {
        let need = rollout::need(view, touched);
        self.memory.set_active(&view.name, need.active);
        let seen = match carried.seen.filter(|s| s.serves(view, &need)) {
            Some(seen) => seen,
            None => Seen::read(&self.observer, &self.hooks, &self.pool, view, need).await,
        };
        let Seen { targets, hooks, evidence, results, .. } = seen.clone();
        (Observed { targets, hooks, images: carried.images, evidence, results, answer: carried.answer }, seen)
    }

    fn step(&self, view: &ReleaseView, observed: &Observed) -> Decision {
        let now = self.clock.now();
        if let Some(recorder) = &self.recorder {
            recorder.record(view, observed, now);
        }
        rollout::step(view, observed, now)
    }

    /// `None`: it stands there already.
    async fn store(&self, release: &Release, view: &ReleaseView, decision: &Decision) -> Result<Option<Stored>, Error> {
        if decision.status == view.status {
            return Ok(None);
        }
        self.lead()?;
        let announced = self.events.kept(&view.status.announced, &decision.status.announced);
        let stored = self.writer.status(release, &ReleaseStatus { announced, ..decision.status.clone() }).await?;
        match &stored {
            Stored::Yes(stored) => self.memory.wrote(&view.name, stored.resource_version().as_deref()),
            Stored::Conflict => drop(self.metrics.conflicts.inc()),
        }
        Ok(Some(stored))
    }

    /// What follows from a status that is stored: questions, watches, numbers, log lines, events.
    fn report(&self, before: &ReleaseView, stored: &Release, observed: &Observed, decision: &Decision) {
        let counted = observed.results.iter().filter(|r| decision.counted.contains(&r.id));
        counted.for_each(|r| self.metrics.counted(r.outcome));
        self.pool.forget(&before.name, &decision.counted);
        if !decision.hold {
            self.pool.ensure(&before.name, &decision.asks);
        }
        self.pods.care(&before.name, &pods::worth_watching(decision, observed));
        if decision.status != before.status {
            let after = release_view(stored);
            span(&after.name, &after.status).in_scope(|| tell(&self.metrics, before, &after));
            self.memory.tell(&after);
            self.events.announce(&after, &before.status.announced);
        }
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
                let span = span_of_write(&super::status::name(release), write);
                let answer = self.target.write(write).instrument(span.clone()).await;
                if let Some(service) = write.workload.ecs() {
                    self.observer.forget(service);
                }
                span.in_scope(
                    || tracing::info!(workload = %write.workload, effect = %write.stamp.effect, ?answer, "wrote"),
                );
                (answer, Some(release.clone()))
            }
            Effect::DeletePod(pod) => {
                let answer = self.target.delete_pod(pod).await;
                tracing::info!(pod = %pod.pod, uid = %pod.uid, workload = %pod.workload, ?answer, "deleted a stuck pod");
                (answer, Some(release.clone()))
            }
            Effect::RunHook(run) => {
                let answer = self.hooks.run(run).await;
                tracing::info!(effect = %run.effect(), ?answer, "began a hook");
                (answer, Some(release.clone()))
            }
            Effect::StopHook(stop) => (self.hooks.stop(stop).await, Some(release.clone())),
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

/// Says in logs and numbers what changed with a stored status.
fn tell(metrics: &Metrics, before: &ReleaseView, after: &ReleaseView) {
    let (old, new) = (&before.status, &after.status);
    for announced in new.announced.iter().filter(|a| old.announced.iter().all(|b| b.name != a.name)) {
        let reason = announced.reason;
        if announced.warning {
            tracing::warn!(%reason, "{}", announced.note);
        } else {
            tracing::info!(%reason, "{}", announced.note);
        }
    }
    if let Some(phase) = new.phase.filter(|p| old.phase != Some(*p)) {
        metrics.entered(phase);
        tracing::info!(?phase, "{}", new.message.as_deref().unwrap_or_default());
    }
    let ended = new.rollout.as_ref().filter(|r| r.step == Step::Ended);
    let before = |id| old.running().is_some() || old.rollout.as_ref().is_none_or(|o| o.id != id);
    if let Some(rollout) = ended.filter(|r| before(r.id)) {
        metrics.ended(rollout, new.phase);
    }
}

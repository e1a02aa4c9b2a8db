//! The loop that takes Releases from the queue and looks at them, many at once, while this replica leads.

use super::error::Error;
use super::events;
use super::health::Health;
use super::lease::{held, lost};
use super::queue::{Job, Queue};
use super::reconcile::{Context, Outcome, reconcile};
use super::watch::{Watches, back_off, chain};
use crate::api::NsName;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tracing::{Instrument, info_span};

pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) queue: Arc<Queue>,
    pub(super) watches: Arc<Watches>,
    pub(super) health: Arc<Health>,
    /// Looks at once.
    pub(super) concurrency: usize,
    failures: Mutex<HashMap<NsName, u32>>,
}

/// The longest that one look may take; every request in it has a shorter deadline of its own.
const LOOK: Duration = Duration::from_secs(120);
/// How often the loop proves that it turns.
const BEAT: Duration = Duration::from_secs(1);
/// What needs a person is tried again this often.
const STUBBORN: Duration = Duration::from_secs(30);

impl Work {
    pub(super) fn new(
        context: Arc<Context>,
        queue: Arc<Queue>,
        watches: Arc<Watches>,
        health: Arc<Health>,
        concurrency: usize,
    ) -> Arc<Self> {
        Arc::new(Self { context, queue, watches, health, concurrency: concurrency.max(1), failures: Mutex::default() })
    }

    /// Works until `stop`, then finishes what is under way within `grace`.
    pub(super) async fn run(self: Arc<Self>, stop: impl Future<Output = ()>, grace: Duration) {
        let mut running = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let mut leadership = self.context.leadership.clone();
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.beat() => {}
                () = async { self.synced().await; held(&mut leadership).await } => {}
            }
            self.seed();
            let mut lost_it = self.context.leadership.clone();
            tokio::select! {
                () = &mut stop => break,
                () = lost(&mut lost_it) => tracing::warn!("not leading"),
                () = self.dispatch(&mut running) => {}
            }
            self.context.metrics.leader.set(0);
            // Whoever leads next asks anew; two of us asking would tell the applications' owners lies about load.
            self.context.memory.names().iter().for_each(|n| self.context.pool.drop_release(n));
            self.context.pods.clear();
        }
        let finished = timeout(grace, async { while running.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(
                unfinished = running.len(),
                "stopping with work under way; whoever leads next goes on from the status"
            );
        }
    }

    /// Looks at everything once: nobody knows what changed while nobody led.
    fn seed(&self) {
        let cx = &self.context;
        cx.metrics.leader.set(1);
        let now = cx.clock.now();
        cx.memory.tell_again(|at| events::fresh(at, now));
        let names = cx.memory.names();
        tracing::info!(releases = names.len(), "working");
        for name in names {
            self.queue.add(&name, Instant::now(), cx.memory.changed_unseen(&name));
        }
    }

    async fn dispatch(self: &Arc<Self>, running: &mut JoinSet<()>) {
        let mut beat = interval(BEAT);
        loop {
            tokio::select! {
                _ = beat.tick() => self.measure(),
                Some(_) = running.join_next() => {}
                job = self.queue.next(), if running.len() < self.concurrency => {
                    let work = self.clone();
                    running.spawn(async move { work.look(job).await });
                }
            }
        }
    }

    async fn look(&self, job: Job) {
        let started = Instant::now();
        self.context.memory.look_begins(&job.name);
        let look = reconcile(&self.context, &job.name, job.touched);
        let looked = timeout(LOOK, look.instrument(info_span!("look", release = %job.name))).await;
        let outcome = looked.unwrap_or(Err(Error::TimedOut { after: LOOK }));
        if self.context.memory.look_ends(&job.name) {
            self.queue.add(&job.name, Instant::now(), false);
        }
        let category = match &outcome {
            Ok(Outcome::Rest) => "rest",
            Ok(Outcome::Worked(_)) => "work",
            Ok(Outcome::Gone) => "gone",
            Err(error) => error.category(),
        };
        self.context.metrics.reconciled(category, job.waited, started.elapsed());
        let again = match outcome {
            Ok(outcome) => {
                self.failures().remove(&job.name);
                match outcome {
                    Outcome::Worked(again) => again.map(|at| self.context.clock.instant(at)),
                    Outcome::Rest | Outcome::Gone => None,
                }
            }
            // Whoever leads next begins with everything; if that is this replica, before it noticed, with this.
            Err(Error::NotLeading) => {
                self.queue.add(&job.name, Instant::now() + BEAT, job.touched);
                None
            }
            Err(error) => {
                let place = self.context.memory.place(&job.name);
                let at = place.span(&job.name).in_scope(|| self.failed(&job, &error));
                self.queue.add(&job.name, at, job.touched);
                None
            }
        };
        self.queue.done(&job.name, again);
    }

    /// When to try again.
    fn failed(&self, job: &Job, error: &Error) -> Instant {
        let failures = {
            let mut all = self.failures();
            let failures = all.entry(job.name.clone()).or_default();
            *failures += 1;
            *failures
        };
        tracing::warn!(category = error.category(), error = %chain(error), failures, "a look failed; trying again");
        let wait = back_off(failures);
        Instant::now() + if error.is_transient() { wait } else { wait.max(STUBBORN.min(wait * 10)) }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<NsName, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn synced(&self) {
        while !self.watches.synced() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A replica that does not work proves that it could. Never returns.
    async fn beat(&self) {
        let mut beat = interval(BEAT);
        loop {
            beat.tick().await;
            // Its first look will be at everything; until then triggers would only pile up.
            self.queue.clear();
            self.measure();
        }
    }

    fn measure(&self) {
        let leading = self.context.leadership.borrow().is_held();
        let (due, oldest) = self.queue.overdue();
        self.health.beat(if leading { oldest } else { Duration::ZERO });
        self.context.metrics.queue_depth.set(i64::try_from(due).unwrap_or(i64::MAX));
        self.context.metrics.releases.set(i64::try_from(self.context.memory.count()).unwrap_or(i64::MAX));
    }
}

//! Rounds run beside reconcile: started, limited, cancelled here, and their results kept until they are counted.
//!
//! Memory only. After a restart nothing is under way, and what should be is simply asked for again.

use super::directory::Directory;
use super::guard::Policy;
use super::http::Http;
use super::queue::{Job, Queue};
use super::resolve::{Dns, Resolver};
use super::round::Rounds;
use super::tls::Roots;
use super::verdict::Verdict;
use crate::api::ask::{Ask, AskId, AskResult, Outcome, Query};
use crate::api::{NsName, Time};
use futures::future::Abortable;
use futures::stream::AbortHandle;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, TryCurrentError};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{Id, JoinError, JoinSet};

/// How much is asked at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rounds at once in all. Default 64.
    pub rounds: usize,
    /// Rounds at once of one namespace's Releases. Default 8.
    pub rounds_per_namespace: usize,
    /// Loads at once in all; they take no place of a round. Default 4.
    pub loads: usize,
    /// Loads at once of one namespace's Releases. Default 1: two would measure each other.
    pub loads_per_namespace: usize,
    /// Pods at once in one round. Default 8.
    pub requests_per_round: usize,
    /// During a load: from one look at whom it is put on to the next. Default 5 s.
    pub recheck: Duration,
    /// For one lookup in the cluster. Default 10 s.
    pub lookup: Duration,
}

/// How the world outside of the cluster is found and trusted.
#[derive(Clone)]
pub struct Outside {
    pub resolver: Arc<dyn Resolver>,
    pub roots: Roots,
}

/// Tells when a result was there. It must be the clock that decisions are taken by.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("the HTTP client for checks could not be made")]
    Client(#[from] reqwest::Error),
    #[error("checks need a tokio runtime")]
    Runtime(#[from] TryCurrentError),
}

/// The rounds of all Releases. Dropping it stops them all.
pub struct Pool {
    shared: Arc<Shared>,
    worker: tokio::task::AbortHandle,
}

/// Loads wait in a line of their own: they are long, and a health check is urgent.
struct Shared {
    rounds: Mutex<Queue>,
    loads: Mutex<Queue>,
    changed: Notify,
}

impl Pool {
    /// `wake` is sent the Release of each result as it comes.
    pub fn new(
        directory: Arc<dyn Directory>,
        outside: Outside,
        policy: Policy,
        limits: Limits,
        wake: UnboundedSender<NsName>,
    ) -> Result<Self, PoolError> {
        Self::with_clock(directory, outside, policy, limits, wake, Arc::new(|| Time::new(jiff::Timestamp::now())))
    }

    /// As [`Pool::new`], with another clock than the machine's.
    pub fn with_clock(
        directory: Arc<dyn Directory>,
        outside: Outside,
        policy: Policy,
        limits: Limits,
        wake: UnboundedSender<NsName>,
        clock: Clock,
    ) -> Result<Self, PoolError> {
        let runtime = Handle::try_current()?;
        let (http, resolver) = (Http::new(outside.roots)?, outside.resolver);
        let rounds = Rounds { directory, resolver, http, policy: Arc::new(policy), limits };
        let shared = Arc::new(Shared { rounds: Mutex::default(), loads: Mutex::default(), changed: Notify::new() });
        let worker = Worker { shared: shared.clone(), rounds, wake, clock, set: JoinSet::new(), jobs: HashMap::new() };
        Ok(Self { shared, worker: runtime.spawn(worker.run()).abort_handle() })
    }

    /// Makes `asks` the questions that are under way for `release`: starts what is missing, cancels the others. What
    /// is finished stays, whether it is among `asks` or not, and is not asked again.
    pub fn ensure(&self, release: &NsName, asks: &[Ask]) {
        let (loads, rounds): (Vec<Ask>, Vec<Ask>) = asks.iter().cloned().partition(is_load);
        self.shared.rounds().ensure(release, &rounds);
        self.shared.loads().ensure(release, &loads);
        self.shared.changed.notify_one();
    }

    /// What is finished and not yet forgotten.
    pub fn results(&self, release: &NsName) -> Vec<AskResult> {
        let mut results = self.shared.rounds().results(release);
        results.extend(self.shared.loads().results(release));
        results
    }

    /// Forgets results that were counted, or that count no more.
    pub fn forget(&self, release: &NsName, ids: &[AskId]) {
        self.shared.rounds().forget(release, ids);
        self.shared.loads().forget(release, ids);
    }

    /// Cancels and forgets everything of a Release that is gone.
    pub fn drop_release(&self, release: &NsName) {
        self.shared.rounds().drop_release(release);
        self.shared.loads().drop_release(release);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Default for Outside {
    /// As the machine finds and trusts it.
    fn default() -> Self {
        Self { resolver: Arc::new(Dns::system()), roots: Roots::System }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds: 64,
            rounds_per_namespace: 8,
            loads: 4,
            loads_per_namespace: 1,
            requests_per_round: 8,
            recheck: Duration::from_secs(5),
            lookup: Duration::from_secs(10),
        }
    }
}

impl Shared {
    fn rounds(&self) -> MutexGuard<'_, Queue> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn loads(&self) -> MutexGuard<'_, Queue> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The next that may start, a round before a load.
    fn start(&self, limits: &Limits, abort: &AbortHandle) -> Option<Job> {
        let round = self.rounds().start(limits.rounds.max(1), limits.rounds_per_namespace.max(1), abort);
        round.or_else(|| self.loads().start(limits.loads.max(1), limits.loads_per_namespace.max(1), abort))
    }
    fn finish(&self, job: &Job, result: Option<AskResult>) -> bool {
        let mut queue = if is_load(&job.ask) { self.loads() } else { self.rounds() };
        queue.finish(job, result)
    }
}

fn is_load(ask: &Ask) -> bool {
    matches!(ask.query, Query::Load(_))
}

/// Owns the running rounds.
struct Worker {
    shared: Arc<Shared>,
    rounds: Rounds,
    wake: UnboundedSender<NsName>,
    clock: Clock,
    set: JoinSet<Option<Verdict>>,
    jobs: HashMap<Id, Job>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            self.start();
            let shared = self.shared.clone();
            tokio::select! {
                () = shared.changed.notified() => {}
                Some(done) = self.set.join_next_with_id() => self.finish(done),
            }
        }
    }

    fn start(&mut self) {
        loop {
            let (abort, registration) = AbortHandle::new_pair();
            let Some(job) = self.shared.start(&self.rounds.limits, &abort) else { return };
            let (rounds, ask) = (self.rounds.clone(), job.ask.clone());
            let round = async move { rounds.run(&ask).await };
            let task = self.set.spawn(async { Abortable::new(round, registration).await.ok() });
            self.jobs.insert(task.id(), job);
        }
    }

    fn finish(&mut self, done: Result<(Id, Option<Verdict>), JoinError>) {
        let (id, verdict) = match done {
            Ok(done) => done,
            // Only a defect ends here; without a result the Release would wait for ever.
            Err(broken) => {
                let verdict = Verdict::new(Outcome::Error, "the round broke off by a defect of the controller");
                (broken.id(), Some(verdict))
            }
        };
        let Some(job) = self.jobs.remove(&id) else { return };
        let at = (self.clock)();
        let id = job.ask.id.clone();
        let result =
            verdict.map(|Verdict { outcome, message, measured }| AskResult { id, outcome, message, measured, at });
        if self.shared.finish(&job, result) {
            // Nobody listens only while the process is stopping.
            let _ = self.wake.send(job.release);
        }
    }
}

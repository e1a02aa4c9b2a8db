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
    /// Smoke tests that are Jobs, at once in all. Default 32.
    pub jobs: usize,
    /// The same of one namespace's Releases. Default 4.
    pub jobs_per_namespace: usize,
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

/// Loads and Jobs wait in lines of their own: they are long, and a health check is urgent.
struct Shared {
    rounds: Mutex<Queue>,
    loads: Mutex<Queue>,
    jobs: Mutex<Queue>,
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
        let shared = Arc::new(Shared {
            rounds: Mutex::default(),
            loads: Mutex::default(),
            jobs: Mutex::default(),
            changed: Notify::new(),
        });
        let worker = Worker { shared: shared.clone(), rounds, wake, clock, set: JoinSet::new(), jobs: HashMap::new() };
        Ok(Self { shared, worker: runtime.spawn(worker.run()).abort_handle() })
    }

    /// Makes `asks` the questions that are under way for `release`: starts what is missing, cancels the others. What
    /// is finished stays, whether it is among `asks` or not, and is not asked again.
    pub fn ensure(&self, release: &NsName, asks: &[Ask]) {
        for line in LINES {
            let those: Vec<Ask> = asks.iter().filter(|a| line_of(a) == line).cloned().collect();
            self.shared.line(line).ensure(release, &those);
        }
        self.shared.changed.notify_one();
    }

    /// What is finished and not yet forgotten.
    pub fn results(&self, release: &NsName) -> Vec<AskResult> {
        LINES.iter().flat_map(|line| self.shared.line(*line).results(release)).collect()
    }

    /// Forgets results that were counted, or that count no more.
    pub fn forget(&self, release: &NsName, ids: &[AskId]) {
        LINES.iter().for_each(|line| self.shared.line(*line).forget(release, ids));
    }

    /// Cancels and forgets everything of a Release that is gone.
    pub fn drop_release(&self, release: &NsName) {
        LINES.iter().for_each(|line| self.shared.line(*line).drop_release(release));
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
            jobs: 32,
            jobs_per_namespace: 4,
            requests_per_round: 8,
            recheck: Duration::from_secs(5),
            lookup: Duration::from_secs(10),
        }
    }
}

/// Where a question waits for its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Rounds,
    Loads,
    Jobs,
}

/// In the order in which they are begun.
const LINES: [Line; 3] = [Line::Rounds, Line::Loads, Line::Jobs];

fn line_of(ask: &Ask) -> Line {
    match ask.query {
        Query::Load(_) => Line::Loads,
        Query::Job(_) => Line::Jobs,
        Query::Http(_) | Query::Tcp(_) | Query::Grpc(_) | Query::Prometheus(_) | Query::Cloudwatch(_) => Line::Rounds,
    }
}

impl Shared {
    fn line(&self, line: Line) -> MutexGuard<'_, Queue> {
        let line = match line {
            Line::Rounds => &self.rounds,
            Line::Loads => &self.loads,
            Line::Jobs => &self.jobs,
        };
        line.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The next that may start.
    fn start(&self, limits: &Limits, abort: &AbortHandle) -> Option<Job> {
        LINES.iter().find_map(|line| {
            let (all, each) = match line {
                Line::Rounds => (limits.rounds, limits.rounds_per_namespace),
                Line::Loads => (limits.loads, limits.loads_per_namespace),
                Line::Jobs => (limits.jobs, limits.jobs_per_namespace),
            };
            self.line(*line).start(all.max(1), each.max(1), abort)
        })
    }
    fn finish(&self, job: &Job, result: Option<AskResult>) -> bool {
        self.line(line_of(&job.ask)).finish(job, result)
    }
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

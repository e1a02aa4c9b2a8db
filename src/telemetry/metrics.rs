//! Counters and histograms with fixed labels: never a Release's name, because their number must not grow with the cluster.

use crate::api::ask::Outcome;
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::status::Rollout;
use crate::api::{Phase, Reason};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::time::Duration;

type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Counters<1>,
    reconcile_seconds: Histogram,
    queue_seconds: Histogram,
    phases: Counters<1>,
    ended: Counters<2>,
    rollout_seconds: Histograms<1>,
    restores: Counters<1>,
    effects: Counters<2>,
    rounds: Counters<1>,
    events: Counters<1>,
    watch_errors: Counters<1>,
    requests: Histograms<2>,
    /// Status writes that met a newer version.
    pub conflicts: Counter,
    /// Releases that could not be decoded.
    pub unreadable: Counter,
    pub leader: Gauge,
    pub releases: Gauge,
    pub queue_depth: Gauge,
    pub pod_watches: Gauge,
    tasks: Gauge,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    Published,
    /// It was there already.
    Known,
    Failed,
    /// More than could be published were waiting.
    Dropped,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut r = Registry::with_prefix("tidegate");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        r.register("build", "The running version", Info::new(version));
        Self {
            reconciles: add(&mut r, "reconciles", "Looks at a Release, by outcome", Family::default()),
            reconcile_seconds: add(&mut r, "reconcile_seconds", "Length of a look that asked the API server", short()),
            queue_seconds: add(&mut r, "queue_seconds", "How long a Release was due before it was looked at", short()),
            phases: add(&mut r, "phase_transitions", "Phases entered", Family::default()),
            ended: add(&mut r, "rollouts_ended", "Rollouts ended, by phase and reason", Family::default()),
            rollout_seconds: add(
                &mut r,
                "rollout_seconds",
                "Start to end of a rollout, waiting for people included",
                Family::new_with_constructor(long as fn() -> Histogram),
            ),
            restores: add(&mut r, "restores", "Restores, by what became of them", Family::default()),
            effects: add(&mut r, "effects", "Changes asked of the API server, by answer", Family::default()),
            rounds: add(&mut r, "check_rounds", "Rounds of checks counted, by outcome", Family::default()),
            events: add(&mut r, "events", "Events, by what became of them", Family::default()),
            watch_errors: add(&mut r, "watch_errors", "Watches that failed", Family::default()),
            requests: add(
                &mut r,
                "api_request_seconds",
                "Requests to the API server, watches apart",
                Family::new_with_constructor(short as fn() -> Histogram),
            ),
            conflicts: add(&mut r, "status_conflicts", "Status writes that met a newer version", Counter::default()),
            unreadable: add(&mut r, "unreadable_releases", "Releases that could not be decoded", Counter::default()),
            leader: add(&mut r, "leader", "1 while this replica may act", Gauge::default()),
            releases: add(&mut r, "releases", "Releases known", Gauge::default()),
            queue_depth: add(&mut r, "queue_depth", "Releases that are due and not looked at yet", Gauge::default()),
            pod_watches: add(&mut r, "pod_watches", "Watches on pods", Gauge::default()),
            tasks: add(&mut r, "tasks", "Asynchronous tasks that are alive", Gauge::default()),
            registry: r,
        }
    }

    /// In the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// `outcome`: `rest`, `work`, `gone`, or an error's category.
    pub fn reconciled(&self, outcome: &'static str, waited: Duration, took: Duration) {
        self.reconciles.get_or_create(&[("outcome", outcome.to_owned())]).inc();
        self.queue_seconds.observe(waited.as_secs_f64());
        if outcome != "rest" {
            self.reconcile_seconds.observe(took.as_secs_f64());
        }
    }
    pub fn entered(&self, phase: Phase) {
        self.phases.get_or_create(&[("phase", format!("{phase:?}"))]).inc();
    }
    pub fn ended(&self, rollout: &Rollout, phase: Option<Phase>) {
        let phase = phase.map_or_else(String::new, |p| format!("{p:?}"));
        let reason = rollout.reason.map_or_else(String::new, |r| r.to_string());
        self.ended.get_or_create(&[("phase", phase.clone()), ("reason", reason)]).inc();
        let took = rollout.ended_at.unwrap_or(rollout.started_at).since(rollout.started_at).std();
        self.rollout_seconds.get_or_create(&[("phase", phase)]).observe(took.as_secs_f64());
    }
    /// Counts only reasons that say what became of a restore.
    pub fn announced(&self, reason: Reason) {
        if matches!(
            reason,
            Reason::RolledBack | Reason::RollbackFailed | Reason::RollbackBlocked | Reason::RollbackForbidden
        ) {
            self.restores.get_or_create(&[("outcome", reason.to_string())]).inc();
        }
    }
    pub fn answered(&self, effect: &Effect, answer: &Answer) {
        let effect = match effect {
            Effect::SetFinalizer => "setFinalizer",
            Effect::RemoveFinalizer => "removeFinalizer",
            Effect::Write(_) => "write",
            Effect::DeletePod(_) => "deletePod",
            Effect::RunHook(_) => "runHook",
            Effect::StopHook(_) => "stopHook",
        };
        let answer = match answer {
            Answer::Applied { .. } => "applied",
            Answer::Created { .. } => "created",
            Answer::Stopping { .. } => "stopping",
            Answer::Deleted => "deleted",
            Answer::Ambiguous { .. } => "ambiguous",
            Answer::Refused { kind: Refused::Conflict, .. } => "conflict",
            Answer::Refused { kind: Refused::Gone, .. } => "gone",
            Answer::Refused { kind: Refused::Forbidden, .. } => "forbidden",
            Answer::Refused { kind: Refused::Invalid, .. } => "invalid",
            Answer::Refused { kind: Refused::Throttled, .. } => "throttled",
            Answer::Refused { kind: Refused::NoCapacity, .. } => "noCapacity",
        };
        self.effects.get_or_create(&[("effect", effect.to_owned()), ("answer", answer.to_owned())]).inc();
    }
    pub fn counted(&self, outcome: Outcome) {
        self.rounds.get_or_create(&[("outcome", format!("{outcome:?}"))]).inc();
    }
    pub fn event(&self, outcome: EventOutcome) {
        self.events.get_or_create(&[("outcome", format!("{outcome:?}"))]).inc();
    }
    pub fn watch_error(&self, resource: &'static str) {
        self.watch_errors.get_or_create(&[("resource", resource.to_owned())]).inc();
    }
    /// `what`: what was asked, such as `status`; `outcome`: `ok` or an error's category.
    pub fn requested(&self, what: &'static str, outcome: &'static str, took: Duration) {
        let labels = [("request", what.to_owned()), ("outcome", outcome.to_owned())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
/// 1 ms to 16 s.
fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}
/// 1 s to 36 h.
fn long() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 18))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_and_labelled() {
        let metrics = Metrics::new();
        metrics.reconciled("work", Duration::from_millis(3), Duration::from_millis(20));
        metrics.announced(Reason::RollbackFailed);
        metrics.announced(Reason::Drifted);
        metrics.answered(&Effect::SetFinalizer, &Answer::Ambiguous { message: String::new() });
        metrics.counted(Outcome::NoData);
        metrics.leader.set(1);
        let text = metrics.encode().unwrap();
        for line in [
            "tidegate_reconciles_total{outcome=\"work\"} 1",
            "tidegate_restores_total{outcome=\"RollbackFailed\"} 1",
            "tidegate_effects_total{effect=\"setFinalizer\",answer=\"ambiguous\"} 1",
            "tidegate_check_rounds_total{outcome=\"NoData\"} 1",
            "tidegate_leader 1",
            "tidegate_reconcile_seconds_count 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("Drifted"), "{text}");
    }
}

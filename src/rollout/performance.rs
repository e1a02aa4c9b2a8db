//! Judging a load by its thresholds.

use crate::api::ask::Outcome;
use crate::api::spec::{LatencyLimit, Percent, PerformanceCheck, ShareLimit};
use crate::api::status::Measured;
use crate::api::text::tidy;

/// A difference of so many microseconds is noise, whatever share of a short time it is.
const NOISE: i64 = 1000;

/// Characters of what is said of one load.
const MAX_MESSAGE: usize = 400;

/// What a new version is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Old<'a> {
    /// Nothing was written: what runs is the old version itself, and there is nothing to compare.
    Same,
    Measured(&'a Measured),
    /// Why nobody knows.
    Unknown(&'a str),
}

/// `said`: how the load went, in words.
pub(super) fn judge(check: &PerformanceCheck, found: &Measured, old: Old, said: &str) -> (Outcome, String) {
    let limits = limits(check);
    let mut broken = Vec::new();
    let mut doubts = Vec::new();
    for limit in &limits {
        match limit.verdict(found, old) {
            Verdict::Kept => {}
            Verdict::Broken(why) => broken.push(why),
            Verdict::Doubtful(why) => doubts.push(why),
        }
    }
    let (outcome, what) = if !broken.is_empty() {
        (Outcome::Fail, broken)
    } else if !doubts.is_empty() {
        (Outcome::NoData, doubts)
    } else {
        (Outcome::Pass, limits.iter().map(|l| format!("{} {}", l.name(), l.value(found))).collect())
    };
    (outcome, tidy(&format!("{}; {said}", what.join(", ")), MAX_MESSAGE))
}

/// Why `old` is nothing to compare with, if it is not.
pub(super) fn incomparable(check: &PerformanceCheck, old: &Measured) -> Option<String> {
    let compared = limits(check).into_iter().filter(|l| l.compares());
    compared.into_iter().find_map(|l| match l.verdict(old, Old::Measured(old)) {
        Verdict::Kept => None,
        Verdict::Broken(why) | Verdict::Doubtful(why) => Some(why),
    })
}

enum Limit<'a> {
    Latency { name: &'static str, share: f64, limit: &'a LatencyLimit },
    Errors(&'a ShareLimit),
    Throughput(i32),
}

enum Verdict {
    Kept,
    Broken(String),
    Doubtful(String),
}

fn limits(check: &PerformanceCheck) -> Vec<Limit<'_>> {
    let t = &check.thresholds;
    let latencies = [("p50", 0.5, &t.p50), ("p90", 0.9, &t.p90), ("p95", 0.95, &t.p95), ("p99", 0.99, &t.p99)];
    let latencies = latencies.into_iter().filter_map(|(name, share, limit)| {
        let limit = limit.as_ref()?;
        Some(Limit::Latency { name, share, limit })
    });
    let errors = t.error_rate.iter().map(Limit::Errors);
    let throughput = t.throughput.iter().map(|l| Limit::Throughput(l.min));
    latencies.chain(errors).chain(throughput).collect()
}

impl Limit<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Latency { name, .. } => name,
            Self::Errors(_) => "errorRate",
            Self::Throughput(_) => "throughput",
        }
    }

    fn compares(&self) -> bool {
        match self {
            Self::Latency { limit, .. } => limit.max_increase.is_some(),
            Self::Errors(limit) => limit.max_increase.is_some(),
            Self::Throughput(_) => false,
        }
    }

    fn value(&self, found: &Measured) -> String {
        match self {
            Self::Latency { .. } => self.latency(found).map_or_else(|| "none".to_owned(), time),
            Self::Errors(_) => percent(found.error_rate()),
            Self::Throughput(_) => format!("{:.1}/s", found.throughput()),
        }
    }

    fn latency(&self, of: &Measured) -> Option<i64> {
        match self.name() {
            "p50" => of.p50,
            "p90" => of.p90,
            "p95" => of.p95,
            _ => of.p99,
        }
    }

    /// Below so many requests it says nothing.
    fn least(&self) -> i32 {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "at most 100")]
            Self::Latency { share, .. } => (1.0 / (1.0 - share)).round() as i32,
            Self::Errors(_) | Self::Throughput(_) => 1,
        }
    }

    fn verdict(&self, found: &Measured, old: Old) -> Verdict {
        let (name, least) = (self.name(), self.least());
        if found.requests < least {
            return Verdict::Doubtful(format!("{name} needs at least {least} requests, and {} count", found.requests));
        }
        match self {
            Self::Latency { limit, .. } => self.of_latency(limit, found, old),
            Self::Errors(limit) => of_errors(limit, found, old),
            Self::Throughput(min) if found.throughput() < f64::from(*min) => {
                Verdict::Broken(format!("throughput is {}, less than {min}/s", self.value(found)))
            }
            Self::Throughput(_) => Verdict::Kept,
        }
    }

    fn of_latency(&self, limit: &LatencyLimit, found: &Measured, old: Old) -> Verdict {
        let name = self.name();
        let Some(value) = self.latency(found) else {
            let rate = percent(found.error_rate());
            return Verdict::Broken(format!("{name} has no value, since {rate} of the requests got no right answer"));
        };
        if let Some(max) = limit.max.filter(|max| value > max.millis().saturating_mul(1000)) {
            return Verdict::Broken(format!("{name} is {}, more than {max}", time(value)));
        }
        let Some(increase) = limit.max_increase else { return Verdict::Kept };
        let before = match old {
            Old::Same => return Verdict::Kept,
            Old::Unknown(why) => return incomparably(name, why),
            Old::Measured(old) => self.latency(old),
        };
        let Some(before) = before else { return incomparably(name, "it answered too few requests rightly") };
        let more = (value - before) as f64;
        if more > (before as f64 * increase.share()).max(NOISE as f64) {
            let (value, by) = (time(value), percent(more / (before.max(1) as f64)));
            return Verdict::Broken(higher(name, &value, &by, &time(before), increase));
        }
        Verdict::Kept
    }
}

fn of_errors(limit: &ShareLimit, found: &Measured, old: Old) -> Verdict {
    let value = found.error_rate();
    if let Some(max) = limit.max.filter(|max| value > max.share()) {
        return Verdict::Broken(format!("errorRate is {}, more than {max}", percent(value)));
    }
    let Some(increase) = limit.max_increase else { return Verdict::Kept };
    let before = match old {
        Old::Same => return Verdict::Kept,
        Old::Unknown(why) => return incomparably("errorRate", why),
        Old::Measured(old) => old.error_rate(),
    };
    // Shares of the same counts may differ in their last digit.
    if value > before * (1.0 + increase.share()) + 1e-9 {
        let by = if before > 0.0 { percent(value / before - 1.0) } else { "infinitely".to_owned() };
        return Verdict::Broken(higher("errorRate", &percent(value), &by, &percent(before), increase));
    }
    Verdict::Kept
}

fn higher(name: &str, value: &str, by: &str, before: &str, allowed: Percent) -> String {
    format!("{name} is {value}, {by} more than the {before} of the old version, and {allowed} is allowed")
}

fn incomparably(name: &str, why: &str) -> Verdict {
    Verdict::Doubtful(format!("{name} cannot be compared with the old version: {why}"))
}

/// Microseconds for people.
fn time(micros: i64) -> String {
    match micros {
        ..10_000 => format!("{:.1}ms", micros as f64 / 1000.0),
        10_000..10_000_000 => format!("{}ms", (micros + 500) / 1000),
        _ => format!("{:.1}s", micros as f64 / 1_000_000.0),
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
#[path = "performance_tests.rs"]
mod tests;

//! What came of a load's requests, counted as they are answered. Pure.

use super::verdict::Verdict;
use super::wrong::Wrong;
use crate::api::ask::Outcome;
use crate::api::status::Measured;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of all requests so many may be hindered by the controller itself.
const OWN_FAULTS: f64 = 0.01;
/// Longer response times count as this.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Digits that a response time is exact to.
const DIGITS: u8 = 3;

pub(super) struct Tally {
    /// Microseconds of right answers.
    right: Histogram<u64>,
    /// By whom was asked: how often, and the first.
    failed: BTreeMap<usize, (i32, Wrong)>,
    not_sent: (i32, Option<Wrong>),
}

impl Tally {
    pub(super) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let right = Histogram::new_with_bounds(1, micros(LONGEST), DIGITS)?;
        Ok(Self { right, failed: BTreeMap::new(), not_sent: (0, None) })
    }

    pub(super) fn count(&mut self, whom: usize, took: Duration, answer: Result<u16, Wrong>) {
        match answer {
            Ok(_) => self.right.saturating_record(micros(took)),
            Err(Wrong::NotAsked(why)) => {
                self.not_sent.0 += 1;
                self.not_sent.1.get_or_insert(Wrong::NotAsked(why));
            }
            Err(wrong) => self.failed.entry(whom).or_insert((0, wrong)).0 += 1,
        }
    }

    pub(super) fn failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Leaves out what failed at whom `stays` says no.
    pub(super) fn leave_out(&mut self, stays: impl Fn(usize) -> bool) {
        self.failed.retain(|whom, _| stays(*whom));
    }

    /// `name`: who was asked. `ended`: why it ended before its time.
    pub(super) fn sum_up(&self, took: Duration, name: impl Fn(usize) -> String, ended: Option<&str>) -> Verdict {
        let right = i32::try_from(self.right.len()).unwrap_or(i32::MAX);
        let failed = self.failed.values().map(|(count, _)| *count).sum::<i32>();
        let requests = right.saturating_add(failed);
        let (not_sent, why) = &self.not_sent;
        if let Some(why) = why.as_ref().filter(|_| f64::from(*not_sent) > f64::from(requests + not_sent) * OWN_FAULTS) {
            let all = requests + not_sent;
            return Verdict::new(Outcome::Error, &format!("{not_sent} of {all} requests could not be made: {why}"));
        }
        if requests == 0 {
            return Verdict::new(Outcome::NoData, "no request counts: every pod that was asked has left meanwhile");
        }
        let measured = Measured {
            requests,
            failed,
            took_millis: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            p50: self.within(50, requests),
            p90: self.within(90, requests),
            p95: self.within(95, requests),
            p99: self.within(99, requests),
        };
        let first = self.failed.iter().next().map(|(whom, (_, wrong))| format!(", first {}: {wrong}", name(*whom)));
        let ended = ended.map(|why| format!(", {why}")).unwrap_or_default();
        let message = format!(
            "{requests} requests in {:.1}s, {failed} failed{}{ended}",
            took.as_secs_f64(),
            first.unwrap_or_default()
        );
        Verdict { measured: Some(measured), ..Verdict::new(Outcome::Pass, &message) }
    }

    /// Within so long `percent` of all requests were answered rightly; nothing if fewer were at all.
    fn within(&self, percent: u64, requests: i32) -> Option<i64> {
        let rank = (u64::from(requests.unsigned_abs()) * percent).div_ceil(100);
        let right = self.right.len();
        // Half a request lower, so that no rounding leads to the next one.
        let quantile = (rank as f64 - 0.5) / right as f64;
        (rank <= right).then(|| i64::try_from(self.right.value_at_quantile(quantile)).unwrap_or(i64::MAX))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(right: impl IntoIterator<Item = u64>, failed: usize) -> Tally {
        let mut tally = Tally::new().unwrap();
        right.into_iter().for_each(|ms| tally.count(0, Duration::from_millis(ms), Ok(200)));
        (0..failed).for_each(|i| {
            tally.count(i % 2, Duration::from_millis(1), Err(Wrong::Failed("status 500".to_owned())));
        });
        tally
    }

    fn found(tally: &Tally) -> Measured {
        tally.sum_up(Duration::from_secs(2), |i| format!("pod {i}"), None).measured.unwrap()
    }

    /// Equal as far as the histogram's digits go.
    fn near(found: Option<i64>, ms: i64) -> bool {
        found.is_some_and(|f| (f - ms * 1000).abs() <= ms)
    }

    #[test]
    fn percentiles_are_those_of_the_list_in_order() {
        let m = found(&of((1..=100).rev(), 0));
        assert!(near(m.p50, 50) && near(m.p90, 90) && near(m.p95, 95) && near(m.p99, 99), "{m:?}");
        assert_eq!((m.requests, m.failed, m.took_millis), (100, 0, 2000));
        let m = found(&of([7], 0));
        assert!(near(m.p50, 7) && near(m.p99, 7), "{m:?}");
        let m = found(&of([1_000_000_000], 0));
        assert!(m.p50.unwrap() > 890_000_000, "longer than is told apart: {m:?}");
    }

    #[test]
    fn what_failed_is_slower_than_all_that_did_not() {
        let m = found(&of(1..=95, 5));
        assert!(near(m.p50, 50) && near(m.p90, 90) && near(m.p95, 95) && m.p99.is_none(), "{m:?}");
        assert_eq!((m.requests, m.failed), (100, 5));
        let m = found(&of([], 5));
        assert_eq!((m.failed, m.p50), (5, None));
    }

    #[test]
    fn what_is_said_names_the_first_that_failed() {
        let verdict = of(1..=7, 3).sum_up(Duration::from_millis(2100), |i| format!("pod web-{i}"), Some("cut off"));
        assert_eq!(verdict.message, "10 requests in 2.1s, 3 failed, first pod web-0: status 500, cut off");
        let verdict = of(1..=7, 0).sum_up(Duration::from_millis(100), |_| unreachable!(), None);
        assert_eq!(verdict.message, "7 requests in 0.1s, 0 failed");
    }

    #[test]
    fn pods_that_left_do_not_count() {
        let mut tally = of(1..=7, 3);
        tally.leave_out(|whom| whom != 0);
        assert_eq!((found(&tally).requests, found(&tally).failed), (8, 1));
        let mut gone = of([], 3);
        gone.leave_out(|_| false);
        let verdict = gone.sum_up(Duration::ZERO, |_| String::new(), None);
        assert_eq!((verdict.outcome, verdict.measured), (Outcome::NoData, None));
    }

    #[test]
    fn what_the_controller_could_not_send_is_nobody_elses_fault() {
        let hindered = |times| {
            let mut tally = of(1..=99, 0);
            (0..times).for_each(|_| tally.count(0, Duration::ZERO, Err(Wrong::NotAsked("no free port".to_owned()))));
            tally.sum_up(Duration::from_secs(1), |_| String::new(), None)
        };
        let once = hindered(1);
        assert_eq!((once.outcome, once.measured.unwrap().requests), (Outcome::Pass, 99));
        let twice = hindered(2);
        assert_eq!((twice.outcome, twice.measured), (Outcome::Error, None));
        assert_eq!(twice.message, "2 of 101 requests could not be made: no free port");
    }
}

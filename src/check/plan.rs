//! When the requests of a load are due. Pure.

use crate::api::spec::HttpLoad;
use std::time::Duration;

/// Most requests of one load, and most in a second: whoever may write a Release gets no cannon.
const MOST: i32 = 100_000;
const FASTEST: i32 = 500;
const MOST_AT_ONCE: i32 = 50;
const MOST_WARM_UP: i32 = 1000;
const DEFAULT_REQUESTS: i32 = 100;
const DEFAULT_AT_ONCE: i32 = 5;
/// As `duration` says at most.
const LONGEST: Duration = Duration::from_secs(5 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Requests that count, at most.
    pub requests: u32,
    /// Sent before them.
    pub warm_up: u32,
    pub at_once: usize,
    /// From one request's due time to the next.
    pub gap: Duration,
    /// A response time counts from when the request was due, not from when it was sent: one that waits for others to be
    /// answered has been kept waiting by the application.
    pub from_due: bool,
    /// After so long no further request is begun.
    pub lasts: Option<Duration>,
}

impl Plan {
    /// Held to bounds whatever the API server let through.
    pub(super) fn new(load: &HttpLoad) -> Self {
        let rate = load.rate.map(|r| r.clamp(1, FASTEST));
        let lasts = load.duration.map(|d| d.std().min(LONGEST));
        let requests = match (load.requests, lasts, rate) {
            (Some(requests), ..) => requests,
            (None, Some(lasts), Some(rate)) => {
                let due = lasts.as_millis().saturating_mul(u128::from(rate.unsigned_abs())) / 1000;
                i32::try_from(due).unwrap_or(MOST)
            }
            (None, Some(_), None) => MOST,
            (None, None, _) => DEFAULT_REQUESTS,
        };
        let at_once = load.concurrency.unwrap_or(if rate.is_some() { MOST_AT_ONCE } else { DEFAULT_AT_ONCE });
        Self {
            requests: requests.clamp(1, MOST).unsigned_abs(),
            warm_up: load.warm_up.unwrap_or(0).clamp(0, MOST_WARM_UP).unsigned_abs(),
            at_once: usize::try_from(at_once.clamp(1, MOST_AT_ONCE)).unwrap_or(1),
            gap: Duration::from_secs(1) / rate.unwrap_or(FASTEST).unsigned_abs(),
            from_due: rate.is_some(),
            // With a rate the number says it all, and those that are late are sent all the same.
            lasts: lasts.filter(|_| rate.is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn plan(more: Value) -> Plan {
        let mut load = json!({"pods": {"port": 80}});
        load.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Plan::new(&serde_json::from_value(load).unwrap())
    }

    #[test]
    fn what_is_asked_is_what_is_due() {
        let ms = Duration::from_millis;
        let usual = Plan { requests: 100, warm_up: 0, at_once: 5, gap: ms(2), from_due: false, lasts: None };
        for (load, expected) in [
            (json!({}), usual),
            (
                json!({"requests": 7, "concurrency": 3, "warmUp": 9}),
                Plan { requests: 7, at_once: 3, warm_up: 9, ..usual },
            ),
            (json!({"duration": "10s"}), Plan { requests: 100_000, lasts: Some(ms(10_000)), ..usual }),
            (json!({"rate": 50}), Plan { at_once: 50, gap: ms(20), from_due: true, ..usual }),
            (
                json!({"rate": 50, "duration": "10s", "concurrency": 2}),
                Plan { requests: 500, at_once: 2, gap: ms(20), from_due: true, ..usual },
            ),
        ] {
            assert_eq!(plan(load.clone()), expected, "{load}");
        }
    }

    #[test]
    fn nobody_gets_a_cannon() {
        let most = plan(json!({
            "requests": i32::MAX, "rate": i32::MAX, "concurrency": i32::MAX, "warmUp": i32::MAX, "duration": "24h",
        }));
        let gap = Duration::from_millis(2);
        let bound = Plan { requests: 100_000, warm_up: 1000, at_once: 50, gap, from_due: true, lasts: None };
        assert_eq!(most, bound);
        let least = plan(json!({"requests": -1, "rate": -1, "concurrency": -1, "warmUp": -1}));
        let gap = Duration::from_secs(1);
        assert_eq!(least, Plan { requests: 1, warm_up: 0, at_once: 1, gap, from_due: true, lasts: None });
        assert_eq!(plan(json!({"duration": "24h"})).lasts, Some(LONGEST));
    }
}

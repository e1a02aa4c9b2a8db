//! Load put on the application, and what its answers must keep within.

use super::{Expect, Header, HttpCheck, Percent, Probe};
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Load put on the application, with thresholds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceCheck {
    /// A DNS label of at most 30 characters; differs from the names of the stage's other checks.
    #[schemars(length(max = 30))]
    pub name: String,
    /// The question, and how often it is asked.
    pub http: HttpLoad,
    /// What the answers must keep within; at least one.
    pub thresholds: Thresholds,
}

/// An HTTP question asked many times, with connections that are kept as long as the load lasts. Never more than 500
/// requests per second.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpLoad {
    #[serde(flatten)]
    pub probe: Probe,
    /// Begins with `/`. Default `/`. Not with `url`, which carries its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
    /// For one request, 100ms to 60s. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Sent with each request, at most 8, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub headers: Vec<Header>,
    /// What a right answer looks like; everything named must hold.
    #[serde(default)]
    pub expect: Expect,
    /// How often it is asked in all, 1 to 100000. Default 100, unless `duration` says how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests: Option<i32>,
    /// How long it is asked, 1s to 5m, instead of `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How many requests are under way at once at most, 1 to 50. Default 5, with `rate` 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub concurrency: Option<i32>,
    /// Requests per second, 1 to 500, sent in time whether the ones before are answered or not; each response time then
    /// counts from when the request was due. Default: each request waits for an answer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub rate: Option<i32>,
    /// Requests sent before, of which nothing is counted, 0 to 1000. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub warm_up: Option<i32>,
}

/// What the answers must keep within. A request that got no right answer is slower than all that did: `p95` is the time
/// within which 95 % of all requests were answered rightly.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// The median response time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<LatencyLimit>,
    /// The time within which 90 % of the requests were answered rightly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<LatencyLimit>,
    /// The time within which 95 % of the requests were answered rightly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<LatencyLimit>,
    /// The time within which 99 % of the requests were answered rightly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<LatencyLimit>,
    /// The share of requests whose answer was wrong or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<ShareLimit>,
    /// Right answers per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<ThroughputLimit>,
}

/// A limit of a response time: absolute, relative to the old version, or both.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct LatencyLimit {
    /// The most that is allowed, 1ms to 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
    /// How much slower than the old version it may be, such as `20%`. The old version is measured with the same load
    /// right before the stage is written. A difference of up to 1 ms is never too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_increase: Option<Percent>,
}

/// A limit of a share: absolute, relative to the old version, or both.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct ShareLimit {
    /// The most that is allowed, `0%` to `100%`, such as `1%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Percent>,
    /// How much higher than that of the old version it may be, such as `20%`; of 0% every increase is too much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_increase: Option<Percent>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThroughputLimit {
    /// The least that is allowed, 1 to 500.
    #[schemars(range(min = 1, max = 500))]
    pub min: i32,
}

impl HttpLoad {
    /// The question of one of its requests.
    pub fn once(&self) -> HttpCheck {
        HttpCheck {
            probe: self.probe.clone(),
            path: self.path.clone(),
            timeout: self.timeout,
            headers: self.headers.clone(),
            expect: self.expect.clone(),
        }
    }
}

impl PerformanceCheck {
    /// Whether any of its limits needs to know how the old version did.
    pub fn compares(&self) -> bool {
        let t = &self.thresholds;
        let latencies = [&t.p50, &t.p90, &t.p95, &t.p99];
        latencies.into_iter().flatten().any(|l| l.max_increase.is_some())
            || t.error_rate.as_ref().is_some_and(|l| l.max_increase.is_some())
    }
}

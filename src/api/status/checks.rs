//! How the asking of checks stands.

use crate::api::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the stage's checks are asked for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Purpose {
    /// What ran before: is it worth coming back to?
    WayBack,
    /// How does what ran before do under load?
    Baseline,
    Verify,
    Restore,
    /// Again and again, while the stage bakes.
    Bake,
    /// Metrics, while the stage bakes.
    Gate,
    /// Now and then, of a verified stage while the rollout waits for approval.
    Waiting,
    /// Now and then, at rest.
    Rest,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum CheckKind {
    Health,
    Smoke,
    Performance,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckState {
    pub name: String,
    pub kind: CheckKind,
    /// Its outcome is reported but decides nothing.
    #[serde(default)]
    pub informative: bool,
    /// Rounds counted so far; a result counts only with the next number.
    #[serde(default)]
    pub number: i32,
    /// Passing rounds in a row.
    #[serde(default)]
    pub passes: i32,
    /// Rounds in a row in which the application answered wrongly or not at all.
    #[serde(default)]
    pub fails: i32,
    /// Rounds in a row in which nobody could ask, or there was nothing to see.
    #[serde(default)]
    pub errors: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The last round, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the last round ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum Verdict {
    Passed,
    Failed,
    /// The budget was spent on rounds in which nobody could ask.
    Inconclusive,
}

/// A check that is asked again and again and fails now; one that passes is not stored.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    pub stage: String,
    pub name: String,
    pub kind: CheckKind,
    /// The last round that was counted.
    pub number: i32,
    /// Rounds in a row in which the application answered wrongly or not at all.
    pub fails: i32,
    /// Rounds in a row in which nobody could ask, or there was nothing to see.
    pub errors: i32,
    /// The last round, in words.
    pub message: String,
    /// Since when it fails.
    pub since: Time,
    /// It has failed as often in a row as it may, and that was said.
    #[serde(default)]
    pub said: bool,
}

/// What a load came to. Times are whole microseconds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Requests that count.
    pub requests: i32,
    /// Those of them whose answer was wrong or missing.
    #[serde(default)]
    pub failed: i32,
    /// From the first to the last, in milliseconds.
    #[serde(default)]
    pub took_millis: i64,
    /// Within so long half of the requests were answered rightly; absent if fewer were at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<i64>,
}

/// How the old version did under the load of one performance check, right before the stage was written.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    pub check: String,
    /// Since when it is measured.
    pub since: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// Why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Measured {
    /// The share of requests whose answer was wrong or missing, 0 to 1.
    pub fn error_rate(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.requests.max(1))
    }
    /// Right answers per second.
    pub fn throughput(&self) -> f64 {
        f64::from(self.requests - self.failed) * 1000.0 / (self.took_millis.max(1) as f64)
    }
}

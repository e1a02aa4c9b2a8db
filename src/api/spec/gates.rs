//! What metrics must say of a stage while it bakes.

use super::{Decimal, Header, ServiceProbe};
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A question to a metrics system, asked again and again while the stage bakes. Exactly one of `prometheus` and
/// `cloudwatch`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricGate {
    /// A DNS label of at most 30 characters; differs from the names of the stage's other gates.
    #[schemars(length(max = 30))]
    pub name: String,
    #[serde(flatten)]
    pub source: MetricSource,
    /// From one round to the next, 5s to 10m. Default 30s.
    #[serde(default = "default_interval")]
    pub interval: Duration,
    /// What an answer without any sample counts as. It never passes.
    #[serde(default)]
    pub on_no_data: OnNoData,
    /// How often each outcome may occur before the stage is given up.
    #[serde(default, skip_serializing_if = "GateLimits::is_default")]
    pub limits: GateLimits,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MetricSource {
    /// An instant query to Prometheus, or to anything that answers its HTTP API.
    Prometheus(PrometheusGate),
    /// Alarms of AWS CloudWatch.
    Cloudwatch(CloudwatchGate),
}

/// An instant query, with exactly one of `service` and `url`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusGate {
    #[serde(flatten)]
    pub server: MetricServer,
    /// What stands before `/api/v1/query`, such as `/prometheus`. Default nothing. Not with `url`, which carries its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub path: Option<String>,
    /// PromQL that comes to a scalar or an instant vector. `$(TIDEGATE_TAG)`, `$(TIDEGATE_IMAGE)`, `$(TIDEGATE_STAGE)`,
    /// `$(TIDEGATE_NAMESPACE)` (of the stage's first target) and `$(TIDEGATE_REVISION)` (that target's pod-template-hash)
    /// stand for their values.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// What every sample must keep within; `max`, `min`, or both.
    pub condition: Bounds,
    /// Sent with each request, at most 8, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub headers: Vec<Header>,
    /// For one round, 100ms to 60s. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Where the metrics are.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MetricServer {
    /// A Service, at its cluster IP.
    Service(ServiceProbe),
    /// A server outside the cluster, `http` or `https`, without `/api/v1/query`: public addresses, and what the
    /// administrator opened.
    Url(#[schemars(length(max = 1024))] String),
}

/// What every sample must keep within.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// The most that is allowed, a decimal number in quotes, such as `"0.01"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
    /// The least that is allowed, a decimal number in quotes, such as `"0.99"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
}

/// Alarms of AWS CloudWatch, all of which must be `OK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudwatchGate {
    /// Such as `eu-west-1`.
    #[schemars(length(max = 32))]
    pub region: String,
    /// Names of metric or composite alarms, 1 to 10.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 255)))]
    pub alarm_names: Vec<String>,
    /// The role to assume. Default: the controller's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256))]
    pub external_id: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum OnNoData {
    /// NoData, with a limit of its own; at the limit the stage is inconclusive.
    #[default]
    Inconclusive,
    /// A failure of the new version: where no samples are, it does not run as it should.
    Fail,
}

/// For each outcome, how often it may occur. A limit that is reached ends the bake.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct GateLimits {
    /// A sample outside of the condition, or an alarm: the stage has failed. Default 3 in a row, 5 in all.
    #[serde(default, skip_serializing_if = "GateLimit::is_default")]
    pub fail: GateLimit,
    /// Nobody could ask, or the answer is no answer: the stage is inconclusive. Default 5 in a row, 10 in all.
    #[serde(default, skip_serializing_if = "GateLimit::is_default")]
    pub error: GateLimit,
    /// There was no sample: the stage is inconclusive. Default 5 in a row, 10 in all.
    #[serde(default, skip_serializing_if = "GateLimit::is_default")]
    pub no_data: GateLimit,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct GateLimit {
    /// So many rounds in a row reach it, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive: Option<i32>,
    /// So many rounds of one bake reach it, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub total: Option<i32>,
}

/// One bad sample may be a scrape that came late; three in a row are not. Short outages of a metrics system are ridden
/// out.
const FAIL: (i32, i32) = (3, 5);
const OTHERS: (i32, i32) = (5, 10);
const TIMEOUT: Duration = Duration::from_secs(5);

impl GateLimits {
    /// Rounds in a row, and in all.
    pub fn fail(&self) -> (i32, i32) {
        self.fail.or(FAIL)
    }
    pub fn error(&self) -> (i32, i32) {
        self.error.or(OTHERS)
    }
    pub fn no_data(&self) -> (i32, i32) {
        self.no_data.or(OTHERS)
    }
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl GateLimit {
    fn or(self, (consecutive, total): (i32, i32)) -> (i32, i32) {
        (self.consecutive.unwrap_or(consecutive), self.total.unwrap_or(total))
    }
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl PrometheusGate {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }
}

fn default_interval() -> Duration {
    Duration::from_secs(30)
}

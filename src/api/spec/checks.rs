//! Questions to the running application.

use super::{AnyValue, Question, SmokeQuestion};
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ChecksMode {
    /// No checks on purpose.
    None,
}

/// Asked until it passes often enough, or fails too often in a row.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// A DNS label of at most 30 characters; differs from the names of the stage's other checks.
    #[schemars(length(max = 30))]
    pub name: String,
    #[serde(flatten)]
    pub question: Question,
    /// How long after the targets became available it is first asked, 0s to 1h. Default 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Duration>,
    /// How often it is asked.
    #[serde(default)]
    pub retry: Retry,
}

/// Asked after all health checks passed, one after the other.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmokeTest {
    /// A DNS label of at most 30 characters; differs from the names of the stage's other checks.
    #[schemars(length(max = 30))]
    pub name: String,
    #[serde(flatten)]
    pub question: SmokeQuestion,
    /// How often it is asked. Default: once.
    #[serde(default = "Retry::once", deserialize_with = "Retry::once_unless_said")]
    #[schemars(with = "Once")]
    pub retry: Retry,
}

/// How often a check is asked.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// Failing rounds in a row after which it has failed, 1 to 100. Default 10.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: i32,
    /// From the end of a round to the next, 1s to 10m. Default 5s.
    pub interval: Duration,
    /// Passing rounds in a row after which it has passed, 1 to 100. Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub successes: i32,
}

/// [`Retry`] as a smoke test has it: what is left out in it means one attempt, as leaving it out as a whole does. Defaults
/// that the API server has stored would otherwise decide differently from those of a manifest that is new.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Once {
    /// Failing rounds in a row after which it has failed, 1 to 100. Default 1.
    #[schemars(range(min = 1, max = 100))]
    attempts: i32,
    /// From the end of a round to the next, 1s to 10m. Default 5s.
    interval: Duration,
    /// Passing rounds in a row after which it has passed, 1 to 100. Default 1.
    #[schemars(range(min = 1, max = 100))]
    successes: i32,
}

/// One HTTP question, with exactly one of `pods`, `service` and `url`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
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
}

/// Whom to ask.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// Every pod of the new revision, by its own address.
    Pods(PodsProbe),
    /// A Service, at its cluster IP.
    Service(ServiceProbe),
    /// Anything outside the cluster, `http` or `https`: public addresses, and what the administrator opened.
    Url(#[schemars(length(max = 1024))] String),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsProbe {
    /// The port that the container listens on.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Which target's pods. Needed where the stage has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30))]
    pub target: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProbe {
    /// The Service's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Default: the Release's namespace. Another one needs consent by `tidegate.dev/allow-from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// A port of the Service, not of its pods.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// What a right answer looks like; everything named must hold.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Expect {
    /// Accepted status codes, each 100 to 599, at most 8. Default: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(range(min = 100, max = 599)))]
    pub status: Vec<i32>,
    /// Values inside a JSON body, at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub json: Vec<JsonExpect>,
    /// Text that the body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JsonExpect {
    /// RFC 6901, such as `/status`.
    #[schemars(length(max = 256))]
    pub pointer: String,
    /// The exact JSON value.
    #[schemars(schema_with = "super::any_value")]
    pub equals: AnyValue,
}

/// A request header, with exactly one of `value` and `secret`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Such as `Accept`. Not one that belongs to the connection, such as `Host`.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Readable by all who may read the Release: nothing secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
    /// Where a secret value lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKey>,
}

/// A key of a Secret in the Release's namespace, labelled `tidegate.dev/use: check-headers`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The key within it.
    #[schemars(length(max = 253))]
    pub key: String,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 10, interval: Duration::from_secs(5), successes: 1 }
    }
}
impl Default for Once {
    fn default() -> Self {
        let Retry { attempts, interval, successes } = Retry::once();
        Self { attempts, interval, successes }
    }
}
impl Retry {
    pub fn once() -> Self {
        Self { attempts: 1, ..Self::default() }
    }
    fn once_unless_said<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Once::deserialize(d).map(|Once { attempts, interval, successes }| Self { attempts, interval, successes })
    }
}
impl HttpCheck {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(5))
    }
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/")
    }
}

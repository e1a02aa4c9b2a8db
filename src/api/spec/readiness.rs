//! What CI must have found out about an image before a stage is entered.

use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A score from evidence that CI publishes. Below the threshold the rollout ends before anything is touched.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Where the evidence is: the key of this ConfigMap that is called like the tag (or like the first 12 hex digits of
    /// the digest). Default: the annotation `tidegate.dev/evidence` of the Release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<EvidenceMap>,
    /// The lowest score that is enough, 0 to 100. Default 90.
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0, max = 100))]
    pub threshold: i32,
    /// What each part counts for. One with weight 0 need not be in the evidence.
    #[serde(default)]
    pub weights: Weights,
    /// Evidence that is older is none, 1m to 720h. Default 24h.
    #[serde(default = "default_age")]
    pub max_age: Duration,
}

/// A ConfigMap in the Release's namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceMap {
    /// The ConfigMap's name.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// What each part of the evidence counts for, 0 to 100 each; the score is their weighted mean.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weights {
    /// Whether CI passed. Default 40.
    #[serde(default = "forty")]
    #[schemars(range(min = 0, max = 100))]
    pub ci: i32,
    /// The share of lines that tests cover. Default 30.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 100))]
    pub coverage: i32,
    /// Findings of scanners. Default 20.
    #[serde(default = "twenty")]
    #[schemars(range(min = 0, max = 100))]
    pub security: i32,
    /// A grade of the code. Default 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub quality: i32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { ci: forty(), coverage: thirty(), security: twenty(), quality: ten() }
    }
}

fn default_threshold() -> i32 {
    90
}
fn default_age() -> Duration {
    Duration::from_secs(24 * 3600)
}
fn forty() -> i32 {
    40
}
fn thirty() -> i32 {
    30
}
fn twenty() -> i32 {
    20
}
fn ten() -> i32 {
    10
}

//! How the metric gates of a stage stand.

use crate::api::ask::Outcome;
use crate::api::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One metric gate. Rounds that pass are not stored, but for the first after another outcome and the last of all.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateState {
    pub name: String,
    /// The last round that is stored.
    pub number: i32,
    pub outcome: Outcome,
    /// What was measured, in words.
    pub message: String,
    /// When that round ended.
    pub at: Time,
    #[serde(default)]
    pub fails: RoundCount,
    #[serde(default)]
    pub errors: RoundCount,
    #[serde(default)]
    pub no_data: RoundCount,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct RoundCount {
    /// In a row.
    #[serde(default)]
    pub consecutive: i32,
    /// In this bake.
    #[serde(default)]
    pub total: i32,
}

//! How the asking of checks stands.

use crate::api::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the stage's checks are asked for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Purpose {
    /// What ran before: is it worth coming back to?
    WayBack,
    Verify,
    Restore,
    /// Again and again, while the stage bakes.
    Bake,
    /// Now and then, of a verified stage while the rollout waits for approval.
    Waiting,
    /// Now and then, at rest.
    Rest,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum CheckKind {
    Health,
    Smoke,
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

//! What is remembered of ended rollouts: enough to tell afterwards what happened, without logs.

use super::{Approval, Cause, CheckKind, Phase, Ready, TargetStep, Verdict};
use crate::api::ask::Outcome;
use crate::api::time::Time;
use crate::api::{Digest, Image, Reason, RolloutId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub id: RolloutId,
    pub image: Image,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub phase: Phase,
    pub reason: Reason,
    /// Why it was taken back, or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Who approved which stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The stages that it came to, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecord>,
    pub started_at: Time,
    pub ended_at: Time,
}

/// One stage of an ended rollout.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageRecord {
    pub name: String,
    /// Nothing was written: its targets ran the image already.
    #[serde(default)]
    pub adopted: bool,
    /// The evidence with which it was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_write_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// When it began to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_at: Option<Time>,
    /// At most 12 in all stages of an entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetRecord>,
    /// What the checks of the new version came to; at most 12 in all stages of an entry, those that did not pass first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRecord>,
    /// What its metric gates came to; at most 12 in all stages of an entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateRecord>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRecord {
    pub name: String,
    /// What ran there before: its tag, or 12 hex digits of its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What became of it.
    pub state: TargetStep,
    /// Why its restore is blocked or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a metric gate came to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateRecord {
    pub name: String,
    /// Of the last round that is known.
    pub outcome: Outcome,
    /// What it measured, in words.
    pub message: String,
}

/// What a check came to.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckRecord {
    pub name: String,
    pub kind: CheckKind,
    /// Absent: the stage ended before it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// How often it was asked.
    pub rounds: i32,
    /// The last round, in words; of a performance check what was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

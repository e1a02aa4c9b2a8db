//! What the controller says of a Release, and everything it must remember across a crash.
//!
//! Waiting is data here: deadlines are computed from the instants stored below, never from a sleeping task.

use super::spec::AnyValue;
use super::time::Time;
use super::{Digest, EffectId, Image, Reason, RolloutId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod checks;
mod gates;
mod history;
mod hooks;
mod resolved;
mod rollout;
mod target;
mod workload;
pub use workload::{EcsService, KubernetesWorkload, Workload};

pub use resolved::ResolvedImage;

pub use checks::{Baseline, CheckKind, CheckState, Failing, Measured, Purpose, Verdict};
pub use gates::{GateState, RoundCount};
pub use history::{CheckRecord, GateRecord, HistoryEntry, StageRecord, TargetRecord};
pub use hooks::{HookState, HookStep, JobRef, TaskRef};
pub use rollout::{Approval, Cause, PromotionState, Ready, Rollout, StageState, Step};
pub use target::{
    Accepted, ContainerImage, Inherited, Progressing, Refusal, Restarts, StuckPod, TargetState, TargetStep, Unanswered,
    WayBack, Written,
};

/// What the controller says, and what it must remember.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// The generation that the conditions speak of; -1 before the first look.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What the phase speaks of: the tag, or the first 12 hex digits of the digest, of `rollout.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What ran verified in the last stage before that, and would be restored: its tag, or 12 hex digits of its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_tag: Option<String>,
    /// What it does or waits for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `Ready` always; `Reconciling`, `Stalled`, `AwaitingPromotion`, `Degraded`, `Drifted` and `TargetContended` where they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the last ended rollout was for: the same again starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// Numbers given to rollouts, so that none is given twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
    /// Annotation values that were acted on, or found at the start.
    #[serde(default)]
    pub handled: Handled,
    /// What was written forward and neither verified nor taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debts: Vec<Debt>,
    /// Per target the last image that was verified there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stable: Vec<Stable>,
    /// Images that failed here by their own fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<Quarantined>,
    /// Images of several platforms that registries were asked for, newest last, at most 8: what they are made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<ResolvedImage>,
    /// Ended rollouts, newest first, at most `spec.historyLimit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The current rollout, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Checks that are asked again and again and fail now: while a stage bakes, while a rollout waits, at rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Failing>,
    /// The events of the last transition, published after it was stored, and up to 16 before it that are not published yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announced: Vec<Announcement>,
    /// How many events this Release has announced.
    #[serde(default)]
    pub announcements: i64,
}

/// What became of the targets.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum Phase {
    /// Nothing is written yet: something is missing, suspended, or being prepared.
    Pending,
    /// A stage is written and becoming available.
    Rolling,
    /// A stage is available and being asked.
    Verifying,
    AwaitingPromotion,
    /// A stage is being brought to its way back and asked again.
    Restoring,
    /// All stages are verified.
    Verified,
    /// Restored, and verified after it.
    RolledBack,
    /// Ended with something unverified.
    Failed,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    pub image: Image,
    /// Version-prefixed hash of stage names, order, target identities, repositories and containers.
    pub hash: String,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    pub generation: i64,
    pub highest: i32,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debt {
    pub stage: String,
    pub target: String,
    pub workload: Workload,
    pub uid: String,
    /// The rollout that wrote it.
    pub rollout: RolloutId,
    pub effect: EffectId,
    pub written: Vec<ContainerImage>,
    pub way_back: WayBack,
    /// An irreversible hook had succeeded: it is not paid without a person's order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stable {
    pub stage: String,
    pub target: String,
    pub workload: Workload,
    pub images: Vec<ContainerImage>,
    /// ECS: the task definition that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
    /// The object that was verified; of a status from before this was stored it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The workload's generation when it was verified, or last taken back: whoever shows an earlier one is behind.
    pub generation: i64,
    /// Hashes of the health checks and smoke tests that it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    pub at: Time,
}

/// An image that failed here by its own fault.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    pub image: Image,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub rollout: RolloutId,
    pub stage: String,
    pub reason: Reason,
    /// It was once verified in every stage, so going back to it is not refused.
    #[serde(default)]
    pub verified_before: bool,
    pub at: Time,
}

/// An event that was decided together with the status that carries it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    pub name: String,
    pub at: Time,
    pub warning: bool,
    pub reason: Reason,
    pub note: String,
}

impl Default for ReleaseStatus {
    fn default() -> Self {
        Self {
            observed_generation: never_observed(),
            phase: None,
            tag: None,
            previous_tag: None,
            message: None,
            conditions: Vec::new(),
            settled: None,
            attempts: None,
            handled: Handled::default(),
            debts: Vec::new(),
            stable: Vec::new(),
            quarantine: Vec::new(),
            indexes: Vec::new(),
            history: Vec::new(),
            rollout: None,
            failing: Vec::new(),
            announced: Vec::new(),
            announcements: 0,
        }
    }
}

impl ReleaseStatus {
    /// The rollout in work, if any.
    pub fn running(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|r| r.step != Step::Ended)
    }
}

fn never_observed() -> i64 {
    -1
}

pub(super) type Frozen = AnyValue;

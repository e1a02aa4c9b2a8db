//! One attempt to bring one image through the stages, as it stands in status.

use super::{Baseline, CheckState, Frozen, HookState, Purpose};
use crate::api::time::Time;
use crate::api::{Digest, EffectId, Image, Reason, RolloutId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    pub id: RolloutId,
    pub image: Image,
    /// The digest that the first stage was verified with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The spec it runs on: frozen by its first intent, dropped when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::spec::any_object")]
    pub spec: Option<Frozen>,
    pub step: Step,
    /// The stage in work, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Why it is being taken back, or why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What could not be asked, while a person is to decide on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Cause>,
    /// What stops it before its next write, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Cause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PromotionState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageState>,
    pub started_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The value of `tidegate.dev/promote` found when it started: that value never counts in a short form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote_at_start: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Step {
    /// Looking whether everything is there; nothing is frozen or written.
    Preflight,
    /// Asking whether what a stage runs now is worth coming back to.
    ChoosingWayBack,
    AwaitingPromotion,
    /// Running the stage's hooks; nothing is written yet.
    RunningHooks,
    /// Writing the stage's targets and waiting until they are available.
    Rolling,
    /// Asking the stage's checks.
    Verifying,
    /// Its checks could not be asked: a person decides whether it stays.
    Holding,
    /// Writing the ways back and waiting until they are available.
    Restoring,
    /// Running what undoes the hooks, once the stage runs its ways back.
    RunningRollbackHooks,
    /// Asking the checks of the restored version.
    VerifyingRestore,
    Ended,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    pub reason: Reason,
    pub message: String,
    pub at: Time,
    /// The image failed by its own fault.
    #[serde(default)]
    pub fault: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionState {
    pub stage: String,
    pub token: String,
    pub since: Time,
    /// A right token, recorded before it is acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Approval>,
    /// The last value that was refused, so that it is refused once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refused: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    pub stage: String,
    pub token: String,
    /// Who, as `tidegate.dev/promoted-by` says; proven only where the approval policy is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub at: Time,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageState {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_write_at: Option<Time>,
    /// When way back questions were first asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choosing_since: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Time>,
    /// Until when the health checks are asked again after everything else passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_until: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// Since when a target of it cannot be read, or its controller does not follow, while its checks are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_since: Option<Time>,
    /// Nothing was written: its targets ran the image already.
    #[serde(default)]
    pub adopted: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetState>,
    /// The stage's hooks that were begun, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookState>,
    /// The same of `onRollback`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_rollback: Vec<HookState>,
    /// How the old version did under load, for limits that compare with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baseline>,
    /// The checks that are being asked, or were asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckState>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetState {
    pub name: String,
    pub workload: super::Workload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub state: TargetStep,
    /// The last effect intended on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectId>,
    /// The workload's generation when the last intent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_generation: Option<i64>,
    /// How often the forward intent was recorded anew because somebody else wrote first.
    #[serde(default)]
    pub intents: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
    /// What ran there when the forward write was intended; not always what a restore would bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<ContainerImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// The Progressing condition found before the last write: while it stands unchanged it says nothing of that write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressing_before: Option<Progressing>,
    /// Restart counts found before the last write, non-zero ones, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts_before: Vec<Restarts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_error_since: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_error_since: Option<Time>,
    /// The last refusal of a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Why a restore of it is blocked or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Cause>,
    /// ECS: what it accepted of a restore, although reads may not show it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// ECS: since when reads contradict what is known to be written. One such read may be an old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted_since: Option<Time>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The last write of the stage's restore was this target's: what is answered speaks of it.
    #[serde(default)]
    pub asked: bool,
    /// The service deployment that it was asked to stop and roll back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The service revision that the forward write made, once it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// The service revision that the restoring write made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum TargetStep {
    /// Not written in this rollout.
    Untouched,
    /// Ran the wanted image already; not written.
    Adopted,
    /// The forward write is intended; the stamp on the workload says whether it was made.
    Writing,
    /// Written forward, and seen.
    Written,
    Verified,
    /// The restoring write is intended; the stamp says whether it was made.
    Restoring,
    /// Runs its way back.
    Restored,
    /// Changed by somebody else: left alone.
    Foreign,
    /// Deleted or replaced after the write: nothing is owed any more.
    Gone,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    pub container: String,
    pub image: Image,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What a restore of one target would bring.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WayBack {
    pub images: Vec<ContainerImage>,
    pub verified: bool,
    /// Hashes of the checks that it has passed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// Nothing better exists than an image that failed here.
    #[serde(default)]
    pub quarantined: bool,
    /// ECS: the task definition to go back to. Absent: a copy of what runs then, with these images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
    /// ECS: the service revision that ran when it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    pub images: Vec<ContainerImage>,
    pub generation: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The Deployment's Progressing condition.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progressing {
    pub status: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<Time>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restarts {
    pub pod: String,
    pub container: String,
    pub count: i32,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub message: String,
    pub at: Time,
    pub count: i32,
}

impl Rollout {
    pub fn stage_state(&self, name: &str) -> Option<&StageState> {
        self.stages.iter().find(|s| s.name == name)
    }
    pub fn stage_state_mut(&mut self, name: &str) -> Option<&mut StageState> {
        self.stages.iter_mut().find(|s| s.name == name)
    }
}

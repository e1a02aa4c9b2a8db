//! One attempt to bring one image through the stages, as it stands in status.

use super::{Baseline, CheckRecord, CheckState, Frozen, GateState, HookState, Purpose, TargetState};
use crate::api::time::Time;
use crate::api::{Digest, Image, Reason, RolloutId};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    pub id: RolloutId,
    pub image: Image,
    /// What its registry says that the image is, if it was asked; else what the first stage was verified with.
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
    /// As many as its spec has, at least one. Each is found by its name, and so are its targets: a name stands for one.
    #[serde(deserialize_with = "told_apart")]
    #[schemars(length(min = 1))]
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

/// Evidence about the image that was enough to enter a stage.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// 0 to 100.
    pub score: i32,
    /// What each part came to, in words.
    pub parts: String,
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
    /// When the registries of its images were asked, before its first write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Time>,
    /// Until when the health checks are asked again after everything else passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_until: Option<Time>,
    /// How its metric gates stand, or stood when they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// Since when a target of it cannot be read, or its controller does not follow, while its checks are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_since: Option<Time>,
    /// Since when a target of it is not available in full any more, after its checks passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_since: Option<Time>,
    /// Since when pods do not tell their digest, after its checks passed and with `image.requireDigest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undigested_since: Option<Time>,
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
    /// The evidence with which it was entered, where its `readiness` asks for some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// How the old version did under load, for limits that compare with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baseline>,
    /// The checks that are being asked, or were asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckState>,
    /// What the checks of the new version came to, once it is verified or being taken back; at most 12.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CheckRecord>,
}

impl Rollout {
    /// One that begins at `at`, with the first of `stages` in work and nothing known of it yet.
    pub fn begun(id: RolloutId, image: Image, step: Step, stages: Vec<StageState>, at: Time) -> Self {
        Self {
            id,
            image,
            digest: None,
            spec: None,
            step,
            stage: stages.first().map(|s| s.name.clone()),
            cause: None,
            held: None,
            blocked: None,
            promotion: None,
            approvals: vec![],
            stages,
            started_at: at,
            ended_at: None,
            reason: None,
            promote_at_start: None,
        }
    }
    pub fn stage_state(&self, name: &str) -> Option<&StageState> {
        self.stages.iter().find(|s| s.name == name)
    }
    pub fn stage_state_mut(&mut self, name: &str) -> Option<&mut StageState> {
        self.stages.iter_mut().find(|s| s.name == name)
    }
}

fn told_apart<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<StageState>, D::Error> {
    let stages: Vec<StageState> = Vec::deserialize(json)?;
    if stages.is_empty() {
        return Err(D::Error::custom("rollout.stages is empty"));
    }
    if let Some(name) = twice(stages.iter().map(|s| &s.name)) {
        return Err(D::Error::custom(format_args!("rollout.stages has {name:?} twice")));
    }
    let target = |s: &StageState| twice(s.targets.iter().map(|t| &t.name)).map(|t| (s.name.clone(), t.clone()));
    match stages.iter().find_map(target) {
        Some((stage, target)) => Err(D::Error::custom(format_args!("rollout.stages: {stage:?} has {target:?} twice"))),
        None => Ok(stages),
    }
}

fn twice<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

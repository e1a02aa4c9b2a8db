//! One target of a stage in work: what was intended there, what was written, and what a restore would bring.

use super::{Cause, Workload};
use crate::api::time::Time;
use crate::api::{Digest, EffectId, Image};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetState {
    pub name: String,
    pub workload: Workload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub state: TargetStep,
    /// The last effect intended on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectId>,
    /// The workload's generation when its way back was chosen, or the last intent recorded: an earlier look is an old one.
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
    /// StatefulSet: pods of a revision that was taken away, which held it up and were to be deleted; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck_pods: Vec<StuckPod>,
    /// Why a restore of it is blocked or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Cause>,
    /// ECS: what it accepted of a restore, although reads may not show it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// What the rollout before wrote there and nobody verified, when this one took its place at once. A restore takes
    /// it away too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// ECS: a write was intended, and its answer was not heard yet. Whether it was made may show late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Unanswered>,
    /// ECS: since when reads contradict what is known to be written. One such read may be an old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted_since: Option<Time>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unanswered {
    /// Since when it is known that nobody will hear the answer: whoever asked was ended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard_since: Option<Time>,
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

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inherited {
    /// The forward effect of the rollout that wrote it.
    pub effect: EffectId,
    pub written: Written,
}

/// One pod that was to be deleted, recorded before it was.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StuckPod {
    pub pod: String,
    pub uid: String,
    /// When it was last tried.
    pub at: Time,
    /// How often.
    pub count: i32,
    /// It is gone, or going.
    #[serde(default)]
    pub deleted: bool,
    /// The last effect of the rollout was this one: what is answered speaks of it.
    #[serde(default)]
    pub asked: bool,
    /// Why it may not be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum TargetStep {
    /// Not written in this rollout.
    Untouched,
    /// Runs what the rollout before wrote: not written in this one, and owed all the same.
    Inherited,
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
    /// The next pod of a StatefulSet has the same name, and has not restarted yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
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

impl TargetState {
    /// Its forward write was not made: it is what it was before.
    pub fn not_written(&mut self) {
        self.effect = self.inherited.as_ref().map(|i| i.effect.clone());
        self.state = if self.inherited.is_some() { TargetStep::Inherited } else { TargetStep::Untouched };
        self.intent_generation = None;
    }
}

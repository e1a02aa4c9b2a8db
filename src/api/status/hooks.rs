//! How the hooks of a stage stand.

use crate::api::EffectId;
use crate::api::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One hook that was begun.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookState {
    pub name: String,
    pub state: HookStep,
    /// Once it succeeded there is no automatic way back.
    #[serde(default)]
    pub irreversible: bool,
    pub effect: EffectId,
    /// The Job that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRef>,
    /// The ECS task that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRef>,
    /// When it was intended: its timeout runs from here.
    pub started_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// When it was told to end before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<Time>,
    /// It was told to end and did not: it may be at work still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_work: bool,
    /// What is known of it, with the last lines of its output where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema)]
pub enum HookStep {
    /// It is about to be created; nobody has said yet that it is.
    Starting,
    /// It was created.
    Running,
    Succeeded,
    Failed,
    TimedOut,
    /// It was created and is gone: nobody knows how it ended.
    Vanished,
    /// A person ended the rollout.
    Stopped,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobRef {
    pub namespace: String,
    pub name: String,
    /// Known once it is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// No word that the last try made it; when to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Time>,
    /// Since when the API server does not show it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
}

/// The ECS task of a hook, or the tries to get one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRef {
    pub cluster: String,
    /// By which ECS knows it as this hook's: the same for all tries.
    pub started_by: String,
    /// Tries so far. Each is intended here before it is made, and only after the one before it had made nothing for certain.
    pub attempt: i32,
    /// When this try was intended.
    pub asked_at: Time,
    /// Nobody knows whether this try made it: it is only ever repeated under the same client token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
    /// This try was refused; when to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Time>,
    /// The task's ARN, once ECS has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// ECS has shown it: from then on it is one that was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seen: bool,
    /// Since when ECS does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<Time>,
}

impl TaskRef {
    /// The last part of its ARN.
    pub fn id(&self) -> Option<&str> {
        self.arn.as_deref().and_then(|arn| arn.rsplit('/').next())
    }
}

impl HookState {
    /// Whether it may be at work now.
    pub fn under_way(&self) -> bool {
        matches!(self.state, HookStep::Starting | HookStep::Running)
    }
}

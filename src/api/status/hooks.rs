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
}

impl HookState {
    /// Whether it may be at work now.
    pub fn under_way(&self) -> bool {
        matches!(self.state, HookStep::Starting | HookStep::Running)
    }
}

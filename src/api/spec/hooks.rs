//! Work done once per rollout and stage, before the image is written.

use super::AnyValue;
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// With exactly one of `job` and `ecsTask`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    #[schemars(length(min = 1, max = 30))]
    pub name: String,
    /// Default 15m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Once it succeeded there is no automatic way back. Default false.
    #[serde(default)]
    pub irreversible: bool,
    #[serde(flatten)]
    pub kind: HookKind,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookKind {
    Job(JobHook),
    EcsTask(EcsTaskHook),
}

/// A Job, with exactly one of `fromCronJob`, `fromJob` and `template`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobHook {
    #[serde(flatten)]
    pub source: JobSource,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobSource {
    FromCronJob(ObjectName),
    FromJob(ObjectName),
    /// A Job template; `$(TIDEGATE_IMAGE)` in it is the new image.
    Template(#[schemars(schema_with = "super::any_object")] AnyValue),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A one-off ECS task; the named container's exit code decides.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsTaskHook {
    #[schemars(length(min = 1, max = 255))]
    pub task_definition: String,
    #[schemars(length(min = 1, max = 255))]
    pub container: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub command: Vec<String>,
}

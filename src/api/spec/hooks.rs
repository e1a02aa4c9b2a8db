//! Work done once per rollout and stage, before the image is written.

use super::AnyValue;
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// With exactly one of `job` and `ecsTask`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// A DNS label of at most 30 characters.
    #[schemars(length(max = 30))]
    pub name: String,
    /// How long it may take, 1s to 24h. Default 15m.
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
    /// A Kubernetes Job.
    Job(JobHook),
    /// A one-off ECS task.
    EcsTask(EcsTaskHook),
}

/// A Job, with exactly one of `fromCronJob`, `fromJob` and `template`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobHook {
    #[serde(flatten)]
    pub source: JobSource,
}

/// A Job that passes by ending well, with exactly one of `fromCronJob`, `fromJob` and `template`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobTest {
    #[serde(flatten)]
    pub source: JobSource,
    /// For one Job, 1s to 1h. Default 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl JobTest {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(5 * 60))
    }
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobSource {
    /// The template of a CronJob, which is best suspended. Its containers that run the Release's repository get the new image.
    FromCronJob(ObjectName),
    /// The template of a Job, which must be suspended. Its containers that run the Release's repository get the new image.
    FromJob(ObjectName),
    /// A Job template: `spec`, and `metadata` if it has any; it runs in the Release's namespace. `$(TIDEGATE_IMAGE)` in an image, command, argument or
    /// environment value is the new image.
    Template(#[schemars(schema_with = "super::any_object")] AnyValue),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    /// The object's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Default: the Release's namespace. Another one needs consent by `tidegate.dev/allow-from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

impl Hook {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(15 * 60))
    }
}

impl ObjectName {
    pub fn namespace_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(default)
    }
}

impl JobSource {
    /// Where the Job is created: where its source lies. What stands in the Release stays in its namespace.
    pub fn namespace<'a>(&'a self, default: &'a str) -> &'a str {
        match self {
            Self::FromCronJob(name) | Self::FromJob(name) => name.namespace_or(default),
            Self::Template(_) => default,
        }
    }
}

/// A one-off ECS task; the named container's exit code decides.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsTaskHook {
    /// Family, `family:revision`, or the whole ARN.
    #[schemars(length(min = 1, max = 255))]
    pub task_definition: String,
    /// The container whose exit code decides.
    #[schemars(length(min = 1, max = 255))]
    pub container: String,
    /// What it runs instead of the image's own command, at most 16 words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub command: Vec<String>,
}

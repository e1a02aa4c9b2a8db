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

/// A one-off ECS task beside an ECS target of the stage; the named container's exit code decides. With at most one of `launchType` and
/// `capacityProvider`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsTaskHook {
    /// The ECS target of this stage in whose region and cluster, and with whose role, it is run; what is not said here is taken from that target's
    /// service. Default: the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30))]
    pub target: Option<String>,
    /// Family, `family:revision`, or the whole ARN. Its containers that run the Release's repository get the new image. Default: the one of the
    /// target's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub task_definition: Option<String>,
    /// The container whose exit code decides.
    #[schemars(length(min = 1, max = 255))]
    pub container: String,
    /// What that container runs instead of the image's own command, at most 16 words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 256)))]
    pub command: Vec<String>,
    /// Where its network interface lies. Default: as that of the service. Only for the network mode `awsvpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_configuration: Option<EcsNetwork>,
    /// Default: as the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Such as `FARGATE_SPOT`, or a name of your own. Default: as the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub capacity_provider: Option<String>,
}

/// Where the network interface of a task lies.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsNetwork {
    /// Ids of 1 to 16 subnets.
    #[schemars(length(min = 1, max = 16), inner(length(max = 64)))]
    pub subnets: Vec<String>,
    /// Ids of at most 5 security groups. Default: the one of the VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 64)))]
    pub security_groups: Vec<String>,
    /// Whether it gets a public address. Default false.
    #[serde(default)]
    pub assign_public_ip: bool,
}

/// What a task runs on, in the words of ECS.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LaunchType {
    Fargate,
    Ec2,
    External,
}

//! The `Release` as people write it.
//!
//! Shapes and defaults only; the rules between fields are CEL in the generated CRD.

use super::time::Duration;
use super::{image::Digest, status::ReleaseStatus};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod checks;
mod hooks;
mod targets;

pub use checks::{
    ChecksMode, Expect, Header, HealthCheck, HttpCheck, HttpLoad, JsonExpect, PerformanceCheck, PodsProbe, Probe,
    Retry, SecretKey, ServiceProbe, SmokeTest, Threshold, Thresholds,
};
pub use hooks::{EcsTaskHook, Hook, HookKind, JobHook, JobSource, ObjectName};
pub use targets::{EcsTarget, KubernetesTarget, Target, TargetKind, WorkloadKind};

/// Which image, through which stages. Long-lived, one per application: a new version is an edit of `image.tag`.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    shortname = "rel",
    namespaced,
    status = "ReleaseStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    pub image: ImageSpec,
    /// Begins no rollout and no further stage; a stage that has begun is finished or restored. Default false.
    #[serde(default)]
    pub suspend: bool,
    /// The ordered steps of a rollout, at most 8.
    #[schemars(length(min = 1, max = 8))]
    pub stages: Vec<Stage>,
    /// How many ended rollouts `status.history` keeps, 0 to 10. Default 3.
    #[serde(default = "default_history")]
    #[schemars(range(min = 0, max = 10))]
    pub history_limit: i32,
}

/// The image to bring: a tag, a digest, or both.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// Where the image lies, without tag or digest: `ghcr.io/acme/checkout`.
    #[schemars(length(min = 1, max = 255))]
    pub repository: String,
    /// A tag that names one commit, such as `sha-4f2c1d9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub tag: Option<String>,
    /// `sha256:` and 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Accepts a tag that may move, such as `latest`. Default false.
    #[serde(default)]
    pub allow_moving_tag: bool,
    /// Stops where a digest is unknown instead of going on with a warning. Default false.
    #[serde(default)]
    pub require_digest: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    #[schemars(length(min = 1, max = 30))]
    pub name: String,
    /// How this stage is entered. May be absent in a first stage that has a stage after it (Automatic) and in later stages (Manual).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// `None`: this stage is verified by availability alone. Refused beside `healthChecks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<ChecksMode>,
    /// First write to all targets available on the new revision. Default 10m.
    #[serde(default = "default_progress_deadline")]
    pub progress_deadline: Duration,
    #[schemars(length(min = 1, max = 8))]
    pub targets: Vec<Target>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub hooks: Vec<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub health_checks: Vec<HealthCheck>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub smoke_tests: Vec<SmokeTest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub performance_checks: Vec<PerformanceCheck>,
    /// How long the health checks are asked again after everything else passed. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
    #[serde(default)]
    pub rollback: Rollback,
}

/// How a stage is entered.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    pub mode: PromotionMode,
    /// How long an approval is waited for. Default 24h.
    #[serde(default = "default_promotion_timeout")]
    pub timeout: Duration,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum PromotionMode {
    /// Goes on as soon as the stage before is verified.
    Automatic,
    /// Waits for a person's approval.
    Manual,
}

/// What happens when a stage fails after it was written.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    #[serde(default)]
    pub mode: RollbackMode,
    #[serde(default)]
    pub scope: RollbackScope,
    #[serde(default)]
    pub on_inconclusive: OnInconclusive,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum RollbackMode {
    #[default]
    Automatic,
    Manual,
    Never,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum RollbackScope {
    /// Only the stage in work is taken back.
    #[default]
    Stage,
    /// Earlier stages too, in reverse order.
    Release,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum OnInconclusive {
    /// Restores, without holding it against the image.
    #[default]
    Restore,
    /// Waits for a person.
    Hold,
}

impl ImageSpec {
    /// The reference as it is written into a target that pulls from `repository`.
    pub fn at(&self, repository: Option<&str>) -> super::Image {
        super::Image::build(repository.unwrap_or(&self.repository), self.tag.as_deref(), self.digest.as_ref())
    }
    /// What people call it: the tag, or the first 12 hex digits of the digest.
    pub fn short(&self) -> String {
        self.at(None).short()
    }
}

impl ReleaseSpec {
    /// The promotion of stage `index`, with what its position implies filled in.
    pub fn promotion(&self, index: usize) -> Promotion {
        let mode = if index == 0 { PromotionMode::Automatic } else { PromotionMode::Manual };
        let implied = Promotion { mode, timeout: default_promotion_timeout() };
        self.stages.get(index).and_then(|s| s.promotion.clone()).unwrap_or(implied)
    }
    /// A copy in which nothing depends on a stage's position any more.
    pub fn resolved(&self) -> Self {
        let mut spec = self.clone();
        for index in 0..spec.stages.len() {
            spec.stages[index].promotion = Some(self.promotion(index));
        }
        spec
    }
    pub fn stage(&self, name: &str) -> Option<(usize, &Stage)> {
        self.stages.iter().enumerate().find(|(_, s)| s.name == name)
    }
}

fn default_history() -> i32 {
    3
}
fn default_progress_deadline() -> Duration {
    Duration::from_secs(600)
}
fn default_promotion_timeout() -> Duration {
    Duration::from_secs(24 * 3600)
}

/// An arbitrary JSON value, kept as it is.
pub(crate) fn any_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}
/// An arbitrary JSON object, kept as it is and replaced as a whole.
pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic"
    })
}
pub(crate) type AnyValue = Value;

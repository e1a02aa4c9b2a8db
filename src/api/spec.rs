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
mod decimal;
mod gates;
mod hooks;
mod load;
mod percent;
mod questions;
mod readiness;
mod targets;

pub use checks::{
    ChecksMode, Expect, Header, HealthCheck, HttpCheck, JsonExpect, PodsProbe, Probe, Retry, SecretKey, ServiceProbe,
    SmokeTest,
};
pub use decimal::Decimal;
pub use gates::{
    Bounds, CloudwatchGate, GateLimit, GateLimits, MetricGate, MetricServer, MetricSource, OnNoData, PrometheusGate,
};
pub use hooks::{EcsNetwork, EcsTaskHook, Hook, HookKind, JobHook, JobSource, JobTest, LaunchType, ObjectName};
pub use load::{HttpLoad, LatencyLimit, PerformanceCheck, ShareLimit, Thresholds, ThroughputLimit};
pub use percent::Percent;
pub use questions::{GrpcCheck, Peer, Question, SmokeQuestion, TcpCheck};
pub use readiness::{EvidenceMap, Readiness, Weights};
pub use targets::{EcsTarget, KubernetesTarget, Target, TargetKind, WorkloadKind};

/// Which image, through which stages. Long-lived, one per application: a new version is an edit of `image.tag`.
#[allow(clippy::duplicated_attributes, reason = "several columns are of one type")]
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    shortname = "rel",
    namespaced,
    status = "ReleaseStatus",
    derive = "PartialEq",
    category = "tidegate",
    doc = "Rolls one image through the stages of an application, and takes it back where it does not do well.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.rollout.stage"),
    printcolumn(name = "Tag", type_ = "string", json_path = ".status.tag"),
    printcolumn(name = "Previous", type_ = "string", json_path = ".status.previousTag"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message")
)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    pub image: ImageSpec,
    /// Begins no rollout and no further stage; a stage that has begun is finished or restored. Default false.
    #[serde(default)]
    pub suspend: bool,
    /// The ordered steps of a rollout, 1 to 8, such as staging and production. Names differ.
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
    #[schemars(length(max = 255))]
    pub repository: String,
    /// A tag that names one commit, such as `sha-4f2c1d9`. Refused if it has neither a digit nor 7 hex digits at its end,
    /// unless `allowMovingTag` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub tag: Option<String>,
    /// `sha256:` and 64 hex digits. Without a tag, its first 12 hex digits stand where a tag would be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Accepts a tag that may move, such as `latest`. Default false.
    #[serde(default)]
    pub allow_moving_tag: bool,
    /// Stops where a digest is unknown instead of going on with a warning. Default false.
    #[serde(default)]
    pub require_digest: bool,
    /// Whether registries are asked what the image is before a stage is written. Default Never.
    #[serde(default)]
    pub resolve: Resolve,
    /// A Secret of the Release's namespace with credentials for the registries that are asked: `kubernetes.io/dockerconfigjson`,
    /// as in `imagePullSecrets`. Default: they are asked as anybody may. Only with `resolve: Registry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pull_secret: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum Resolve {
    /// No registry is asked: digests are those that pods report.
    #[default]
    Never,
    /// Before a stage is written its image must be in its registry, and be the one that the stage before was verified with.
    Registry,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// A DNS label of at most 30 characters; it stands in approval tokens.
    #[schemars(length(max = 30))]
    pub name: String,
    /// How this stage is entered. May be absent in a first stage that has a stage after it (then Automatic) and in later
    /// stages (then Manual); the only stage of a Release must say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// What CI must have found out about the image before this stage is entered. Default: nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// Says that this stage has no checks on purpose. Refused beside checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<ChecksMode>,
    /// From the first write until all targets are available on the new revision, 5s to 24h. Default 10m.
    /// A restore gets the same time afresh.
    #[serde(default = "default_progress_deadline")]
    pub progress_deadline: Duration,
    /// What runs the image in this stage, 1 to 8: written in this order, verified together, restored in reverse order.
    #[schemars(length(min = 1, max = 8))]
    pub targets: Vec<Target>,
    /// Work done before the image is written, one after the other, at most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub hooks: Vec<Hook>,
    /// Work that undoes what `hooks` did, one after the other, at most 4: when the stage was taken back, before the
    /// restored version is asked; also when a hook failed and nothing was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub on_rollback: Vec<Hook>,
    /// Asked as soon as the targets are available, at most 16. At least one, or `checks: None`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub health_checks: Vec<HealthCheck>,
    /// Asked one after the other when all health checks passed, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub smoke_tests: Vec<SmokeTest>,
    /// Load, when all smoke tests passed, one after the other, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub performance_checks: Vec<PerformanceCheck>,
    /// How long the health checks are asked again after everything else passed, 1s to 24h. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
    /// What metrics must say while the stage bakes, at most 8. Needs `bake`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub metric_gates: Vec<MetricGate>,
    /// How often the smoke tests are asked again while the Release is at rest, 10s to 720h. Default never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// What happens when this stage fails after it was written.
    #[serde(default)]
    pub rollback: Rollback,
}

/// How a stage is entered.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    /// Who decides.
    pub mode: PromotionMode,
    /// How long an approval is waited for, 1s to 720h. Default 24h.
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
    /// Who decides.
    #[serde(default)]
    pub mode: RollbackMode,
    /// How far back.
    #[serde(default)]
    pub scope: RollbackScope,
    /// What a stage does whose checks could not be asked until their budget was spent.
    #[serde(default)]
    pub on_inconclusive: OnInconclusive,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Default)]
pub enum RollbackMode {
    /// Restores at once.
    #[default]
    Automatic,
    /// Ends as Failed; the annotation `tidegate.dev/rollback` restores.
    Manual,
    /// Ends as Failed and is left as it is.
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

/// An arbitrary JSON value, kept as it is; `nullable`, or the API server would drop a null and with it the field.
pub(crate) fn any_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true, "nullable": true})
}
/// An arbitrary JSON object, kept as it is and replaced as a whole.
pub(crate) fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic"
    })
}
pub(crate) type AnyValue = Value;

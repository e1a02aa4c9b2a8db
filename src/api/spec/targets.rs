//! What runs the image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that runs the image, with exactly one of `kubernetes` and `ecs`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    #[schemars(length(min = 1, max = 30))]
    pub name: String,
    /// Where this target pulls the image from, if it differs from `spec.image.repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub repository: Option<String>,
    #[serde(flatten)]
    pub kind: TargetKind,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TargetKind {
    Kubernetes(KubernetesTarget),
    Ecs(EcsTarget),
}

/// A workload on this cluster.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesTarget {
    pub kind: WorkloadKind,
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Default: the Release's namespace. Another one needs the workload's consent by `tidegate.dev/allow-from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The containers that run the image; nothing else of the pod template is touched.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 63)))]
    pub containers: Vec<String>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// A service on AWS ECS.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsTarget {
    #[schemars(length(min = 1, max = 32))]
    pub region: String,
    #[schemars(length(min = 1, max = 255))]
    pub cluster: String,
    #[schemars(length(min = 1, max = 255))]
    pub service: String,
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 255)))]
    pub containers: Vec<String>,
    /// The role to assume. Default: the controller's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 256))]
    pub role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256))]
    pub external_id: Option<String>,
}

impl Target {
    pub fn containers(&self) -> &[String] {
        match &self.kind {
            TargetKind::Kubernetes(k) => &k.containers,
            TargetKind::Ecs(e) => &e.containers,
        }
    }
    pub fn kubernetes(&self) -> Option<&KubernetesTarget> {
        match &self.kind {
            TargetKind::Kubernetes(k) => Some(k),
            TargetKind::Ecs(_) => None,
        }
    }
}

impl KubernetesTarget {
    /// The workload's namespace, given the Release's.
    pub fn namespace_or<'a>(&'a self, release: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(release)
    }
}

impl std::fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

//! What runs the image.

use crate::api::status::{KubernetesWorkload, Workload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that runs the image, with exactly one of `kubernetes` and `ecs`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// A DNS label of at most 30 characters.
    #[schemars(length(max = 30))]
    pub name: String,
    /// Where this target pulls the image from, if it differs from `spec.image.repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub repository: Option<String>,
    #[serde(flatten)]
    pub kind: TargetKind,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TargetKind {
    /// A workload on this cluster.
    Kubernetes(KubernetesTarget),
    /// A service on AWS ECS.
    Ecs(EcsTarget),
}

/// A workload on this cluster.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesTarget {
    /// What kind of workload it is.
    pub kind: WorkloadKind,
    /// The workload's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Default: the Release's namespace. Another one needs the workload's consent by `tidegate.dev/allow-from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// The containers that run the image, 1 to 8; nothing else of the pod template is touched.
    #[schemars(length(min = 1, max = 8), inner(length(max = 63)))]
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
    /// Such as `eu-west-1`.
    #[schemars(length(max = 32))]
    pub region: String,
    /// Name or ARN of the cluster.
    #[schemars(length(max = 255))]
    pub cluster: String,
    /// The service's name.
    #[schemars(length(max = 255))]
    pub service: String,
    /// The containers of the task definition that run the image, 1 to 8.
    #[schemars(length(min = 1, max = 8), inner(length(max = 255)))]
    pub containers: Vec<String>,
    /// The role to assume. Default: the controller's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
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
    /// Which workload this is, in a Release of `namespace`.
    pub fn workload(&self, namespace: &str) -> Workload {
        match &self.kind {
            TargetKind::Kubernetes(k) => Workload::Kubernetes(KubernetesWorkload {
                kind: k.kind,
                namespace: k.namespace_or(namespace).to_owned(),
                name: k.name.clone(),
            }),
            TargetKind::Ecs(e) => Workload::Ecs(e.into()),
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

impl WorkloadKind {
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The label by which the controller of such workloads tells the pods of its revisions apart.
    pub fn revision_label(self) -> &'static str {
        match self {
            Self::Deployment => "pod-template-hash",
            Self::StatefulSet | Self::DaemonSet => "controller-revision-hash",
        }
    }
}

impl std::fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

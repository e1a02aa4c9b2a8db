//! What was seen of a workload and its pods, without anything that only the Kubernetes API would say.

use super::effect::Stamp;
use super::status::{ContainerImage, Progressing, Workload};
use super::time::Time;
use super::{Digest, Image, NsName};
use serde::{Deserialize, Serialize};

mod ecs;
mod evidence;
mod lookup;
mod stateful;
pub use ecs::{DeploymentStatus, EcsView, RolloutState, ServiceDeployment, StopCode, TASKS, TaskView};
pub use evidence::EvidenceView;
pub use lookup::{HealthState, ImageQuery, Lookup, Manifest, RegistryImage, TargetHealth};
pub use stateful::{OutdatedPod, StatefulView};

/// One target as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TargetView {
    Live(Box<LiveTarget>),
    /// The API server said that there is none.
    Absent,
    /// It, or its namespace, is being deleted.
    Terminating,
    /// The API server refused to show it.
    Denied(String),
    /// No answer: nothing is known of it.
    Unreachable(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveTarget {
    pub workload: Workload,
    pub uid: String,
    pub resource_version: String,
    pub generation: i64,
    pub observed_generation: i64,
    pub paused: bool,
    /// `updateStrategy: OnDelete`: pods get another image only when somebody deletes them.
    #[serde(default)]
    pub on_delete: bool,
    /// Of a DaemonSet: the nodes that should run it, and their pods.
    pub replicas: Replicas,
    /// Containers and init containers of the pod template.
    pub containers: Vec<LiveContainer>,
    /// Our last write's stamp, as it stands there now; it may be a copy that `kubectl rollout undo` brought back.
    pub stamp: Option<Stamp>,
    /// The pod-template-hash of the ReplicaSet that runs the current template, once the Deployment has one; of a
    /// StatefulSet and DaemonSet the controller-revision-hash of their pods.
    /// ECS: the number in the PRIMARY deployment's id, which is the name of its service revision.
    pub revision: Option<String>,
    pub progressing: Option<Progressing>,
    /// Message of `ReplicaFailure=True`: quota, admission.
    pub replica_failure: Option<String>,
    /// Pods of the current revision only, at most 500.
    pub pods: Vec<PodView>,
    /// Who else's Releases may write here, from the workload and its Namespace: `<namespace>/<release>` or `<namespace>/*`.
    pub allow_from: Vec<String>,
    pub allow_repository: Option<String>,
    /// The Release named in the stamp, if it is another one that still exists and lists this workload.
    pub claimed_by: Option<NsName>,
    /// A GitOps tool that applies this object, by its field manager.
    pub gitops: Option<String>,
    /// What only a StatefulSet has.
    #[serde(default)]
    pub stateful: Option<StatefulView>,
    /// What only an ECS service has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<Box<EcsView>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replicas {
    pub wanted: i32,
    pub total: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveContainer {
    pub name: String,
    pub init: bool,
    pub image: Image,
    /// Field managers that own its image.
    pub owners: Vec<String>,
    /// No manager but Tidegate owns any field of it: its owner removed it.
    pub orphaned: bool,
    /// What its running pods report, if all agree.
    pub digest: Option<Digest>,
    /// What they report if they do not agree, at most 16: nodes of several platforms may report several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    pub name: String,
    pub uid: String,
    pub created: Time,
    pub ready: bool,
    /// Being deleted, or over since it was taken away.
    pub terminating: bool,
    pub unschedulable: Option<String>,
    pub containers: Vec<ContainerView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerView {
    pub name: String,
    pub init: bool,
    pub state: ContainerRun,
    pub restarts: i32,
    /// How it ended the last time.
    pub last_exit: Option<Exit>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerRun {
    Waiting { reason: String, message: String },
    Running,
    Terminated(Exit),
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: i32,
    pub reason: String,
}

impl LiveContainer {
    /// Every digest that its pods report; none: it is not known.
    pub fn reported(&self) -> impl Iterator<Item = &Digest> {
        self.digest.iter().chain(&self.digests)
    }
}

impl LiveTarget {
    pub fn container(&self, name: &str) -> Option<&LiveContainer> {
        self.containers.iter().find(|c| c.name == name)
    }
    /// Whether every one of `images` is what its container's template says.
    pub fn runs(&self, images: &[ContainerImage]) -> bool {
        !images.is_empty() && images.iter().all(|i| self.container(&i.container).is_some_and(|c| c.image == i.image))
    }
    /// What the listed containers run now, digests included where known.
    pub fn images(&self, containers: &[String]) -> Vec<ContainerImage> {
        let found = containers.iter().filter_map(|name| self.container(name));
        found
            .map(|c| ContainerImage { container: c.name.clone(), image: c.image.clone(), digest: c.digest.clone() })
            .collect()
    }
}

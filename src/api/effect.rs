//! Changes to the world, as data, and what came of them.

use super::hook::{HookRun, HookStop};
use super::status::{ContainerImage, Workload};
use super::{EffectId, Image, NsName};
use serde::{Deserialize, Serialize};

/// The one visible change that a decision may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    SetFinalizer,
    RemoveFinalizer,
    Write(Box<TargetWrite>),
    DeletePod(Box<PodDeletion>),
    RunHook(HookRun),
    StopHook(HookStop),
}

/// Deletes one pod that holds up a StatefulSet, if it is still the object and version that the decision was taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodDeletion {
    pub workload: Workload,
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub resource_version: String,
}

/// Brings `images` to one workload, if it is still the object and version that the decision was taken on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetWrite {
    pub stage: String,
    pub target: String,
    pub workload: Workload,
    pub uid: String,
    pub resource_version: String,
    /// Every container whose image Tidegate owns there after this write: one that is left out is given up.
    pub images: Vec<ContainerImage>,
    /// Names of those in `images` that are init containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init: Vec<String>,
    pub stamp: Stamp,
    /// How it is brought to an ECS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsWrite>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EcsWrite {
    /// Brings a copy of the task definition that the service names, with other images.
    Copy,
    /// Brings this task definition, or, where it cannot be used any more, a copy as above. `again`: that was intended
    /// before, and nobody heard what came of it.
    TaskDefinition { arn: String, again: bool },
    /// Stops this service deployment, upon which ECS brings back the revision before it.
    Stop(String),
}

/// What Tidegate leaves on a workload with each write, so that the world can be read after a crash or a lost status.
///
/// It counts only with its exact effect id *and* the image: `kubectl rollout undo` copies old annotations back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    pub effect: EffectId,
    /// The Release that wrote, and its uid.
    pub release: NsName,
    pub uid: String,
    /// What this write brought.
    pub images: Vec<ContainerImage>,
    /// What a restore brings; of a restoring write, what it brought.
    pub way_back: Vec<ContainerImage>,
    pub verified: bool,
    /// An irreversible hook had succeeded before: only a person's order brings the way back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
    /// ECS: the task definition that a restore brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<String>,
    /// After a restore: the images taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<Image>,
}

/// What came of an effect: an observation of the next step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Applied {
        generation: i64,
        resource_version: String,
    },
    /// The pod is being deleted.
    Deleted,
    /// A hook's Job, or its ECS task, was made: the Job's uid, or the task's ARN.
    Created {
        uid: String,
    },
    /// ECS stops this service deployment and goes back by itself.
    Stopping {
        deployment: String,
    },
    Refused {
        kind: Refused,
        message: String,
    },
    /// No answer, or one that does not say whether it was done: look at the world again.
    Ambiguous {
        message: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refused {
    /// The object changed since it was read, or is there already: decide anew.
    Conflict,
    /// Another object stands under that name, or none.
    Gone,
    /// RBAC or an admission webhook.
    Forbidden,
    /// Validation or an admission policy.
    Invalid,
    /// Too many requests: nothing was done.
    Throttled,
    /// ECS finds no room for a task now: nothing was done.
    NoCapacity,
}

impl Refused {
    /// What an API server means by this status code; `None`: it does not say whether the request was carried out. An
    /// expired credential is one of these, because the next request brings a fresh one.
    pub fn of_code(code: u16) -> Option<Self> {
        match code {
            409 => Some(Self::Conflict),
            404 | 410 => Some(Self::Gone),
            403 => Some(Self::Forbidden),
            429 => Some(Self::Throttled),
            401 | 408 => None,
            400..=499 => Some(Self::Invalid),
            _ => None,
        }
    }
}

impl Effect {
    /// Whether what was read of targets and hooks says nothing any more once it is carried out.
    pub fn outdates(&self) -> bool {
        match self {
            Self::SetFinalizer | Self::RemoveFinalizer => false,
            Self::Write(_) | Self::DeletePod(_) | Self::RunHook(_) | Self::StopHook(_) => true,
        }
    }
}

//! What was seen of an ECS service, beside what every target shows.

use super::lookup::{Lookup, RegistryImage, TargetHealth};
use crate::api::EffectId;
use crate::api::status::ContainerImage;
use crate::api::time::Duration;
use serde::{Deserialize, Serialize};

/// Tasks of one service that are looked at, and asked for at its load balancers; ECS describes so many at once.
pub const TASKS: u8 = 100;

/// Of one look at a service. Reads of ECS may be old ones: a single look proves little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EcsView {
    /// ARN of the task definition that the PRIMARY deployment brings.
    pub task_definition: String,
    /// Of the PRIMARY deployment; ECS tells none for strategies other than rolling.
    pub rollout_state: Option<RolloutState>,
    /// The newest service deployment: the one object that is followed. `None`: ECS knows none.
    pub newest: Option<ServiceDeployment>,
    /// The one before it; only looked for where the status that would remember it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ServiceDeployment>,
    /// The controller of its deployments, where that is not ECS itself.
    pub controller: Option<String>,
    /// It is managed by ECS as an Express service.
    pub express: bool,
    /// Its minimum and maximum percent allow neither to stop nor to start a task.
    pub no_room: bool,
    /// Stopped tasks of the newest service deployment, at most 100.
    pub stopped: Vec<TaskView>,
    /// Numbers of deployments that ECS called failed lately.
    pub failed: Vec<String>,
    /// The newest service event that says why tasks are not placed.
    pub placement: Option<String>,
    /// What load balancers say of the running tasks of the PRIMARY deployment: one entry for each task and target group.
    #[serde(default)]
    pub health: Lookup<Vec<TargetHealth>>,
    /// Whether the image that is to be brought is there.
    #[serde(default)]
    pub image: Lookup<RegistryImage>,
    /// How long it is of no use to look again.
    pub look_again: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RolloutState {
    InProgress,
    Completed,
    Failed,
    /// A word that this version does not know.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceDeployment {
    pub arn: String,
    pub status: DeploymentStatus,
    pub reason: Option<String>,
    /// The service revision that it brings, as in [`super::LiveTarget::revision`].
    pub brings: String,
    pub task_definition: Option<String>,
    /// Images of that task definition.
    pub images: Vec<ContainerImage>,
    /// The effect that is stamped on that task definition.
    pub effect: Option<EffectId>,
    /// ARN of the task definition that a restore of it brings, as it is stamped there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeploymentStatus {
    Pending,
    InProgress,
    StopRequested,
    RollbackRequested,
    RollbackInProgress,
    Successful,
    RolledBack,
    RollbackFailed,
    Stopped,
    /// A word that this version does not know.
    Unknown,
}

/// One stopped task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The last part of its ARN.
    pub id: String,
    pub code: StopCode,
    pub reason: String,
    /// Container, exit code where it had one, and what ECS says of it.
    pub containers: Vec<(String, Option<i32>, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopCode {
    TaskFailedToStart,
    EssentialContainerExited,
    /// By a person, by the scheduler, or for capacity: nothing of the image.
    Other,
}

impl DeploymentStatus {
    /// Nothing moves any more.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Successful | Self::RolledBack | Self::RollbackFailed | Self::Stopped)
    }
    /// What it brings will not stay.
    pub fn is_failing(self) -> bool {
        matches!(self, Self::StopRequested | Self::RollbackRequested | Self::Stopped) || self.goes_back()
    }
    /// ECS brings back what ran before, has done so, or tried to.
    pub fn goes_back(self) -> bool {
        matches!(self, Self::RollbackRequested | Self::RollbackInProgress | Self::RolledBack | Self::RollbackFailed)
    }
}

impl ServiceDeployment {
    /// Whether what it brings runs every one of `images`.
    pub fn runs(&self, images: &[ContainerImage]) -> bool {
        let same = |i: &ContainerImage| self.images.iter().any(|o| o.container == i.container && o.image == i.image);
        !images.is_empty() && images.iter().all(same)
    }
}

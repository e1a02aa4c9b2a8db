//! What was looked up beside the workloads themselves. Who may not look does without.

use crate::api::Image;
use crate::api::status::ResolvedImage;
use serde::{Deserialize, Serialize};

/// What came of a look-up that may be forbidden without stopping anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lookup<T> {
    /// There is nothing to ask for, or not now.
    #[default]
    NotAsked,
    /// It is not allowed; for AWS in its own words.
    Denied(String),
    /// No answer: nothing is known.
    Unanswered(String),
    Known(T),
}

/// An image of a registry that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    pub image: Image,
    /// The repository exists and has it.
    pub there: bool,
}

/// An image that its registry is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageQuery {
    pub image: Image,
    /// A Secret of the Release's namespace with credentials.
    pub pull_secret: Option<String>,
}

/// What a registry says of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manifest {
    /// It has no such tag, digest or repository.
    Missing,
    Found(ResolvedImage),
}

/// What one target group says of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The last part of the task's ARN.
    pub task: String,
    pub address: String,
    /// It was started after the deployment had ended: by scaling, or in the place of another.
    #[serde(default)]
    pub later: bool,
    /// The target group's name.
    pub group: String,
    pub state: HealthState,
    /// AWS's code, such as `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// The same in AWS's words.
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HealthState {
    /// Being registered, or asked for the first time.
    Initial,
    Healthy,
    Unhealthy,
    /// Not registered, or in no use.
    Unused,
    Draining,
    Unavailable,
    /// A word that this version does not know.
    Unknown,
}

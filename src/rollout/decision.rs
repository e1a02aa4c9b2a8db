//! What a step decides. Carried out in this order: status, effect, checks, events.

use crate::api::ask::{Ask, AskId};
use crate::api::effect::Effect;
use crate::api::spec::TargetKind;
use crate::api::time::Time;
use crate::api::{ReleaseStatus, TargetId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The next status. Equal to the one that was observed: nothing is written. Its `announced` are the events to publish.
    pub status: ReleaseStatus,
    /// At most one visible effect, carried out only after `status` is stored.
    pub effect: Option<Effect>,
    /// The questions that should be under way now; any other of this Release is cancelled.
    pub asks: Vec<Ask>,
    /// Instead: what is under way goes on and nothing is begun, since nobody can see just now what it is asked of.
    #[serde(default)]
    pub hold: bool,
    /// Results that `status` counts, or that count no more: forgotten once `status` is stored.
    pub counted: Vec<AskId>,
    /// When to look again although nothing happened.
    pub again: Option<Time>,
}

/// What must be read before a step, told from the Release alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Need {
    /// Workloads to read, with their pods or tasks.
    pub targets: Vec<(TargetId, TargetKind)>,
    /// ConfigMaps of the Release's namespace that hold evidence.
    pub evidence: Vec<String>,
    /// A rollout is in work or about to start: pods are worth watching.
    pub active: bool,
}

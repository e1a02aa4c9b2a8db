//! A question to the application and its answer.

use super::spec::HttpCheck;
use super::status::{KubernetesWorkload, Purpose};
use super::time::Time;
use super::{NsName, RolloutId};
use serde::{Deserialize, Serialize};

/// Names one round of one check for ever; a result is counted only under the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskId {
    /// uid of the Release.
    pub release: String,
    pub rollout: RolloutId,
    pub stage: String,
    pub check: String,
    pub purpose: Purpose,
    pub number: i32,
    /// Revisions of the stage's targets when it was asked, in order: a result of another revision says nothing.
    pub revision: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    pub id: AskId,
    /// The Release: Secrets are read in its namespace, and consent is asked for it.
    pub release: NsName,
    pub http: HttpCheck,
    /// For `pods`: whose pods, and of which revision.
    pub pods: Option<PodsOf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodsOf {
    pub workload: KubernetesWorkload,
    /// pod-template-hash.
    pub revision: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Asked, and right.
    Pass,
    /// The application answered wrongly, or not at all.
    Fail,
    /// Nobody could ask: a blocked address, a missing Secret.
    Error,
    /// There was nothing to ask or to see.
    NoData,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskResult {
    pub id: AskId,
    pub outcome: Outcome,
    /// For people: status code, which expectation failed. Never a body, header or query. At most 256 characters.
    pub message: String,
    pub at: Time,
}

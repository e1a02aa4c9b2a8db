//! Everything that a decision may look at, as data. Gathered elsewhere, once per decision.

use crate::api::ask::AskResult;
use crate::api::effect::Answer;
use crate::api::view::{EvidenceView, TargetView};
use crate::api::{NsName, ReleaseSpec, ReleaseStatus, TargetId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Release as the API server served it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseView {
    pub name: NsName,
    pub uid: String,
    pub generation: i64,
    pub deleting: bool,
    pub finalizer: bool,
    /// Only those that begin with `tidegate.dev/`.
    pub annotations: BTreeMap<String, String>,
    pub spec: ReleaseSpec,
    pub status: ReleaseStatus,
}

/// What was seen beside the Release itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// By stage and target: of the spec as served and, while a rollout runs, of its frozen spec and of debts.
    #[serde(with = "as_pairs")]
    pub targets: BTreeMap<TargetId, TargetView>,
    /// What CI published, by ConfigMap of the Release's namespace.
    #[serde(default)]
    pub evidence: BTreeMap<String, EvidenceView>,
    /// Answers that no stored status has counted yet.
    pub results: Vec<AskResult>,
    /// What came of the effect that the step before this one asked for.
    pub answer: Option<Answer>,
}

/// JSON has no keys but strings, so a map by target id is written as pairs.
mod as_pairs {
    use super::{BTreeMap, TargetId, TargetView};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<TargetId, TargetView>, s: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(s)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<TargetId, TargetView>, D::Error> {
        Ok(Vec::<(TargetId, TargetView)>::deserialize(d)?.into_iter().collect())
    }
}

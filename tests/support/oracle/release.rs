//! The life of one Release: all that it ever was, read as what it says.

use super::version::{By, Key, Version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::status::{KubernetesWorkload, Rollout, StageState, TargetState, Workload};
use tidegate::api::{FINALIZER, MANAGER, ReleaseSpec, ReleaseStatus, RolloutId, TargetId};

pub struct Life {
    pub uid: String,
    pub key: Key,
    /// All versions, oldest first.
    pub moments: Vec<Moment>,
    /// When it was gone.
    pub gone: Option<u64>,
    /// When somebody else first wrote its status: what is remembered from then on is not the controller's alone.
    pub damaged: Option<u64>,
}

/// One version of a Release.
pub struct Moment {
    pub revision: u64,
    pub by: Option<By>,
    pub generation: i64,
    pub deleting: bool,
    /// It bears the controller's finalizer.
    pub held: bool,
    pub annotations: BTreeMap<String, String>,
    pub raw: Value,
    pub spec: Option<ReleaseSpec>,
    pub status: ReleaseStatus,
}

pub(super) fn lives(versions: &[Version]) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for version in versions.iter().filter(|v| v.key.is_release()) {
        if version.gone() {
            if let Some(life) = lives.iter_mut().rev().find(|l| l.key == version.key && l.gone.is_none()) {
                life.gone = Some(version.revision);
            }
            continue;
        }
        let moment = Moment::of(version);
        let at = lives.iter().position(|l| l.uid == version.uid());
        let Some(at) = at else {
            let (uid, key) = (version.uid().to_owned(), version.key.clone());
            lives.push(Life { uid, key, moments: vec![moment], gone: None, damaged: None });
            continue;
        };
        let life = &mut lives[at];
        let changed = life.moments.last().is_some_and(|m| m.raw["status"] != moment.raw["status"]);
        let ours = moment.by.as_ref().map_or_else(|| managed_alone(&version.value), |by| by.ours);
        if changed && !ours && life.damaged.is_none() {
            life.damaged = Some(moment.revision);
        }
        life.moments.push(moment);
    }
    lives
}

/// Whether nobody but the controller has written the status: for the few writes of which the audit log tells nothing, since
/// their sender died before it heard the answer.
fn managed_alone(release: &Value) -> bool {
    let entries = release["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut of_status = entries.filter(|e| e["subresource"] == "status").peekable();
    of_status.peek().is_some() && of_status.all(|e| e["manager"] == MANAGER)
}

impl Moment {
    fn of(version: &Version) -> Self {
        let metadata = &version.value["metadata"];
        let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
        Self {
            revision: version.revision,
            by: version.by.clone(),
            generation: metadata["generation"].as_i64().unwrap_or_default(),
            deleting: !metadata["deletionTimestamp"].is_null(),
            held: finalizers.into_iter().any(|f| f == FINALIZER),
            annotations: serde_json::from_value(metadata["annotations"].clone()).unwrap_or_default(),
            spec: serde_json::from_value(version.value["spec"].clone()).ok(),
            status: serde_json::from_value(version.value["status"].clone()).unwrap_or_default(),
            raw: version.value.clone(),
        }
    }
    pub fn ours(&self) -> bool {
        self.by.as_ref().is_some_and(|b| b.ours)
    }
    pub fn rollout(&self, id: RolloutId) -> Option<&Rollout> {
        self.status.rollout.as_ref().filter(|r| r.id == id)
    }
    pub fn stage(&self, id: RolloutId, name: &str) -> Option<&StageState> {
        self.rollout(id)?.stage_state(name)
    }
    pub fn target(&self, id: RolloutId, target: &TargetId) -> Option<&TargetState> {
        self.stage(id, &target.stage)?.targets.iter().find(|t| t.name == target.target)
    }
}

impl Life {
    /// The latest version before `revision`.
    pub fn before(&self, revision: u64) -> Option<&Moment> {
        self.moments.iter().rev().find(|m| m.revision < revision)
    }
    /// Whether what it remembers at `revision` is what the controller wrote.
    pub fn trusted(&self, revision: u64) -> bool {
        self.damaged.is_none_or(|d| revision < d)
    }
    /// Each version with the one before it, as long as it can be trusted.
    pub fn steps(&self) -> impl Iterator<Item = (&Moment, &Moment)> {
        self.moments.windows(2).map(|w| (&w[0], &w[1])).filter(|(_, m)| self.trusted(m.revision))
    }
    pub fn ids(&self) -> BTreeSet<RolloutId> {
        self.moments.iter().filter_map(|m| m.status.rollout.as_ref()).map(|r| r.id).collect()
    }
    /// The versions that speak of this rollout, as long as they can be trusted.
    pub fn of_rollout(&self, id: RolloutId) -> impl DoubleEndedIterator<Item = (&Moment, &Rollout)> {
        let trusted = self.moments.iter().filter(|m| self.trusted(m.revision));
        trusted.filter_map(move |m| Some((m, m.rollout(id)?)))
    }
    /// The spec that this rollout ran on, as it stood in the last version until `revision` that says it. Before it is
    /// frozen: the one of that time.
    pub fn spec_of(&self, id: RolloutId, revision: u64) -> Option<ReleaseSpec> {
        let until = || self.of_rollout(id).filter(|(m, _)| m.revision <= revision);
        let frozen = until().rev().find_map(|(_, r)| r.spec.clone());
        let frozen = frozen.and_then(|s| serde_json::from_value(s).ok());
        frozen.or_else(|| until().next_back().and_then(|(m, _)| m.spec.clone()).map(|s| s.resolved()))
    }
    /// When the first status that speaks of this rollout was stored.
    pub fn began(&self, id: RolloutId) -> Option<u64> {
        self.moments.iter().find(|m| m.rollout(id).is_some()).map(|m| m.revision)
    }
}

/// Where the versions of this workload are found; `None` for one on ECS.
pub fn workload_key(workload: &Workload) -> Option<Key> {
    let KubernetesWorkload { kind, namespace, name } = workload.kubernetes()?;
    Some(Key {
        resource: format!("{}s", kind.to_string().to_lowercase()),
        namespace: namespace.clone(),
        name: name.clone(),
    })
}

//! What the controller wrote to workloads.

use super::version::{Key, Version, uid};
use super::{Images, images};
use crate::support::audit::Record;
use serde_json::Value;
use tidegate::api::annotation::STAMP;
use tidegate::api::effect::Stamp;
use tidegate::api::names::EffectParts;
use tidegate::api::status::ContainerImage;
use tidegate::api::{RolloutId, Verb};

pub struct Write {
    pub revision: u64,
    pub key: Key,
    /// The request.
    pub record: usize,
    /// The version that it changed; null if there was none.
    pub before: Value,
    /// The revision of that version.
    pub on: u64,
    pub after: Value,
    /// What it was stamped with; absent if that cannot be read.
    pub stamp: Option<(Stamp, EffectParts)>,
}

pub(super) fn writes(versions: &[Version], records: &[Record]) -> Vec<Write> {
    let ours = versions.iter().filter(|v| v.key.is_workload() && !v.gone() && v.ours());
    let write = |v: &Version| {
        let record = v.by.as_ref()?.record;
        let before = v.before.map(|i| &versions[i]);
        Some(Write {
            revision: v.revision,
            key: v.key.clone(),
            record,
            before: before.map_or(Value::Null, |b| b.value.clone()),
            on: before.map_or(0, |b| b.revision),
            after: v.value.clone(),
            stamp: stamp(&records[record].request),
        })
    };
    ours.filter_map(write).collect()
}

/// The stamp that an object, or a request for one, bears.
pub fn stamp(object: &Value) -> Option<(Stamp, EffectParts)> {
    let stamp: Stamp = serde_json::from_str(object["metadata"]["annotations"][STAMP].as_str()?).ok()?;
    let parts = stamp.effect.parts()?;
    Some((stamp, parts))
}

impl Write {
    pub fn was(&self) -> Images {
        images(&self.before)
    }
    pub fn is(&self) -> Images {
        images(&self.after)
    }
    /// Whether it changed what runs.
    pub fn changed(&self) -> bool {
        self.was() != self.is()
    }
    pub fn rollout(&self) -> Option<(&str, RolloutId)> {
        self.stamp.as_ref().map(|(s, p)| (s.uid.as_str(), p.rollout))
    }
    pub fn verb(&self) -> Option<Verb> {
        self.stamp.as_ref().map(|(_, p)| p.verb)
    }
    pub fn uid(&self) -> &str {
        uid(&self.after)
    }
}

/// The same of the containers that it has: its owner may have dropped some of them.
pub fn runs_where_it_can(images: &Images, wanted: &[ContainerImage]) -> bool {
    let there = |w: &&ContainerImage| images.contains_key(&w.container);
    let some: Vec<_> = wanted.iter().filter(there).cloned().collect();
    !some.is_empty() && runs(images, &some)
}

/// Whether a workload runs these images.
pub fn runs(images: &Images, wanted: &[ContainerImage]) -> bool {
    wanted.iter().all(|w| images.get(&w.container).map(String::as_str) == Some(w.image.as_str()))
}

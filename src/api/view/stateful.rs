//! What only a StatefulSet has: pods that are replaced one after the other, some of them perhaps never.

use crate::api::status::ContainerImage;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatefulView {
    /// `updateStrategy.rollingUpdate.partition`: so many pods, those of the lowest ordinals, keep what they run.
    pub partition: i32,
    /// Its controller calls the current template the revision of all pods.
    pub settled: bool,
    /// Pods of other revisions that are to be replaced, at most 500. Those that the partition keeps are not among them.
    pub outdated: Vec<OutdatedPod>,
    /// Ready pods of the current revision, without those that the partition keeps. `None`: not all pods were listed.
    #[serde(default)]
    pub following: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutdatedPod {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub ready: bool,
    pub terminating: bool,
    /// What its containers and init containers were told to run.
    pub images: Vec<ContainerImage>,
}

impl OutdatedPod {
    /// Whether every one of `images` is what its container was told to run.
    pub fn runs(&self, images: &[ContainerImage]) -> bool {
        let has = |i: &ContainerImage| self.images.iter().any(|p| p.container == i.container && p.image == i.image);
        !images.is_empty() && images.iter().all(has)
    }
}

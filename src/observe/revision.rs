//! Which pods run the current template of a workload, and which of a StatefulSet are still to be replaced.

use super::object::Object;
use super::{LIST, pods};
use crate::api::Image;
use crate::api::spec::WorkloadKind;
use crate::api::status::ContainerImage;
use crate::api::view::{OutdatedPod, StatefulView};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::{Resource, ResourceExt};
use serde_json::Value;

const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";
/// The place of a StatefulSet's pod in its row.
const INDEX: &str = "apps.kubernetes.io/pod-index";

/// The revision of the current template, once the workload's controller has seen that template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// What the pods' label says: see [`WorkloadKind::revision_label`].
    pub(super) revision: String,
    label: &'static str,
    /// Uid of their controller.
    owner: String,
}

impl Current {
    pub(super) fn has(&self, pod: &Pod) -> bool {
        owner_of(pod) == Some(&self.owner) && pod.labels().get(self.label) == Some(&self.revision)
    }
}

/// Several ReplicaSets may bear the same template (a change of defaults between versions of Kubernetes makes them): then
/// the one that the Deployment names as its revision, else the oldest, as the Deployment controller itself chooses.
pub(super) fn of_deployment(deployment: &Deployment, sets: &[ReplicaSet]) -> Option<Current> {
    let seen = deployment.status.as_ref().and_then(|s| s.observed_generation).unwrap_or_default();
    let template = &deployment.spec.as_ref()?.template;
    if seen < deployment.metadata.generation.unwrap_or_default() {
        return None;
    }
    let named = deployment.annotations().get(DEPLOYMENT_REVISION);
    let same = sets.iter().filter(|set| owned_by(*set, deployment) && runs(set, template));
    let set = same.min_by_key(|set| {
        let other = named.is_none() || set.annotations().get(DEPLOYMENT_REVISION) != named;
        (other, pods::created(&set.metadata), set.name_any())
    })?;
    let label = WorkloadKind::Deployment.revision_label();
    Some(Current { revision: set.labels().get(label)?.clone(), label, owner: set.uid()? })
}

/// Its controller says it itself, with the generation that it has seen.
pub(super) fn of_stateful_set(set: &StatefulSet) -> Option<Current> {
    let status = set.status.as_ref()?;
    let seen = status.observed_generation.unwrap_or_default() >= set.metadata.generation.unwrap_or_default();
    let revision = status.update_revision.clone().filter(|r| seen && !r.is_empty())?;
    Some(Current { revision, label: WorkloadKind::StatefulSet.revision_label(), owner: set.uid()? })
}

/// The newest ControllerRevision that holds the template as it stands.
pub(super) fn of_daemon_set(set: &DaemonSet, history: &[ControllerRevision]) -> Option<Current> {
    let seen = set.status.as_ref().and_then(|s| s.observed_generation).unwrap_or_default();
    let template = &set.spec.as_ref()?.template;
    if seen < set.metadata.generation.unwrap_or_default() {
        return None;
    }
    let same = history.iter().filter(|r| owned_by(*r, set) && held(r).as_ref() == Some(template));
    let newest = same.max_by_key(|r| r.revision)?;
    let label = WorkloadKind::DaemonSet.revision_label();
    Some(Current { revision: newest.labels().get(label)?.clone(), label, owner: set.uid()? })
}

/// `pods` are those of all its revisions.
pub(super) fn stateful(object: &Object, current: Option<&Current>, pods: &[Pod]) -> Option<StatefulView> {
    let Object::StatefulSet(set) = object else { return None };
    let spec = set.spec.as_ref();
    let rolling = spec.and_then(|s| s.update_strategy.as_ref()?.rolling_update.as_ref());
    let partition = rolling.and_then(|r| r.partition).unwrap_or_default().max(0);
    let first = spec.and_then(|s| s.ordinals.as_ref()?.start).unwrap_or_default();
    let status = set.status.clone().unwrap_or_default();
    let beyond: Vec<&Pod> = pods
        .iter()
        .filter(|pod| ordinal(pod).is_some_and(|n| n >= first.saturating_add(partition)))
        .filter(|pod| owned_by(*pod, set.as_ref()))
        .collect();
    let (up_to_date, outdated): (Vec<&Pod>, Vec<&Pod>) =
        beyond.into_iter().partition(|pod| current.is_none_or(|c| c.has(pod)));
    let following = up_to_date.iter().filter(|pod| pods::ready(pod) && !pods::terminating(pod)).count();
    let whole = pods.len() < LIST as usize;
    Some(StatefulView {
        partition,
        settled: status.update_revision.is_some() && status.update_revision == status.current_revision,
        outdated: outdated.into_iter().map(outdated_pod).collect(),
        following: i32::try_from(following).ok().filter(|_| whole && current.is_some()),
    })
}

/// Whether `owner` is the controller of `object`.
pub(super) fn owned_by(object: &impl Resource, of: &impl Resource) -> bool {
    of.meta().uid.is_some() && owner_of(object) == of.meta().uid.as_ref()
}

/// Uid of its controller.
pub(super) fn owner_of(object: &impl Resource) -> Option<&String> {
    let owners = object.meta().owner_references.iter().flatten();
    owners.filter(|o| o.controller == Some(true)).map(|o| &o.uid).next()
}

/// By its label, or, where an old Kubernetes made it, by its name.
fn ordinal(pod: &Pod) -> Option<i32> {
    let labelled = pod.labels().get(INDEX).and_then(|n| n.parse().ok());
    labelled.or_else(|| pod.metadata.name.as_deref()?.rsplit_once('-')?.1.parse().ok())
}

fn outdated_pod(pod: &Pod) -> OutdatedPod {
    let spec = pod.spec.as_ref();
    let main = spec.into_iter().flat_map(|s| &s.containers);
    let init = spec.into_iter().flat_map(|s| s.init_containers.iter().flatten());
    let image = |name: &str, image: Option<&String>| ContainerImage {
        container: name.to_owned(),
        image: Image::new(image.cloned().unwrap_or_default()),
        digest: None,
    };
    OutdatedPod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        resource_version: pod.resource_version().unwrap_or_default(),
        ready: pods::ready(pod),
        terminating: pods::terminating(pod),
        images: main.chain(init).map(|c| image(&c.name, c.image.as_ref())).collect(),
    }
}

/// The template that a ControllerRevision holds as a patch.
fn held(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template: &Value = revision.data.as_ref()?.0.get("spec")?.get("template")?;
    serde_json::from_value(template.clone()).ok()
}

/// A ReplicaSet's template is its Deployment's with the hash added.
fn runs(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    set.spec.as_ref().and_then(|s| s.template.as_ref()).is_some_and(|t| without_hash(t) == without_hash(template))
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
        labels.remove(WorkloadKind::Deployment.revision_label());
    }
    template
}

#[cfg(test)]
mod tests;

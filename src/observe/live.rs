//! A Deployment, its ReplicaSets and pods as one view. Conversion only: nothing is read here.

use super::{consent, fields, pods};
use crate::api::status::{KubernetesWorkload, Progressing};
use crate::api::text::{MESSAGE, tidy};
use crate::api::view::{LiveContainer, LiveTarget, Replicas};
use crate::api::{Image, NsName, Time, annotation};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use k8s_openapi::api::core::v1::{Container, Pod, PodTemplateSpec};
use kube::{Resource, ResourceExt};

/// The label by which a Deployment tells the pods of its revisions apart.
pub(super) const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What is known of a workload beside itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Consents of its Namespace, where they were read.
    pub namespace_consents: Vec<String>,
    pub claimed_by: Option<NsName>,
}

/// `pods` may hold more than the current revision's; only those count.
pub fn live(
    deployment: &Deployment,
    sets: &[ReplicaSet],
    pods: &[Pod],
    around: Surroundings,
    of: KubernetesWorkload,
) -> LiveTarget {
    let current = current_set(deployment, sets);
    let revision = current.and_then(|set| set.labels().get(HASH).cloned());
    let pods: Vec<&Pod> = pods.iter().filter(|pod| current.is_some_and(|set| owned_by(*pod, set))).collect();
    let spec = deployment.spec.as_ref();
    let status = deployment.status.as_ref();
    let mut allow_from = consent::entries(deployment.annotations());
    allow_from.extend(around.namespace_consents);
    LiveTarget {
        workload: of.into(),
        uid: deployment.uid().unwrap_or_default(),
        resource_version: deployment.resource_version().unwrap_or_default(),
        generation: deployment.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|s| s.observed_generation).unwrap_or_default(),
        paused: spec.and_then(|s| s.paused).unwrap_or(false),
        replicas: replicas(deployment),
        containers: containers(deployment, &pods),
        stamp: stamp(deployment),
        revision,
        progressing: condition(deployment, "Progressing").map(progressing),
        replica_failure: replica_failure(deployment),
        pods: pods.into_iter().map(pods::view).collect(),
        allow_from,
        allow_repository: deployment.annotations().get(annotation::ALLOW_REPOSITORY).cloned(),
        claimed_by: around.claimed_by,
        gitops: fields::gitops(&deployment.metadata),
        ecs: None,
    }
}

/// The ReplicaSet that runs the current template, once the Deployment controller has seen that template.
///
/// Several may bear the same template (a change of defaults between versions of Kubernetes makes them): then the one
/// that the Deployment names as its revision, else the oldest, as the Deployment controller itself chooses.
pub(super) fn current_set<'a>(deployment: &Deployment, sets: &'a [ReplicaSet]) -> Option<&'a ReplicaSet> {
    let seen = deployment.status.as_ref().and_then(|s| s.observed_generation).unwrap_or_default();
    let template = &deployment.spec.as_ref()?.template;
    if seen < deployment.metadata.generation.unwrap_or_default() {
        return None;
    }
    let named = deployment.annotations().get(REVISION);
    let same = sets.iter().filter(|set| owned_by(*set, deployment) && runs(set, template));
    same.min_by_key(|set| {
        let other = named.is_none() || set.annotations().get(REVISION) != named;
        (other, pods::created(&set.metadata), set.name_any())
    })
}

/// The stamp that stands on a workload; what cannot be read as one is none.
pub(super) fn stamp(deployment: &Deployment) -> Option<crate::api::effect::Stamp> {
    serde_json::from_str(deployment.annotations().get(annotation::STAMP)?).ok()
}

pub(super) fn replica_failure(deployment: &Deployment) -> Option<String> {
    let failing = condition(deployment, "ReplicaFailure").filter(|c| c.status == "True")?;
    Some(tidy(failing.message.as_deref().unwrap_or_default(), MESSAGE))
}

/// Whether `owner` is the controller of `object`.
pub(super) fn owned_by(object: &impl Resource, owner: &impl Resource) -> bool {
    let uid = owner.meta().uid.as_deref();
    let owners = object.meta().owner_references.iter().flatten();
    uid.is_some() && owners.filter(|o| o.controller == Some(true)).any(|o| Some(o.uid.as_str()) == uid)
}

/// A ReplicaSet's template is its Deployment's with the hash added.
fn runs(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    set.spec.as_ref().and_then(|s| s.template.as_ref()).is_some_and(|t| without_hash(t) == without_hash(template))
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
        labels.remove(HASH);
    }
    template
}

fn replicas(deployment: &Deployment) -> Replicas {
    let status = deployment.status.clone().unwrap_or_default();
    Replicas {
        wanted: deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1),
        total: status.replicas.unwrap_or_default(),
        updated: status.updated_replicas.unwrap_or_default(),
        ready: status.ready_replicas.unwrap_or_default(),
        available: status.available_replicas.unwrap_or_default(),
    }
}

fn containers(deployment: &Deployment, pods: &[&Pod]) -> Vec<LiveContainer> {
    let Some(pod) = deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref()) else { return Vec::new() };
    let init = pod.init_containers.iter().flatten().map(|c| (true, c));
    let main = pod.containers.iter().map(|c| (false, c));
    main.chain(init).map(|(init, c)| container(deployment, pods, init, c)).collect()
}

fn container(deployment: &Deployment, pods: &[&Pod], init: bool, container: &Container) -> LiveContainer {
    let ownership = fields::of_container(&deployment.metadata, &container.name, init);
    LiveContainer {
        name: container.name.clone(),
        init,
        image: Image::new(container.image.clone().unwrap_or_default()),
        owners: ownership.image,
        orphaned: ownership.orphaned,
        digest: pods::digest(pods, &container.name, init),
        digests: pods::digests(pods, &container.name, init),
    }
}

fn condition<'a>(deployment: &'a Deployment, type_: &str) -> Option<&'a DeploymentCondition> {
    deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == type_)
}

fn progressing(condition: &DeploymentCondition) -> Progressing {
    Progressing {
        status: condition.status.clone(),
        reason: condition.reason.clone().unwrap_or_default(),
        last_update: condition.last_update_time.as_ref().map(|t| Time::new(t.0)),
    }
}

#[cfg(test)]
mod tests;

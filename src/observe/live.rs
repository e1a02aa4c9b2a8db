//! A workload and its pods as one view. Conversion only: nothing is read here.

use super::object::Object;
use super::revision::{self, Current};
use super::{consent, fields, pods};
use crate::api::effect::Stamp;
use crate::api::status::{KubernetesWorkload, Progressing};
use crate::api::view::{LiveContainer, LiveTarget};
use crate::api::{Image, NsName, Time, annotation};
use k8s_openapi::api::apps::v1::DeploymentCondition;
use k8s_openapi::api::core::v1::{Container, Pod};

/// What is known of a workload beside itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Consents of its Namespace, where they were read.
    pub namespace_consents: Vec<String>,
    pub claimed_by: Option<NsName>,
}

/// `all` may hold more pods than the current revision's; of a StatefulSet it must.
pub fn live(
    object: &Object,
    current: Option<&Current>,
    all: &[Pod],
    around: Surroundings,
    of: KubernetesWorkload,
) -> LiveTarget {
    let pods: Vec<&Pod> = all.iter().filter(|pod| current.is_some_and(|c| c.has(pod))).collect();
    let meta = object.meta();
    let mut allow_from = consent::entries(object.annotations());
    allow_from.extend(around.namespace_consents);
    LiveTarget {
        workload: of.into(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        generation: object.generation(),
        observed_generation: object.observed_generation(),
        paused: object.paused(),
        on_delete: object.on_delete(),
        replicas: object.replicas(),
        containers: containers(object, &pods),
        stamp: stamp(object),
        revision: current.map(|c| c.revision.clone()),
        progressing: object.condition("Progressing").map(progressing),
        replica_failure: object.replica_failure(),
        pods: pods.into_iter().map(pods::view).collect(),
        allow_from,
        allow_repository: object.annotations().get(annotation::ALLOW_REPOSITORY).cloned(),
        claimed_by: around.claimed_by,
        gitops: fields::gitops(meta),
        stateful: revision::stateful(object, current, all),
        ecs: None,
    }
}

/// The stamp that stands on a workload; what cannot be read as one is none.
pub(super) fn stamp(object: &Object) -> Option<Stamp> {
    serde_json::from_str(object.annotations().get(annotation::STAMP)?).ok()
}

fn containers(object: &Object, pods: &[&Pod]) -> Vec<LiveContainer> {
    let Some(pod) = object.template().and_then(|t| t.spec.as_ref()) else { return Vec::new() };
    let init = pod.init_containers.iter().flatten().map(|c| (true, c));
    let main = pod.containers.iter().map(|c| (false, c));
    main.chain(init).map(|(init, c)| container(object, pods, init, c)).collect()
}

fn container(object: &Object, pods: &[&Pod], init: bool, container: &Container) -> LiveContainer {
    let ownership = fields::of_container(object.meta(), &container.name, init);
    LiveContainer {
        name: container.name.clone(),
        init,
        image: Image::new(container.image.clone().unwrap_or_default()),
        owners: ownership.image,
        orphaned: ownership.orphaned,
        digest: pods::digest(pods, &container.name, init),
    }
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

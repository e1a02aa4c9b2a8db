//! Deployments in memory, and what becomes of their pods.

use super::world::REPOSITORY;
use crate::api::spec::WorkloadKind;
use crate::api::status::{KubernetesWorkload, Progressing, Workload};
use crate::api::time::Time;
use crate::api::view::{ContainerRun, ContainerView, Exit, LiveContainer, LiveTarget, PodView, Replicas};
use crate::api::{Digest, Image};
use sha2::Digest as _;

/// What an image does wherever it runs; by tag, an optional stage before it: `production:bad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Healthy,
    FailsHealth,
    FailsSmoke,
    /// Right answers that take four times as long as those of others.
    Slow,
    PullError,
    CrashLoop,
    NeverReady,
    CannotAsk,
}

pub(super) fn digest(image: &Image) -> Digest {
    let hex: String = sha2::Sha256::digest(image.as_str()).iter().map(|b| format!("{b:02x}")).collect();
    Digest::parse(&format!("sha256:{hex}")).unwrap()
}

pub(super) fn set_image(live: &mut LiveTarget, container: &str, image: Image, manager: &str) {
    let found = live.containers.iter_mut().find(|c| c.name == container).unwrap();
    if found.image != image {
        live.generation += 1;
        live.revision = None;
        live.pods.clear();
        live.replicas.updated = 0;
        live.replicas.available = live.replicas.wanted;
    }
    found.image = image;
    found.digest = None;
    found.owners = vec![manager.into()];
    live.resource_version = format!("{}x", live.resource_version);
}

pub(super) fn settle(live: &mut LiveTarget, behaviour: Behaviour) {
    if live.paused {
        live.observed_generation = live.generation;
        live.progressing =
            Some(Progressing { status: "Unknown".into(), reason: "DeploymentPaused".into(), last_update: None });
        return;
    }
    let image = live.containers[0].image.clone();
    let ok = !matches!(behaviour, Behaviour::PullError | Behaviour::CrashLoop | Behaviour::NeverReady);
    live.observed_generation = live.generation;
    live.revision = Some(digest(&image).short().to_owned());
    let n = live.replicas.wanted;
    live.replicas = Replicas { wanted: n, total: n, updated: n, ready: n, available: if ok { n } else { 0 } };
    let reason = if ok { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" };
    live.progressing = Some(Progressing { status: "True".into(), reason: reason.into(), last_update: None });
    for container in &mut live.containers {
        container.digest = ok.then(|| digest(&container.image));
    }
    let exit = Exit { code: 1, reason: "Error".into() };
    let (state, restarts) = match behaviour {
        Behaviour::PullError => {
            let message = format!("failed to resolve image: {image}: not found");
            (ContainerRun::Waiting { reason: "ErrImagePull".into(), message }, 0)
        }
        Behaviour::CrashLoop => {
            (ContainerRun::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() }, 1)
        }
        _ => (ContainerRun::Running, 0),
    };
    let last_exit = (restarts > 0).then_some(exit);
    let container = ContainerView { name: "app".into(), init: false, state, restarts, last_exit };
    let pod = PodView {
        name: format!("{}-1", live.uid),
        uid: "p-1".into(),
        created: Time::from_millis(1_780_000_000_000),
        ready: ok,
        terminating: false,
        unschedulable: None,
        containers: vec![container],
    };
    live.pods = if n > 0 { vec![pod] } else { vec![] };
}

pub(super) fn deployment(name: &str, tag: &str, containers: &[String]) -> LiveTarget {
    let image = Image::build(REPOSITORY, Some(tag), None);
    let mut live = LiveTarget {
        workload: Workload::Kubernetes(KubernetesWorkload {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: name.into(),
        }),
        uid: format!("uid-{name}"),
        resource_version: "1".into(),
        generation: 1,
        observed_generation: 1,
        paused: false,
        replicas: Replicas { wanted: 2, total: 2, updated: 2, ready: 2, available: 2 },
        containers: containers.iter().map(|c| container(c, image.clone())).collect(),
        stamp: None,
        revision: None,
        progressing: None,
        replica_failure: None,
        pods: vec![],
        allow_from: vec![],
        allow_repository: None,
        claimed_by: None,
        gitops: None,
        ecs: None,
    };
    settle(&mut live, Behaviour::Healthy);
    live
}

pub(super) fn container(name: &str, image: Image) -> LiveContainer {
    LiveContainer {
        name: name.into(),
        init: false,
        image,
        owners: vec!["kubectl".into()],
        orphaned: false,
        digest: None,
        digests: vec![],
    }
}

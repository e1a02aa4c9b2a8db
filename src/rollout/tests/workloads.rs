//! Deployments in memory, and what becomes of their pods.

use super::world::REPOSITORY;
use crate::api::spec::WorkloadKind;
use crate::api::status::{ContainerImage, KubernetesWorkload, Progressing, Workload};
use crate::api::text::sha256;
use crate::api::time::Time;
use crate::api::view::{
    ContainerRun, ContainerView, Exit, LiveContainer, LiveTarget, OutdatedPod, PodView, Replicas, StatefulView,
};
use crate::api::{Digest, Image};

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
    Digest::parse(&format!("sha256:{}", sha256(image.as_str()))).unwrap()
}

pub(super) fn set_image(live: &mut LiveTarget, container: &str, image: Image, manager: &str) {
    let ran = template(live);
    let found = live.containers.iter_mut().find(|c| c.name == container).unwrap();
    let changed = found.image != image;
    found.image = image;
    found.digest = None;
    found.owners = vec![manager.into()];
    if changed {
        live.generation += 1;
        live.revision = None;
        leave_behind(live, &ran);
        live.pods.clear();
        live.replicas.updated = 0;
        live.replicas.available = live.replicas.wanted;
    }
    live.resource_version = format!("{}x", live.resource_version);
}

/// What runs in a StatefulSet is replaced later, if ever.
fn leave_behind(live: &mut LiveTarget, ran: &[ContainerImage]) {
    let images = template(live);
    let Some(set) = &mut live.stateful else { return };
    set.settled = false;
    let left = live.pods.iter().map(|p| OutdatedPod {
        name: p.name.clone(),
        uid: p.uid.clone(),
        resource_version: "1".into(),
        ready: p.ready,
        terminating: p.terminating,
        images: ran.to_vec(),
    });
    set.outdated.extend(left);
    set.outdated.retain(|p| !p.runs(&images));
}

fn template(live: &LiveTarget) -> Vec<ContainerImage> {
    let image = |c: &LiveContainer| ContainerImage { container: c.name.clone(), image: c.image.clone(), digest: None };
    live.containers.iter().map(image).collect()
}

/// The defect of the StatefulSet controller: it waits for a pod that is not ready, whatever that pod runs.
fn held_up(live: &mut LiveTarget) -> bool {
    let Some(set) = &mut live.stateful else { return false };
    if set.outdated.iter().any(|p| !p.ready) {
        return true;
    }
    set.outdated.clear();
    false
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
    if held_up(live) {
        live.replicas = Replicas { wanted: n, total: n, updated: 0, ready: 0, available: 0 };
        return;
    }
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
    // One that takes another's place has its name, and is another.
    let uid = if live.stateful.is_some() { format!("p-{}-{}", live.uid, live.generation) } else { "p-1".into() };
    let pod = PodView {
        name: format!("{}-1", live.uid),
        uid,
        created: Time::from_millis(1_780_000_000_000),
        ready: ok,
        terminating: false,
        unschedulable: None,
        containers: vec![container],
    };
    live.pods = if n > 0 { vec![pod] } else { vec![] };
    if let Some(set) = &mut live.stateful {
        set.settled = ok;
        live.progressing = None;
    }
}

/// A workload of this kind, as [`deployment`] makes one.
pub(super) fn workload(kind: WorkloadKind, name: &str, tag: &str, containers: &[String]) -> LiveTarget {
    let mut live = deployment(name, tag, containers);
    live.workload = Workload::Kubernetes(KubernetesWorkload { kind, namespace: "shop".into(), name: name.into() });
    live.stateful = (kind == WorkloadKind::StatefulSet).then(StatefulView::default);
    settle(&mut live, Behaviour::Healthy);
    live
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
        on_delete: false,
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
        stateful: None,
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

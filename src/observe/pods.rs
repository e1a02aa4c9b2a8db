//! Pods as views, and the digests that they report.

use crate::api::text::tidy;
use crate::api::view::{ContainerRun, ContainerView, Exit, PodView};
use crate::api::{Digest, Time};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use kube::ResourceExt;
use std::collections::BTreeSet;

/// Longest message of a kubelet that is kept: it repeats the image's name up to three times.
const KUBELET_MESSAGE: usize = 1024;
/// Different digests of one container that are told; more say nothing.
const DIGESTS: usize = 16;

pub(super) fn view(pod: &Pod) -> PodView {
    let unscheduled = condition(pod, "PodScheduled")
        .filter(|c| c.status == "False" && c.reason.as_deref() == Some("Unschedulable"))
        .map(|c| tidy(c.message.as_deref().unwrap_or_default(), KUBELET_MESSAGE));
    PodView {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        created: created(&pod.metadata),
        ready: ready(pod),
        terminating: terminating(pod),
        unschedulable: unscheduled,
        containers: statuses(pod).map(|(init, status)| container(init, status)).collect(),
    }
}

/// What the pods report for a container, if at least one reports and all that report agree.
///
/// Only `imageID` counts: `status.image` may name another tag of the same image. A bare digest in `imageID` is that of
/// the image's configuration, not of what was pulled.
pub(super) fn digest(pods: &[&Pod], name: &str, init: bool) -> Option<Digest> {
    let mut digests = reported(pods, name, init);
    let first = digests.next()??;
    digests.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// What they report for it if they do not agree; empty if one of them reports none.
pub(super) fn digests(pods: &[&Pod], name: &str, init: bool) -> Vec<Digest> {
    let all: Option<BTreeSet<Digest>> = reported(pods, name, init).collect();
    let all = all.unwrap_or_default();
    if (2..=DIGESTS).contains(&all.len()) { all.into_iter().collect() } else { Vec::new() }
}

/// Of each pod that reports at all.
fn reported<'a>(pods: &'a [&'a Pod], name: &'a str, init: bool) -> impl Iterator<Item = Option<Digest>> + 'a {
    let alive = pods.iter().filter(|pod| !terminating(pod));
    let ids = alive
        .flat_map(|pod| statuses(pod))
        .filter(move |(i, s)| *i == init && s.name == name)
        .map(|(_, s)| &s.image_id);
    ids.filter(|id| !id.is_empty()).map(|id| Digest::parse(id).filter(|_| id.contains('@')))
}

pub(super) fn ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Being deleted, or over since it was taken away (KEP-3329): evicted from a node that had no room, or lost with it. One
/// that went beyond a limit of its own is over, too, and was not.
pub(super) fn terminating(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    let disrupted = condition(pod, "DisruptionTarget").is_some_and(|c| c.status == "True");
    pod.metadata.deletion_timestamp.is_some() || (disrupted && matches!(phase, Some("Failed" | "Succeeded")))
}

pub(super) fn created(meta: &meta::ObjectMeta) -> Time {
    meta.creation_timestamp.as_ref().map_or(Time::from_millis(0), |t| Time::new(t.0))
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == type_)
}

/// Init containers first, as they run; ephemeral ones are no part of the application.
fn statuses(pod: &Pod) -> impl Iterator<Item = (bool, &ContainerStatus)> {
    let status = pod.status.as_ref();
    let init = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
    let main = status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten();
    init.map(|s| (true, s)).chain(main.map(|s| (false, s)))
}

fn container(init: bool, status: &ContainerStatus) -> ContainerView {
    ContainerView {
        name: status.name.clone(),
        init,
        state: status.state.as_ref().map_or(ContainerRun::Unknown, run),
        restarts: status.restart_count,
        last_exit: status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).map(exit),
    }
}

fn run(state: &ContainerState) -> ContainerRun {
    match (&state.running, &state.terminated, &state.waiting) {
        (Some(_), _, _) => ContainerRun::Running,
        (None, Some(terminated), _) => ContainerRun::Terminated(exit(terminated)),
        (None, None, Some(waiting)) => ContainerRun::Waiting {
            reason: waiting.reason.clone().unwrap_or_default(),
            message: tidy(waiting.message.as_deref().unwrap_or_default(), KUBELET_MESSAGE),
        },
        (None, None, None) => ContainerRun::Unknown,
    }
}

fn exit(terminated: &ContainerStateTerminated) -> Exit {
    Exit { code: terminated.exit_code, reason: terminated.reason.clone().unwrap_or_default() }
}

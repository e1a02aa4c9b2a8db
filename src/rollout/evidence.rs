//! What a workload and its pods prove: that it is rolled out, or that it never will be.
//!
//! Kubelets tell long before a deadline: pull errors, crash loops and bad configuration are read from the pods of the
//! new revision alone, over time, because one sample can miss them.

use super::{ecs, strategy, stuck};
use crate::api::Reason;
use crate::api::status::{ContainerImage, Progressing, Restarts, TargetState};
use crate::api::text::tidy;
use crate::api::time::{Duration, Time};
use crate::api::view::{ContainerRun, ContainerView, LiveTarget, PodView};

/// How long pull errors that may pass, and bad configuration, are watched: a second attempt has failed by then.
const PULL_GRACE: Duration = Duration::from_secs(30);
/// How long refused pods are watched.
const CREATE_GRACE: Duration = Duration::from_secs(30);
/// Exits of one container after which it is a crash loop.
const EXITS: i32 = 3;
/// Characters of a kubelet's message that are passed on.
const MAX_WHY: usize = 200;
/// Restart counts that a status remembers.
const MAX_RESTARTS: usize = 50;

/// Why a target will not become available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: Reason,
    pub message: String,
    /// The image failed by its own fault.
    pub fault: bool,
}

/// Available in full on the current template, with nothing of another one left.
/// `written`: the images that the template must name.
pub(super) fn rolled_out(live: &LiveTarget, written: Option<&[ContainerImage]>) -> bool {
    if let Some(service) = &live.ecs {
        return ecs::rolled_out(live, service) && written.is_none_or(|images| live.runs(images));
    }
    let r = live.replicas;
    let complete = live.progressing.as_ref().is_none_or(|p| p.reason == "NewReplicaSetAvailable");
    live.observed_generation >= live.generation
        && r.wanted >= 1
        && (r.total, r.available) == (r.wanted, r.wanted)
        && strategy::followed(live)
        && complete
        && live.revision.is_some()
        && written.is_none_or(|images| live.runs(images))
}

/// Whether what was rolled out is still up. A pod that no node has room for is not counted: an autoscaler's wish says
/// nothing of the image. Nor is a pause, which changes no pod.
pub(super) fn still_up(live: &LiveTarget) -> bool {
    if let Some(service) = &live.ecs {
        return ecs::rolled_out(live, service);
    }
    let homeless = live.pods.iter().filter(|p| !p.terminating && p.unschedulable.is_some()).count();
    let r = live.replicas;
    r.available >= 1 && r.available.saturating_add(i32::try_from(homeless).unwrap_or(0)) >= r.wanted
}

/// Looks for proof that the target will not become available; remembers in `state` what must last to be proof.
pub(super) fn failure(live: &LiveTarget, state: &mut TargetState, now: Time) -> Option<Failure> {
    if let Some(service) = &live.ecs {
        return ecs::failure(live, service, state);
    }
    let pods = || live.pods.iter().filter(|p| !p.terminating);
    let ours =
        |container: &str| state.written.as_ref().is_some_and(|w| w.images.iter().any(|i| i.container == container));
    let proof = pods().find_map(|pod| of_pod(pod, &state.restarts_before, &ours));
    if proof.is_some() {
        return proof;
    }
    let passing: Vec<Trouble> = pods().filter_map(passing_trouble).collect();
    state.pull_error_since = passing.first().map(|_| state.pull_error_since.unwrap_or(now));
    let fresh = passing.into_iter().find(|t| !t.backing_off).map(|t| t.failure);
    if let (Some(trouble), Some(since)) = (fresh, state.pull_error_since)
        && now >= since.plus(PULL_GRACE)
    {
        return Some(trouble);
    }
    let refused = live.replica_failure.as_ref().filter(|_| live.observed_generation >= live.generation);
    state.create_error_since = refused.map(|_| state.create_error_since.unwrap_or(now));
    if let (Some(message), Some(since)) = (refused, state.create_error_since)
        && now >= since.plus(CREATE_GRACE)
    {
        return Some(Failure { reason: Reason::PodsRefused, message: message.clone(), fault: false });
    }
    deadline_of_its_own(live, state.progressing_before.as_ref())
}

/// When [`failure`] should be asked again although nothing changes.
pub(super) fn next_look(state: &TargetState, now: Time) -> Option<Time> {
    let pull = state.pull_error_since.map(|t| t.plus(PULL_GRACE));
    let create = state.create_error_since.map(|t| t.plus(CREATE_GRACE));
    let soon = now.plus(Duration::from_secs(5));
    pull.into_iter().chain(create).map(|at| if at > now { at } else { soon }).min()
}

/// Restart counts to remember: in pods that are there, or were `before` a write, only the increase counts.
pub(super) fn restarts(live: &LiveTarget, before: Option<Time>) -> Vec<Restarts> {
    let old = live.pods.iter().filter(|p| before.is_none_or(|at| p.created <= at));
    let counts = old.flat_map(|p| p.containers.iter().map(move |c| (p, c)));
    let some = counts.filter(|(_, c)| c.restarts > 0);
    some.take(MAX_RESTARTS)
        .map(|(p, c)| {
            let (pod, uid) = (p.name.clone(), p.uid.clone());
            Restarts { pod, uid, container: c.name.clone(), count: c.restarts }
        })
        .collect()
}

/// Why it is not available yet, for a message at the deadline.
pub(super) fn waiting_for(live: &LiveTarget) -> (Reason, String) {
    if let Some(service) = &live.ecs {
        return ecs::waiting_for(live, service);
    }
    if live.paused {
        return (Reason::TargetPaused, format!("{} is paused", live.workload));
    }
    if let Some(asleep) = strategy::asleep(live) {
        return (Reason::TargetScaledToZero, asleep);
    }
    if let Some(unfit) = strategy::unfit(live) {
        return (unfit.reason, unfit.message);
    }
    let pods = || live.pods.iter().filter(|p| !p.terminating);
    if let Some((pod, why)) = pods().find_map(|p| p.unschedulable.as_ref().map(|m| (p, m))) {
        return (Reason::Unschedulable, format!("pod {} fits no node: {why}", pod.name));
    }
    if let Some(trouble) = pods().find_map(passing_trouble) {
        return (trouble.failure.reason, trouble.failure.message);
    }
    if let Some(message) = &live.replica_failure {
        return (Reason::PodsRefused, message.clone());
    }
    let r = live.replicas;
    let (ready, followers) = (pods().filter(|p| p.ready).count(), strategy::followers(live));
    let mut message = format!(
        "{}: {} of {followers} replicas updated, {} available, {ready} pods of the new revision ready",
        live.workload, r.updated, r.available
    );
    if let Some(held_up) = stuck::told(live) {
        message = format!("{message}; {held_up}");
    }
    (Reason::ProgressDeadlineExceeded, message)
}

/// Only a container that runs the image is the image's fault.
fn of_pod(pod: &PodView, before: &[Restarts], ours: &dyn Fn(&str) -> bool) -> Option<Failure> {
    pod.containers.iter().find_map(|c| {
        let named = |what: String| format!("container {} of pod {}: {what}", c.name, pod.name);
        match &c.state {
            ContainerRun::Waiting { reason, message } if is_pull(reason) && never_pulls(reason, message) => {
                let message = named(format!("{reason}: {}", tidy(message, MAX_WHY)));
                return Some(Failure { reason: Reason::ImagePullFailed, message, fault: ours(&c.name) });
            }
            _ => {}
        }
        let same = |r: &&Restarts| r.pod == pod.name && (r.uid.is_empty() || r.uid == pod.uid) && r.container == c.name;
        let known = before.iter().find(same).map_or(0, |r| r.count);
        let increase = c.restarts - known;
        let ended = i32::from(matches!(&c.state, ContainerRun::Terminated(e) if e.code != 0 || !c.init));
        let looping = matches!(&c.state, ContainerRun::Waiting { reason, .. } if reason == "CrashLoopBackOff");
        if (looping && increase > 0) || increase + ended >= EXITS {
            let reason = if c.init { Reason::InitFailed } else { Reason::CrashLoop };
            return Some(Failure { reason, message: named(exits(c, increase)), fault: ours(&c.name) });
        }
        None
    })
}

fn exits(c: &ContainerView, increase: i32) -> String {
    let last = match (&c.state, &c.last_exit) {
        (ContainerRun::Terminated(exit), _) | (_, Some(exit)) => format!("{}, exit code {}", exit.reason, exit.code),
        _ => "it exits".to_owned(),
    };
    format!("{last}, restarted {increase} times")
}

/// Trouble that may pass by itself.
struct Trouble {
    failure: Failure,
    /// The kubelet waits before it pulls again, or pulls already: it says so as long as that takes.
    backing_off: bool,
}

fn passing_trouble(pod: &PodView) -> Option<Trouble> {
    pod.containers.iter().find_map(|c| {
        let ContainerRun::Waiting { reason, message } = &c.state else { return None };
        let config = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];
        let kind = match reason.as_str() {
            r if is_pull(r) => Reason::ImagePullFailed,
            r if config.contains(&r) => Reason::ConfigError,
            _ => return None,
        };
        let message = format!("container {} of pod {}: {reason}: {}", c.name, pod.name, tidy(message, MAX_WHY));
        let failure = Failure { reason: kind, message, fault: false };
        Some(Trouble { failure, backing_off: reason == "ImagePullBackOff" })
    })
}

fn is_pull(reason: &str) -> bool {
    let known = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"];
    known.contains(&reason) || reason == "RegistryUnavailable"
}

/// Whether the message says that trying again is of no use.
fn never_pulls(reason: &str, message: &str) -> bool {
    let message = message.to_lowercase();
    let last = ["not found", "manifest unknown", "unauthorized", "denied", "authorization failed"];
    // Of what was pulled and does not fit together on this node (containerd #3604, #3937).
    let of_the_node = ["content digest", "failed to extract layer", "on snapshotter", "permission denied"];
    let has = |words: &[&str]| words.iter().any(|w| message.contains(w));
    matches!(reason, "InvalidImageName" | "ErrImageNeverPull") || (has(&last) && !has(&of_the_node))
}

/// The Deployment's own verdict, unless it is the one that stood there before the write.
fn deadline_of_its_own(live: &LiveTarget, before: Option<&Progressing>) -> Option<Failure> {
    let found = live.progressing.as_ref()?;
    let stale = before == Some(found) || live.observed_generation < live.generation;
    if found.reason != "ProgressDeadlineExceeded" || stale {
        return None;
    }
    let message = format!("{} exceeded its own progressDeadlineSeconds", live.workload);
    Some(Failure { reason: Reason::ProgressDeadlineExceeded, message, fault: false })
}

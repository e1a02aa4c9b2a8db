//! What is different about ECS services: which object is followed, what proves an end, and which reads are believed.
//!
//! One object is followed: the newest service deployment. ECS may answer with what was true a while ago, so what a read
//! contradicts is believed only if it lasts, or if the service deployments say it too.

mod doubt;
mod health;
mod image;
mod tasks;
mod unheard;

pub(super) use doubt::doubted;
pub use image::image_to_bring;
pub(super) use image::{denied as image_denied, missing as image_missing};
pub(super) use unheard::{heard, unheard};

use super::draft::{Draft, Work};
use super::evidence::Failure;
use super::preflight::Blocked;
use super::write;
use crate::api::Reason;
use crate::api::spec::TargetKind;
use crate::api::status::{Inherited, Step, TargetState, TargetStep, WayBack};
use crate::api::text::tidy;
use crate::api::time::Duration;
use crate::api::view::{DeploymentStatus, EcsView, LiveTarget, Lookup, RolloutState, ServiceDeployment};

/// Between two looks at a service that cannot be seen, or that must be mended first.
const LATER: Duration = Duration::from_secs(30);
const MAX_WHY: usize = 200;

/// Nothing is watched on AWS: while a rollout is in work its services are looked at again and again.
pub(super) fn poll(d: &mut Draft, w: &Work) {
    if matches!(w.rollout.step, Step::AwaitingPromotion | Step::RunningHooks | Step::RunningRollbackHooks) {
        return;
    }
    let blocked = w.rollout.blocked.is_some();
    let stages = if w.rollout.spec.is_none() { &w.spec.stages[..] } else { &w.spec.stages[w.at..=w.at] };
    let targets = stages.iter().flat_map(|s| s.targets.iter().map(move |t| (s, t)));
    let services = targets.filter(|(_, t)| matches!(t.kind, TargetKind::Ecs(_)));
    let pauses = services.map(|(s, t)| match d.live(&s.name, &t.name).and_then(|l| l.ecs.as_ref()) {
        Some(ecs) if blocked => ecs.look_again.times(3),
        Some(ecs) => ecs.look_again,
        None => LATER,
    });
    if let Some(pause) = pauses.min() {
        d.look_again_in(pause);
    }
}

/// What makes this service one that cannot be rolled.
pub(super) fn unfit(live: &LiveTarget) -> Option<Blocked> {
    let (workload, ecs) = (&live.workload, live.ecs.as_ref()?);
    let blocked = |reason, message| Some(Blocked { reason, message });
    if let Some(controller) = &ecs.controller {
        let message = format!(
            "{workload} has the deployment controller {controller}; only services that ECS itself deploys are supported"
        );
        return blocked(Reason::NotSupported, message);
    }
    if ecs.express {
        return blocked(Reason::NotSupported, format!("{workload} is an Express service, which ECS manages by itself"));
    }
    if ecs.no_room {
        let message = format!(
            "the minimum and maximum percent of {workload} allow neither to stop nor to start a task of {}",
            live.replicas.wanted
        );
        return blocked(Reason::NoRoomToDeploy, message);
    }
    None
}

/// What makes no sense to write to now.
pub(super) fn refused(live: &LiveTarget, ecs: &EcsView, inherited: Option<&Inherited>) -> Option<Blocked> {
    let workload = &live.workload;
    let blocked = |reason, message| Some(Blocked { reason, message });
    if live.replicas.wanted == 0 {
        let message = format!("{workload} is scaled to zero, so nothing could be verified");
        return blocked(Reason::TargetScaledToZero, message);
    }
    let ours = inherited.is_some_and(|i| ecs.newest.as_ref().is_some_and(|n| n.effect.as_ref() == Some(&i.effect)));
    if !settled(ecs) && !ours {
        let message = format!("a deployment of {workload} is under way that Tidegate did not start; it is waited for");
        return blocked(Reason::DeploymentInFlight, message);
    }
    None
}

/// The PRIMARY deployment is the one that ECS calls successful, or the one that it went back to, and the load balancers
/// like what runs.
pub(super) fn rolled_out(live: &LiveTarget, ecs: &EcsView) -> bool {
    let primary = live.revision.as_ref();
    let complete = match &ecs.newest {
        Some(newest) if newest.status == DeploymentStatus::Successful => Some(&newest.brings) == primary,
        Some(newest) if newest.status == DeploymentStatus::RolledBack => Some(&newest.brings) != primary,
        Some(newest) => stopped_and_complete(live, ecs, newest),
        None => ecs.rollout_state == Some(RolloutState::Completed),
    };
    let r = live.replicas;
    complete && primary.is_some() && r.wanted >= 1 && r.available >= r.wanted && health::serves(ecs, r.wanted)
}

/// Its newest deployment was stopped, and ECS calls what it brought complete all the same.
fn stopped_and_complete(live: &LiveTarget, ecs: &EcsView, newest: &ServiceDeployment) -> bool {
    newest.status == DeploymentStatus::Stopped
        && ecs.rollout_state == Some(RolloutState::Completed)
        && live.revision.as_ref() == Some(&newest.brings)
}

/// Proof that what was brought will not become available, or will not stay.
pub(super) fn failure(live: &LiveTarget, ecs: &EcsView, state: &TargetState) -> Option<Failure> {
    let restored = state.state == TargetStep::Restored;
    let written = state.written.as_ref();
    if !restored && took_back(live, ecs, state) && ecs.newest.as_ref().is_none_or(|n| !n.status.is_failing()) {
        let message = format!("ECS called the deployment of {} failed, and went back", live.workload);
        return Some(Failure { reason: Reason::DeploymentFailed, message, fault: false });
    }
    let newest = ecs.newest.as_ref()?;
    let expected = if restored { state.way_back.as_ref().map(|b| &b.images) } else { written.map(|x| &x.images) };
    let ours = expected.is_some_and(|images| newest.runs(images));
    // What happened before an adopted service was looked at says nothing of this rollout.
    if ours
        && state.state != TargetStep::Adopted
        && let Some(proof) =
            tasks::failure(ecs, state, live.replicas.wanted, live.revision.as_ref() == Some(&newest.brings))
    {
        return Some(proof);
    }
    if state.state == TargetStep::Adopted && stopped_and_complete(live, ecs, newest) {
        return None;
    }
    let lost = restored && newest.status == DeploymentStatus::RollbackFailed;
    if !(lost || ours && newest.status.is_failing()) {
        return None;
    }
    let why = newest.reason.as_deref().map(|r| format!(": {}", tidy(r, MAX_WHY))).unwrap_or_default();
    let message = match newest.status {
        DeploymentStatus::RollbackFailed => format!("ECS could not go back on {}{why}", live.workload),
        DeploymentStatus::Stopped if state.state == TargetStep::Adopted => format!(
            "the deployment of {} was stopped, and ECS starts nothing more for it until it is deployed once more \
             (aws ecs update-service --force-new-deployment){why}",
            live.workload
        ),
        DeploymentStatus::Stopped => format!("the deployment of {} was stopped{why}", live.workload),
        _ => format!("ECS ended the deployment of {} and goes back{why}", live.workload),
    };
    Some(Failure { reason: Reason::DeploymentFailed, message, fault: false })
}

/// Why it is not available yet, for a message at the deadline.
pub(super) fn waiting_for(live: &LiveTarget, ecs: &EcsView) -> (Reason, String) {
    if live.replicas.wanted == 0 {
        return (Reason::TargetScaledToZero, format!("{} is scaled to zero", live.workload));
    }
    if let Some(message) = &ecs.placement {
        return (Reason::Unschedulable, tidy(message, MAX_WHY));
    }
    if let Some(message) = health::unhealthy(ecs) {
        return (Reason::ProgressDeadlineExceeded, message);
    }
    if let Some(task) = ecs.stopped.first() {
        return (Reason::ProgressDeadlineExceeded, tasks::told(task));
    }
    let r = live.replicas;
    if r.available >= r.wanted
        && let Some(why) = health::not_yet(ecs)
    {
        return why;
    }
    let state = ecs.newest.as_ref().map(|n| format!(", its deployment is {:?}", n.status)).unwrap_or_default();
    let message = format!("{}: {} of {} tasks of the new revision run{state}", live.workload, r.available, r.wanted);
    (Reason::ProgressDeadlineExceeded, message)
}

/// What AWS said where the role may not ask what the load balancers say.
pub(super) fn health_denied(live: &LiveTarget) -> Option<String> {
    match &live.ecs.as_ref()?.health {
        Lookup::Denied(message) => Some(format!("what load balancers say of its tasks is not looked up: {message}")),
        _ => None,
    }
}

/// Whether the service deployments show that the forward write was made. If so, the service revision that it made.
pub(super) fn made(state: &TargetState, ecs: &EcsView) -> Option<String> {
    let newest = ecs.newest.as_ref()?;
    (state.effect.is_some() && newest.effect == state.effect).then(|| newest.brings.clone())
}

/// How often a write counts as refused that nobody answered: what it did shows late, and to write again before a poll has
/// passed would be a second write.
pub(super) fn unsure(live: &LiveTarget) -> i32 {
    let Some(ecs) = &live.ecs else { return 0 };
    (1..=6).find(|n| write::pause(*n) >= ecs.look_again).unwrap_or(6)
}

/// Whether ECS itself takes back what we wrote: then it is no stranger who changed the service.
pub(super) fn took_back(live: &LiveTarget, ecs: &EcsView, state: &TargetState) -> bool {
    let Some(written) = &state.written else { return false };
    let before = state.way_back.as_ref().and_then(|b| b.revision.as_ref());
    let inherited = state.inherited.as_ref().and_then(|i| i.written.revision.as_ref());
    let is_back = live.revision.is_some() && [before, inherited].contains(&live.revision.as_ref());
    let failed = is_back && written.revision.as_ref().is_some_and(|r| ecs.failed.contains(r));
    failed || ecs.newest.as_ref().is_some_and(|n| n.status.goes_back() && n.runs(&written.images))
}

/// What a restore does next with a service that does not run its way back.
pub(super) enum Way {
    /// ECS is at work, or its reads lag behind.
    Wait,
    Stop(String),
    Bring,
    /// ECS took the restore itself back.
    Lost(String),
}

pub(super) fn way(live: &LiveTarget, ecs: &EcsView, state: &TargetState, back: &WayBack) -> Way {
    let accepted = state.accepted.clone().unwrap_or_default();
    let Some(newest) = &ecs.newest else {
        return match &accepted.revision {
            _ if !settled(ecs) => Way::Wait,
            Some(brought) if ecs.failed.contains(brought) => {
                Way::Lost(format!("ECS called the restoring deployment of {} failed, and went back", live.workload))
            }
            Some(_) => Way::Wait,
            None => Way::Bring,
        };
    };
    let restoring = restores(newest, back, &accepted.revision);
    if restoring && newest.status.is_failing() {
        let why = newest.reason.as_deref().unwrap_or("it gave no reason");
        return if newest.status.is_settled() {
            Way::Lost(format!("ECS ended the restoring deployment of {}: {}", live.workload, tidy(why, MAX_WHY)))
        } else {
            Way::Wait
        };
    }
    if restoring || accepted.revision.is_some() {
        return Way::Wait;
    }
    let under_way = matches!(newest.status, DeploymentStatus::Pending | DeploymentStatus::InProgress)
        || (newest.status == DeploymentStatus::Unknown && ecs.rollout_state == Some(RolloutState::InProgress));
    if under_way && live.revision.as_ref() == Some(&newest.brings) {
        let asked = accepted.stopped.as_ref() == Some(&newest.arn);
        return if asked { Way::Wait } else { Way::Stop(newest.arn.clone()) };
    }
    if settled(ecs) { Way::Bring } else { Way::Wait }
}

/// Why a way back that had come is gone again, if ECS itself took it away.
pub(super) fn lost(live: &LiveTarget, ecs: &EcsView, state: &TargetState) -> Option<String> {
    let back = state.way_back.as_ref().filter(|_| state.state == TargetStep::Restored)?;
    let brought = state.accepted.as_ref().and_then(|a| a.revision.clone());
    let newest = ecs.newest.as_ref().filter(|n| restores(n, back, &brought) && n.status.is_failing())?;
    let why = newest.reason.as_deref().unwrap_or("it gave no reason");
    Some(format!("ECS ended the restoring deployment of {}: {}", live.workload, tidy(why, MAX_WHY)))
}

/// The task definition to write for a restore: the one of the way back, unless somebody else changed something beside
/// the image meanwhile; that is kept, by a copy of what runs.
pub(super) fn definition<'a>(live: &LiveTarget, back: &'a WayBack) -> Option<&'a String> {
    let derived = live.stamp.as_ref().and_then(|s| s.task_definition.as_ref());
    back.task_definition.as_ref().filter(|wanted| derived == Some(wanted))
}

fn restores(newest: &ServiceDeployment, back: &WayBack, revision: &Option<String>) -> bool {
    let before = back.revision.as_ref() == Some(&newest.brings);
    revision.as_ref() == Some(&newest.brings) || (!before && newest.runs(&back.images))
}

/// Nothing is under way.
fn settled(ecs: &EcsView) -> bool {
    let at_work = ecs.rollout_state == Some(RolloutState::InProgress);
    match &ecs.newest {
        // What this version has no word for is judged by the older field.
        Some(n) if n.status == DeploymentStatus::Unknown => ecs.rollout_state == Some(RolloutState::Completed),
        Some(n) => n.status.is_settled() && !at_work,
        None => !at_work,
    }
}

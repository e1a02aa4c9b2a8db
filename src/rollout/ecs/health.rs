//! What the load balancers' word is worth: what it holds up, what it explains, and whose fault it is.
//!
//! A load balancer may call a slow start unhealthy, so its word alone ends nothing. ECS knows the grace period: tasks that
//! it stops for their health are proof, if there are several and none of the others is well.

use super::MAX_WHY;
use crate::api::Reason;
use crate::api::text::tidy;
use crate::api::view::{EcsView, HealthState, Lookup, TASKS, TargetHealth, TaskView};
use std::collections::BTreeSet;

/// Whether no running task is known to be out of the load balancers' favour, and as many as are `wanted` were asked for:
/// one that ended after the service counted it is not among them.
pub(super) fn serves(ecs: &EcsView, wanted: i32) -> bool {
    match &ecs.health {
        Lookup::NotAsked | Lookup::Denied(_) => true,
        Lookup::Unanswered(_) => false,
        // Tasks that share their machine's address are told apart by no load balancer, and are not asked for.
        Lookup::Known(all) if all.is_empty() => true,
        Lookup::Known(all) => {
            let asked: BTreeSet<&str> = all.iter().map(|t| t.task.as_str()).collect();
            let enough = usize::try_from(wanted).unwrap_or_default().min(TASKS.into());
            asked.len() >= enough && !all.iter().any(holds_up)
        }
    }
}

/// What a load balancer has found unhealthy, in words.
pub(super) fn unhealthy(ecs: &EcsView) -> Option<String> {
    let all = known(ecs).filter(|t| t.state == HealthState::Unhealthy);
    told(all)
}

/// What else is waited for, in words.
pub(super) fn not_yet(ecs: &EcsView) -> Option<(Reason, String)> {
    if let Lookup::Unanswered(message) = &ecs.health {
        return Some((Reason::Inconclusive, format!("the load balancer's word is not known: {message}")));
    }
    told(known(ecs).filter(|t| holds_up(t))).map(|message| (Reason::ProgressDeadlineExceeded, message))
}

/// Whether ECS stopped this task for what its load balancer said.
pub(super) fn gave_up(task: &TaskView) -> bool {
    task.reason.contains("failed ELB health checks")
}

/// Whether one is well for all load balancers that have it, as far as anybody can say: without an answer it may be.
pub(super) fn may_be_well(ecs: &EcsView) -> bool {
    matches!(ecs.health, Lookup::Unanswered(_))
        || known(ecs).any(|t| {
            let same = known(ecs).filter(|o| o.task == t.task);
            t.state == HealthState::Healthy && !same.into_iter().any(holds_up)
        })
}

/// Whether an unhealthy target has answered, and wrongly. Silence may be the network's.
pub(super) fn answered_wrongly(ecs: &EcsView) -> bool {
    known(ecs).any(|t| {
        t.state == HealthState::Unhealthy && t.reason.as_deref().is_some_and(|r| r == "Target.ResponseCodeMismatch")
    })
}

fn known(ecs: &EcsView) -> impl Iterator<Item = &TargetHealth> {
    let all = match &ecs.health {
        Lookup::Known(all) => all.as_slice(),
        _ => &[],
    };
    all.iter()
}

/// A target that nobody judges holds nothing up: a target group without a listener, or one whose health is not told.
/// Nor does one that scaling has just begun to bring: else a large service would never be done.
fn holds_up(target: &TargetHealth) -> bool {
    match target.state {
        HealthState::Healthy | HealthState::Unavailable => false,
        HealthState::Unused => target.reason.as_deref() == Some("Target.NotRegistered") && !target.later,
        HealthState::Initial => !target.later,
        HealthState::Unhealthy | HealthState::Draining | HealthState::Unknown => true,
    }
}

fn told<'a>(targets: impl Iterator<Item = &'a TargetHealth>) -> Option<String> {
    let all: Vec<&TargetHealth> = targets.collect();
    let first = all.first()?;
    let state = match first.state {
        HealthState::Unused => "not registered".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    let why: Vec<&str> = first.reason.iter().chain(&first.description).map(String::as_str).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(": ")) };
    let more = if all.len() > 1 { format!(", and {} more", all.len() - 1) } else { String::new() };
    let text =
        format!("task {} at {} is {state} in target group {}{why}{more}", first.task, first.address, first.group);
    Some(tidy(&text, MAX_WHY))
}

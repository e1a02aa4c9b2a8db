//! What stopped tasks prove: pulls that will never succeed, crash loops, containers that cannot be started, tasks that no
//! load balancer finds well.

use super::{MAX_WHY, health};
use crate::api::Reason;
use crate::api::status::TargetState;
use crate::api::text::tidy;
use crate::api::view::{EcsView, StopCode, TaskView};
use crate::rollout::evidence::Failure;

/// Tasks of one service deployment that end by themselves, after which it is a crash loop: at least so many, at most so
/// many, since ECS lists the last hundred of all deployments, and half of those that are wanted in between.
const EXITS: usize = 3;
const EXITS_OF_MANY: usize = 10;
/// Its name, its exit code, and why it ended.
type Container = (String, Option<i32>, String);
/// Failed pulls after which a registry's final word is believed.
const PULLS: usize = 2;

/// What the stopped tasks of the followed deployment prove. `primary`: it is the one whose running tasks are seen.
pub(super) fn failure(ecs: &EcsView, state: &TargetState, wanted: i32, primary: bool) -> Option<Failure> {
    // Where ECS has given up already, only the reason is looked for.
    let over = ecs.newest.as_ref().is_some_and(|n| n.status.is_failing());
    let half = usize::try_from(wanted).unwrap_or_default().div_ceil(2);
    let many = if over { EXITS } else { half.clamp(EXITS, EXITS_OF_MANY) };
    let ours =
        |container: &str| state.written.as_ref().is_some_and(|w| w.images.iter().any(|i| i.container == container));
    let failed = |code: StopCode| ecs.stopped.iter().filter(move |t| t.code == code);
    let pulls: Vec<&TaskView> = failed(StopCode::TaskFailedToStart).filter(|t| is_pull(&all(t))).collect();
    let last = pulls.iter().filter(|t| never_pulls(&all(t))).count() >= PULLS;
    if last && let Some(task) = pulls.first() {
        let named = task.containers.iter().find(|c| is_pull(&c.2)).is_none_or(|c| ours(&c.0));
        return Some(Failure { reason: Reason::ImagePullFailed, message: told(task), fault: named });
    }
    let exits: Vec<&TaskView> = failed(StopCode::EssentialContainerExited).collect();
    if exits.len() >= many
        && let Some(task) = exits.first()
    {
        let fault = ended_by(task).iter().all(|c| ours(&c.0));
        let message = format!("{}, {} tasks of this deployment ended so", told(task), exits.len());
        return Some(Failure { reason: Reason::CrashLoop, message, fault });
    }
    let ill: Vec<&TaskView> = ecs.stopped.iter().filter(|t| health::gave_up(t)).collect();
    if ill.len() >= many
        && !(primary && health::may_be_well(ecs))
        && let Some(task) = ill.first()
    {
        let now = health::unhealthy(ecs).filter(|_| primary).map(|text| format!("; {text}")).unwrap_or_default();
        let message = format!("{}, {} tasks of this deployment ended so{now}", told(task), ill.len());
        return Some(Failure {
            reason: Reason::HealthCheckFailed,
            message,
            fault: primary && health::answered_wrongly(ecs),
        });
    }
    let starts: Vec<&TaskView> = failed(StopCode::TaskFailedToStart).filter(|t| !is_pull(&all(t))).collect();
    (starts.len() >= many).then(|| starts.first()).flatten().map(|task| Failure {
        reason: Reason::ConfigError,
        message: told(task),
        fault: false,
    })
}

/// A stopped task in words.
pub(super) fn told(task: &TaskView) -> String {
    let of = |c: &(String, Option<i32>, String)| match (&c.1, c.2.as_str()) {
        (None, "") => None,
        (None, why) => Some(format!("container {}: {why}", c.0)),
        (Some(code), "") => Some(format!("container {}: exit code {code}", c.0)),
        (Some(code), why) => Some(format!("container {}: exit code {code}, {why}", c.0)),
    };
    let worst = worst(task).and_then(of);
    let text = match worst {
        Some(container) => format!("task {}: {}; {container}", task.id, task.reason),
        None => format!("task {}: {}", task.id, task.reason),
    };
    tidy(&text, MAX_WHY)
}

/// The containers that may have ended the task. ECS stops the others after them, which shows as the code of a signal, or
/// as 0: where no code is of another kind it may have been any.
fn ended_by(task: &TaskView) -> Vec<&Container> {
    let by_themselves: Vec<_> = task.containers.iter().filter(|c| fell(c)).collect();
    if by_themselves.is_empty() { task.containers.iter().collect() } else { by_themselves }
}

fn fell(c: &Container) -> bool {
    c.1.is_some_and(|code| !matches!(code, 0 | 137 | 143)) || (c.1.is_some() && c.2.contains("OutOfMemory"))
}

/// Which container tells most of a task's end.
fn worst(task: &TaskView) -> Option<&Container> {
    let rank = |c: &&Container| match c.1 {
        _ if fell(c) => 0,
        None if !c.2.is_empty() => 1,
        Some(0) | None => 3,
        Some(_) => 2,
    };
    task.containers.iter().min_by_key(rank)
}

fn all(task: &TaskView) -> String {
    let containers = task.containers.iter().map(|c| c.2.as_str());
    std::iter::once(task.reason.as_str()).chain(containers).collect::<Vec<_>>().join(" ")
}

fn is_pull(text: &str) -> bool {
    text.contains("CannotPullContainer") || text.contains("CannotPullImageManifest")
}

/// Whether the registry's answer says that trying again is of no use.
fn never_pulls(text: &str) -> bool {
    let text = text.to_lowercase();
    let passing = ["toomanyrequests", "timeout", "rate exceeded"];
    let last = ["manifest unknown", "not found", "no basic auth", "denied", "unauthorized"];
    !passing.iter().any(|w| text.contains(w)) && last.iter().any(|w| text.contains(w))
}

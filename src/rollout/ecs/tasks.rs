//! What stopped tasks prove: pulls that will never succeed, crash loops, containers that cannot be started, tasks that no
//! load balancer finds well.

use super::{MAX_WHY, health};
use crate::api::Reason;
use crate::api::status::TargetState;
use crate::api::text::tidy;
use crate::api::view::{EcsView, StopCode, TaskView};
use crate::rollout::evidence::Failure;

/// Tasks of one service deployment that end by themselves, after which it is a crash loop: at least so many, at most so
/// many, and half of those that are wanted in between, as ECS' own circuit breaker counts.
const EXITS: usize = 3;
const EXITS_OF_MANY: usize = 50;
/// Its name, its exit code, and why it ended.
type Container = (String, Option<i32>, String);
/// Failed pulls after which a registry's final word is believed.
const PULLS: usize = 2;

/// What the stopped tasks of the followed deployment prove. `primary`: it is the one whose running tasks are seen.
pub(super) fn failure(ecs: &EcsView, state: &TargetState, wanted: i32, primary: bool) -> Option<Failure> {
    let many = usize::try_from(wanted).unwrap_or_default().div_ceil(2).clamp(EXITS, EXITS_OF_MANY);
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
        let ended = ended(task);
        let fault = !ended.is_empty() && ended.iter().all(|c| ours(&c.0));
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
    let worst = ended(task).into_iter().find_map(of);
    let text = match worst {
        Some(container) => format!("task {}: {}; {container}", task.id, task.reason),
        None => format!("task {}: {}", task.id, task.reason),
    };
    tidy(&text, MAX_WHY)
}

/// The containers that may have ended the task: ECS stops the others after them, which shows as the code of a signal.
fn ended(task: &TaskView) -> Vec<&Container> {
    let by_signal = |c: &Container| matches!(c.1, Some(137 | 143)) && !c.2.contains("OutOfMemory");
    let ranks: [&dyn Fn(&Container) -> bool; 4] =
        [&|c| c.1.is_some_and(|code| code != 0) && !by_signal(c), &|c| c.1.is_none(), &|c| c.1 == Some(0), &|_| true];
    let ranked = ranks.iter().map(|rank| task.containers.iter().filter(|c| rank(c)).collect::<Vec<_>>());
    ranked.into_iter().find(|some| !some.is_empty()).unwrap_or_default()
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

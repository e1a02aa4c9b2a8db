//! What the stopped tasks of an ECS service prove, and whose fault it was.

use super::services::{NEW, service, target, view};
use crate::api::Reason;
use crate::api::status::TargetStep;
use crate::api::view::{DeploymentStatus, StopCode, TaskView};
use crate::rollout::ecs;
use DeploymentStatus::{InProgress, RollbackInProgress};

#[test]
fn stopped_tasks_tell_whose_fault_it_is() {
    let task = |code, reason: &str, exit, container: &str| TaskView {
        id: "t".into(),
        code,
        reason: reason.into(),
        containers: vec![(container.to_owned(), exit, String::new())],
    };
    let pull =
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref: not found";
    let busy = "CannotPullContainerError: toomanyrequests: rate exceeded";
    let (start, exited, other) = (StopCode::TaskFailedToStart, StopCode::EssentialContainerExited, StopCode::Other);
    for (times, code, reason, exit, container, wanted) in [
        (3, exited, "Essential container in task exited", Some(1), "app", Some((Reason::CrashLoop, true))),
        (3, exited, "Essential container in task exited", Some(1), "proxy", Some((Reason::CrashLoop, false))),
        (2, exited, "Essential container in task exited", Some(1), "app", None),
        (2, start, pull, None, "app", Some((Reason::ImagePullFailed, true))),
        (1, start, pull, None, "app", None),
        (9, start, busy, None, "app", None),
        (3, start, "ResourceInitializationError: secrets", None, "app", Some((Reason::ConfigError, false))),
        (9, other, "Scaling activity initiated by deployment", Some(143), "app", None),
    ] {
        let mut live = service(NEW, NEW, InProgress);
        live.ecs.as_mut().unwrap().stopped = vec![task(code, reason, exit, container); times];
        let found = |step| ecs::failure(&live, view(&live), &target(step)).map(|f| (f.reason, f.fault));
        assert_eq!(found(TargetStep::Written), wanted, "{times} x {reason}");
        assert_eq!(found(TargetStep::Adopted), None, "what happened before an adoption");
    }
}

/// ECS stops all containers of a task when an essential one ends: who is stopped ends with the code of a signal.
#[test]
fn whose_end_came_first_is_to_blame() {
    for (containers, fault, named) in [
        ([("app", Some(1), ""), ("agent", Some(143), "")], true, "app"),
        ([("app", Some(143), ""), ("agent", Some(1), "")], false, "agent"),
        ([("app", Some(137), ""), ("agent", Some(2), "")], false, "agent"),
        ([("app", Some(137), "OutOfMemoryError: container killed"), ("agent", Some(143), "")], true, "app"),
        ([("app", Some(0), ""), ("agent", Some(137), "")], false, "agent"),
        ([("app", Some(137), ""), ("agent", Some(0), "")], false, "app"),
        ([("app", Some(143), ""), ("agent", Some(143), "")], false, "app"),
        ([("app", Some(0), ""), ("agent", None, "CannotStartContainerError")], false, "agent"),
    ] {
        let containers = containers.map(|(name, code, why)| (name.to_owned(), code, why.to_owned())).to_vec();
        let reason = "Essential container in task exited".to_owned();
        let task = TaskView { id: "t".into(), code: StopCode::EssentialContainerExited, reason, containers };
        let mut live = service(NEW, NEW, InProgress);
        live.ecs.as_mut().unwrap().stopped = vec![task.clone(); 3];
        let found = ecs::failure(&live, view(&live), &target(TargetStep::Written)).unwrap();
        assert_eq!((found.reason, found.fault), (Reason::CrashLoop, fault), "{}: {task:?}", found.message);
        assert!(found.message.contains(&format!("container {named}:")), "{}", found.message);
    }
}

/// Three of a hundred may be an instance that is ill: ECS goes on then, too.
#[test]
fn of_many_tasks_many_must_end() {
    for (wanted, stopped, fails) in
        [(1, 3, true), (6, 3, true), (7, 3, false), (7, 4, true), (100, 9, false), (200, 10, true)]
    {
        for code in [StopCode::EssentialContainerExited, StopCode::TaskFailedToStart] {
            let containers = vec![("app".to_owned(), Some(1), String::new())];
            let task = TaskView { id: "t".into(), code, reason: "it ended".into(), containers };
            let mut live = service(NEW, NEW, InProgress);
            live.replicas.wanted = wanted;
            live.ecs.as_mut().unwrap().stopped = vec![task; stopped];
            let found = ecs::failure(&live, view(&live), &target(TargetStep::Written));
            assert_eq!(found.is_some(), fails, "{stopped} of {wanted}, {code:?}");
        }
    }
}

/// Where ECS has given up already only the reason is looked for, and three tell it.
#[test]
fn of_a_deployment_that_ecs_gave_up_three_tell_why() {
    for (status, fails) in [(InProgress, false), (RollbackInProgress, true)] {
        let containers = vec![("app".to_owned(), Some(1), String::new())];
        let task = TaskView {
            id: "t".into(),
            code: StopCode::EssentialContainerExited,
            reason: "it ended".into(),
            containers,
        };
        let mut live = service(NEW, NEW, status);
        live.replicas.wanted = 100;
        live.ecs.as_mut().unwrap().stopped = vec![task; 3];
        let found = ecs::failure(&live, view(&live), &target(TargetStep::Written)).map(|f| (f.reason, f.fault));
        assert_eq!(found, fails.then_some((Reason::CrashLoop, true)), "{status:?}");
    }
}

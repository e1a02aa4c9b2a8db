//! Whether an ECS task could be run, and what became of one.

use super::{Error, made_from, network, within};
use crate::api::Reason;
use crate::api::hook::{Exit, HookTask, HookView, TaskRun};
use crate::api::text::{MESSAGE, tidy};
use crate::aws::{Account, Aws, service};
use aws_sdk_ecs::types::Task;
use std::time::Duration;

/// ECS has no dry run: what it is made from is looked at.
pub(in crate::hook) async fn fit(aws: &Aws, after: Duration, run: &TaskRun) -> HookView {
    let account = aws.account(&run.service).await;
    let (service, definition) = match within(after, made_from(&account, run)).await {
        Ok(both) => both,
        Err(Error::Gone(message)) => return HookView::Unfit { reason: Reason::HookNotFound, message },
        Err(Error::Denied(message)) => return HookView::Unfit { reason: Reason::PermissionDenied, message },
        Err(Error::Invalid(message)) => return refused(message),
        Err(other) => return HookView::Unreachable(other.to_string()),
    };
    let (arn, container) = (&definition.arn, &run.task.container);
    if definition.images.iter().all(|i| i.container != *container) {
        return refused(format!("the task definition {arn} has no container {container}"));
    }
    if definition.awsvpc && network(run, &service).is_none() {
        return refused(format!(
            "the task definition {arn} is of the network mode awsvpc, and {} has no network of that kind to lend: name \
             one by ecsTask.networkConfiguration",
            run.service
        ));
    }
    HookView::Fit
}

pub(in crate::hook) async fn found(aws: &Aws, after: Duration, run: &TaskRun) -> HookView {
    let account = aws.account(&run.service).await;
    match within(after, search(&account, run)).await {
        Ok(Some(task)) => HookView::Task(view(&task, &run.task.container)),
        Ok(None) => HookView::Absent,
        Err(error) => HookView::Unreachable(error.to_string()),
    }
}

/// By its ARN, or by what started it.
async fn search(account: &Account, run: &TaskRun) -> Result<Option<Task>, Error> {
    let cluster = &run.service.cluster;
    if let Some(arn) = &run.arn {
        return account.task(cluster, arn).await;
    }
    let family = match &run.task.task_definition {
        Some(name) => family(name).to_owned(),
        None => {
            let service = account.service_now(&run.service).await?;
            service.map(|s| family(service::running(&s).1).to_owned()).unwrap_or_default()
        }
    };
    account.started_by(cluster, &family, &run.started_by).await
}

/// Of a task definition's name or ARN.
fn family(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

fn view(task: &Task, container: &str) -> HookTask {
    let last = task.last_status().unwrap_or_default();
    let decides = task.containers().iter().find(|c| c.name() == Some(container));
    HookTask {
        arn: task.task_arn().unwrap_or_default().to_owned(),
        started_by: task.started_by().map(str::to_owned),
        stopping: task.desired_status() == Some("STOPPED"),
        stopped: matches!(last, "STOPPED" | "DELETED"),
        code: task.stop_code().map(|c| c.as_str().to_owned()),
        reason: tidy(task.stopped_reason().unwrap_or_default(), MESSAGE),
        container: decides.map(|c| Exit { code: c.exit_code(), reason: tidy(c.reason().unwrap_or_default(), MESSAGE) }),
    }
}

fn refused(message: String) -> HookView {
    HookView::Unfit { reason: Reason::HookRefused, message: tidy(&message, MESSAGE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Container, TaskStopCode};

    #[test]
    fn a_family_is_told_from_any_name() {
        let arn = "arn:aws:ecs:eu-west-1:1:task-definition/migrate:7";
        assert_eq!([family("migrate"), family("migrate:3"), family(arn)], ["migrate"; 3]);
    }

    #[test]
    fn the_named_container_is_seen_and_no_other() {
        let container = |name: &str, code| Container::builder().name(name).set_exit_code(code).build();
        let task = Task::builder().task_arn("a").last_status("STOPPED").stop_code(TaskStopCode::SpotInterruption);
        let task = task.containers(container("side", Some(0))).containers(container("app", None));
        let task = task.stopped_reason("two\nlines\u{1b}[31m").build();
        let seen = view(&task, "app");
        assert_eq!((seen.container.unwrap().code, seen.stopped, seen.stopping), (None, true, false));
        assert_eq!((seen.code.as_deref(), seen.reason.as_str()), (Some("SpotInterruption"), "two lines[31m"));
        assert!(view(&task, "other").container.is_none());
    }
}

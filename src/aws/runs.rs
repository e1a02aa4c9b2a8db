//! Tasks that no service starts: run, found again, stopped.

use super::account::Account;
use super::error::Error;
use crate::api::text::{MESSAGE, tidy};
use aws_sdk_ecs::operation::run_task::{RunTaskError, RunTaskOutput};
use aws_sdk_ecs::types::{
    CapacityProviderStrategyItem, ContainerOverride, DesiredStatus, KeyValuePair, LaunchType, NetworkConfiguration,
    Task, TaskOverride,
};

const RUN: &str = "ecs:RunTask";
/// Pages of a hundred stopped tasks that are looked through.
const PAGES: u32 = 5;
/// Reasons for which no waiting helps. Others come and go with the capacity that there is.
const FOR_EVER: [&str; 4] = ["ATTRIBUTE", "MISSING", "INACTIVE", "MemberOf placement constraint"];

/// One task, as it is to be run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub cluster: &'a str,
    pub definition: &'a str,
    pub container: &'a str,
    /// Empty: the image's own.
    pub command: &'a [String],
    /// For that container.
    pub environment: Vec<(&'static str, String)>,
    /// Only for a definition in the network mode `awsvpc`.
    pub network: Option<NetworkConfiguration>,
    pub on: RunsOn,
    pub started_by: &'a str,
    pub token: &'a str,
}

/// What a task runs on.
#[derive(Clone, Debug, PartialEq)]
pub enum RunsOn {
    /// And the platform version, where there is one.
    Type(LaunchType, Option<String>),
    Providers(Vec<CapacityProviderStrategyItem>, Option<String>),
    /// What the cluster has for such tasks.
    ClusterDefault,
}

impl Account {
    /// The ARN of the task that was run, now or by an earlier call with this token.
    pub async fn run(&self, run: Run<'_>) -> Result<String, Error> {
        self.limits.runs.until_ready().await;
        let environment = run.environment.iter().map(|(name, value)| pair(name, value)).collect();
        let command = Some(run.command.to_vec()).filter(|words| !words.is_empty());
        let container = ContainerOverride::builder().name(run.container).set_command(command);
        let container = container.set_environment(Some(environment)).build();
        let call = self.writing.run_task().cluster(run.cluster).task_definition(run.definition).count(1);
        let call = call.overrides(TaskOverride::builder().container_overrides(container).build());
        let call = call.started_by(run.started_by).client_token(run.token).set_network_configuration(run.network);
        let call = match run.on {
            RunsOn::Type(launch, platform) => call.launch_type(launch).set_platform_version(platform),
            RunsOn::Providers(all, platform) => {
                call.set_capacity_provider_strategy(Some(all)).set_platform_version(platform)
            }
            RunsOn::ClusterDefault => call,
        };
        let error = match call.send().await {
            Ok(answer) => return made(&answer),
            Err(error) => error,
        };
        match error.as_service_error() {
            // Something that it is made from changed since the first call with this token, which made this one.
            Some(RunTaskError::ConflictException(conflict)) if !conflict.resource_ids().is_empty() => {
                Ok(conflict.resource_ids().first().cloned().unwrap_or_default())
            }
            _ => Err(short_of_capacity(Error::of(RUN, &error))),
        }
    }

    /// Asks ECS to end a task. What it runs is told so, and later killed.
    pub async fn stop_task(&self, cluster: &str, arn: &str, why: &str) -> Result<(), Error> {
        self.limits.runs.until_ready().await;
        let answer = self.writing.stop_task().cluster(cluster).task(arn).reason(why).send().await;
        answer.map(drop).map_err(|e| Error::of("ecs:StopTask", &e))
    }

    /// One task; `None`: ECS shows none, which right after it was run says little.
    pub async fn task(&self, cluster: &str, arn: &str) -> Result<Option<Task>, Error> {
        let found = self.described(cluster, vec![arn.to_owned()]).await?;
        Ok(found.into_iter().find(|t| t.task_arn() == Some(arn)))
    }

    /// The task that was started by this, at work or stopped within the last hour.
    pub async fn started_by(&self, cluster: &str, family: &str, started_by: &str) -> Result<Option<Task>, Error> {
        self.limits.tasks.until_ready().await;
        // AWS takes no other filter beside this one, and shows only what is to run.
        let call = self.reading.list_tasks().cluster(cluster).started_by(started_by);
        let listed = call.send().await.map_err(|e| Error::of("ecs:ListTasks", &e))?;
        let ours = |t: &Task| t.started_by() == Some(started_by);
        let found = self.described(cluster, listed.task_arns.unwrap_or_default()).await?;
        if let Some(task) = found.into_iter().find(ours) {
            return Ok(Some(task));
        }
        let mut next = None;
        for _ in 0..PAGES {
            self.limits.tasks.until_ready().await;
            let call = self.reading.list_tasks().cluster(cluster).family(family);
            let call = call.desired_status(DesiredStatus::Stopped).set_next_token(next);
            let listed = call.send().await.map_err(|e| Error::of("ecs:ListTasks", &e))?;
            let found = self.described(cluster, listed.task_arns.unwrap_or_default()).await?;
            if let Some(task) = found.into_iter().find(ours) {
                return Ok(Some(task));
            }
            next = listed.next_token;
            if next.is_none() {
                return Ok(None);
            }
        }
        let most = PAGES * 100;
        Err(Error::Unanswered(format!("more than {most} tasks of the family {family} have stopped within the hour")))
    }

    async fn described(&self, cluster: &str, arns: Vec<String>) -> Result<Vec<Task>, Error> {
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        self.limits.tasks.until_ready().await;
        let described = self.reading.describe_tasks().cluster(cluster).set_tasks(Some(arns)).send().await;
        Ok(described.map_err(|e| Error::of("ecs:DescribeTasks", &e))?.tasks.unwrap_or_default())
    }
}

fn pair(name: &str, value: &str) -> KeyValuePair {
    KeyValuePair::builder().name(name).value(value).build()
}

/// An answer of 200 may say that nothing was run.
fn made(answer: &RunTaskOutput) -> Result<String, Error> {
    if let Some(arn) = answer.tasks().first().and_then(|t| t.task_arn()) {
        return Ok(arn.to_owned());
    }
    let Some(failure) = answer.failures().first() else { return Err(Error::Malformed(RUN.to_owned())) };
    let reason = failure.reason().unwrap_or_default();
    let detail = failure.detail().map(|d| format!(" ({d})")).unwrap_or_default();
    let message = tidy(&format!("{RUN}: {reason}{detail}"), MESSAGE);
    let for_ever = FOR_EVER.iter().any(|f| reason.starts_with(f));
    Err(if for_ever { Error::Invalid(message) } else { Error::NoCapacity(message) })
}

/// Quotas of tasks that are being placed are refused as if the request were wrong.
fn short_of_capacity(error: Error) -> Error {
    match error {
        Error::Invalid(message) if ["capacity limit", "reached the limit"].iter().any(|t| message.contains(t)) => {
            Error::NoCapacity(message)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Failure;

    #[test]
    fn what_is_not_placed_is_told_by_its_reason() {
        let failed = |reason: &str| {
            let answer = RunTaskOutput::builder().failures(Failure::builder().reason(reason).build()).build();
            made(&answer).unwrap_err().category()
        };
        for reason in ["RESOURCE:MEMORY", "AGENT", "Capacity is unavailable at this time. Please try again later"] {
            assert_eq!(failed(reason), "no_capacity", "{reason}");
        }
        for reason in ["ATTRIBUTE", "MISSING", "INACTIVE"] {
            assert_eq!(failed(reason), "invalid", "{reason}");
        }
        assert_eq!(made(&RunTaskOutput::builder().build()).unwrap_err().category(), "undecodable");
        let quota = "ecs:RunTask: Tasks provisioning capacity limit exceeded.";
        assert_eq!(short_of_capacity(Error::Invalid(quota.to_owned())).category(), "no_capacity");
    }
}

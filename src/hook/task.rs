//! Hooks that are ECS tasks: run once for each client token, stopped, and looked at.
//!
//! Whose role is used is not asked here: whoever calls has found that the Release may use it.

mod look;

pub(super) use look::{fit, found};

use crate::api::Image;
use crate::api::effect::Answer;
use crate::api::hook::TaskRun;
use crate::api::spec::{EcsNetwork, LaunchType};
use crate::api::status::{ContainerImage, EcsService};
use crate::aws::{Account, Aws, Definition, Error, Run, RunsOn, service, tag};
use aws_sdk_ecs::types::{self, AssignPublicIp, AwsVpcConfiguration, NetworkConfiguration, Service};
use std::sync::Arc;
use std::time::Duration;

/// What ECS and CloudTrail show of why it was stopped.
const WHY: &str = "Stopped by Tidegate: the hook took too long, or its rollout was ended";

pub(super) async fn run(aws: &Aws, after: Duration, run: &TaskRun) -> Answer {
    within(after, async { begin(&*aws.account(&run.service).await, run).await }).await.unwrap_or_else(|error| {
        tracing::warn!(service = %run.service, effect = %run.effect, category = error.category(), %error, "not run");
        Answer::from(error)
    })
}

pub(super) async fn stop(aws: &Aws, after: Duration, of: &EcsService, arn: &str) -> Answer {
    let stopped = within(after, async {
        let account = aws.account(of).await;
        account.stop_task(&of.cluster, arn, WHY).await
    });
    match stopped.await {
        Ok(()) => Answer::Applied { generation: 0, resource_version: String::new() },
        Err(error) => {
            tracing::warn!(task = arn, category = error.category(), %error, "not stopped");
            Answer::from(error)
        }
    }
}

/// All calls of one answer, with one deadline.
async fn within<T>(after: Duration, calls: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || Error::Unanswered(format!("AWS did not answer within {} s", after.as_secs_f64()));
    tokio::time::timeout(after, calls).await.unwrap_or_else(|_| Err(late()))
}

async fn begin(account: &Account, run: &TaskRun) -> Result<Answer, Error> {
    let (service, base) = made_from(account, run).await.map_err(Error::before)?;
    let images = images(run, &base);
    let definition = if images.is_empty() {
        base.arn.clone()
    } else {
        account.registered(&base.arn, &images, &tags(run)).await.map_err(Error::before)?
    };
    let arn = account.run(Run {
        cluster: &run.service.cluster,
        definition: &definition,
        container: &run.task.container,
        command: &run.task.command,
        environment: environment(run),
        network: base.awsvpc.then(|| network(run, &service)).flatten(),
        on: runs_on(run, &service),
        started_by: &run.started_by,
        token: &run.token,
    });
    Ok(Answer::Created { uid: arn.await? })
}

/// The service beside which it runs, and the task definition as it is now.
async fn made_from(account: &Account, run: &TaskRun) -> Result<(Service, Arc<Definition>), Error> {
    let of = &run.service;
    let found = account.service_now(of).await?.filter(|s| s.status() == Some("ACTIVE"));
    let found = found.ok_or_else(|| Error::Gone(format!("{of} does not exist")))?;
    let name = run.task.task_definition.as_deref().unwrap_or(service::running(&found).1);
    match account.definition_now(name).await {
        Ok(definition) if definition.active || run.task.task_definition.is_none() => Ok((found, definition)),
        Ok(_) => Err(Error::Gone(format!("the task definition {name} is INACTIVE"))),
        Err(Error::Gone(_)) => Err(Error::Gone(format!("the task definition {name} does not exist"))),
        Err(other) => Err(other),
    }
}

/// What differs in the copy that is run; nothing: it is run as it is.
fn images(run: &TaskRun, base: &Definition) -> Vec<ContainerImage> {
    let wanted = |found: &ContainerImage| -> Option<&Image> {
        match run.containers.contains(&found.container) {
            true => run.images.first(),
            false => run.images.iter().find(|i| i.repository() == found.image.repository()),
        }
    };
    let changed = base.images.iter().filter_map(|found| {
        let image = wanted(found)?.clone();
        (image != found.image).then(|| ContainerImage { container: found.container.clone(), image, digest: None })
    });
    // Out of use, it is run by a copy all the same.
    let whole = || base.images.iter().map(|i| ContainerImage { digest: None, ..i.clone() }).collect();
    let changed: Vec<_> = changed.collect();
    if changed.is_empty() && !base.active { whole() } else { changed }
}

fn tags(run: &TaskRun) -> [(&'static str, String); 2] {
    [(tag::EFFECT, run.effect.to_string()), (tag::RELEASE, run.release.to_string())]
}

/// The same variables that a Job gets.
fn environment(run: &TaskRun) -> Vec<(&'static str, String)> {
    let image = run.images.first();
    vec![
        ("TIDEGATE_IMAGE", image.map(Image::to_string).unwrap_or_default()),
        ("TIDEGATE_TAG", image.map(Image::short).unwrap_or_default()),
        ("TIDEGATE_RELEASE", run.release.name.clone()),
        ("TIDEGATE_ROLLOUT", run.rollout.to_string()),
        ("TIDEGATE_STAGE", run.stage.clone()),
    ]
}

/// As the hook says, else as the service has it.
fn network(run: &TaskRun, service: &Service) -> Option<NetworkConfiguration> {
    let Some(EcsNetwork { subnets, security_groups, assign_public_ip }) = &run.task.network_configuration else {
        return service.network_configuration().cloned();
    };
    let public = if *assign_public_ip { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
    let groups = Some(security_groups.clone()).filter(|g| !g.is_empty());
    let vpc = AwsVpcConfiguration::builder().set_subnets(Some(subnets.clone())).set_security_groups(groups);
    let vpc = vpc.assign_public_ip(public).build().ok()?;
    Some(NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
}

fn runs_on(run: &TaskRun, service: &Service) -> RunsOn {
    let platform = service.platform_version().map(str::to_owned);
    if let Some(name) = &run.task.capacity_provider {
        let item = types::CapacityProviderStrategyItem::builder().capacity_provider(name).weight(1).build();
        return item.map_or(RunsOn::ClusterDefault, |item| RunsOn::Providers(vec![item], None));
    }
    match run.task.launch_type {
        Some(LaunchType::Fargate) => return RunsOn::Type(types::LaunchType::Fargate, None),
        Some(LaunchType::Ec2) => return RunsOn::Type(types::LaunchType::Ec2, None),
        Some(LaunchType::External) => return RunsOn::Type(types::LaunchType::External, None),
        None => {}
    }
    // ECS takes one of the two, and shows both for some services.
    match (service.capacity_provider_strategy(), service.launch_type()) {
        ([], Some(launch)) => RunsOn::Type(launch.clone(), platform),
        ([], None) => RunsOn::ClusterDefault,
        (all, _) => RunsOn::Providers(all.to_vec(), platform),
    }
}

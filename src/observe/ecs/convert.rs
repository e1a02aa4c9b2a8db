//! A service, its deployments, revisions, task definitions and tasks as one view. Conversion only: nothing is read here.

use super::{blank, stamp};
use crate::api::status::EcsService;
use crate::api::text::{MESSAGE, tidy};
use crate::api::time::Duration as Length;
use crate::api::view::{
    DeploymentStatus, EcsView, LiveContainer, LiveTarget, Lookup, Replicas, RolloutState, ServiceDeployment, StopCode,
    TargetHealth, TaskView,
};
use crate::api::{Digest, EffectId, annotation};
use crate::aws::service::{identity, number, primary, version};
use crate::aws::{Definition, tag};
use aws_sdk_ecs::types::{
    DeploymentRolloutState, DeploymentStrategy, ResourceManagementType, Service, ServiceDeploymentBrief,
    ServiceDeploymentStatus, ServiceRevision, Task, TaskStopCode,
};
use std::sync::Arc;
use std::time::Duration;

/// What was read beside the service.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the PRIMARY deployment brings.
    pub(super) definition: Option<Arc<Definition>>,
    /// What it was made of, if we made it.
    pub(super) before: Option<Arc<Definition>>,
    pub(super) newest: Option<ServiceDeploymentBrief>,
    /// What that one brings.
    pub(super) brought: Option<Arc<Definition>>,
    /// The one before the newest, and what it brought.
    pub(super) previous: Option<(ServiceDeploymentBrief, Option<Arc<Definition>>)>,
    pub(super) revisions: Vec<ServiceRevision>,
    pub(super) stopped: Vec<Task>,
    pub(super) health: Lookup<Vec<TargetHealth>>,
}

/// ARNs of the service revision that a service deployment brings, and of the one that the deployment `id` made.
pub(super) fn both(target: &str, id: &str) -> Vec<String> {
    let mut arns = vec![target.to_owned()];
    if let Some((service, last)) = target.rsplit_once('/')
        && last != number(id)
    {
        arns.push(format!("{service}/{}", number(id)));
    }
    arns
}

/// `None`: it has no PRIMARY deployment, though ECS itself deploys it.
pub(super) fn live(of: &EcsService, service: &Service, found: &Found, poll: Duration) -> Option<LiveTarget> {
    let controller = service.deployment_controller().map(|c| c.r#type().as_str()).filter(|c| *c != "ECS");
    let primary = primary(service);
    if primary.is_none() && controller.is_none() {
        return None;
    }
    let id = primary.and_then(|p| p.id()).map(number).unwrap_or_default().to_owned();
    let arn = service.service_arn().unwrap_or_default();
    let definition = primary.and_then(|p| p.task_definition()).or(service.task_definition()).unwrap_or_default();
    let generation = generation(&id);
    let running = primary.map_or(0, |p| p.running_count());
    let wanted = service.desired_count();
    let tagged = service.tags().iter().find(|t| t.key() == Some(annotation::ALLOW_REPOSITORY));
    Some(LiveTarget {
        uid: identity(service),
        resource_version: version(service),
        generation,
        observed_generation: generation,
        replicas: Replicas {
            wanted,
            total: service.running_count(),
            updated: running,
            ready: running,
            available: running,
        },
        containers: containers(found, &id),
        stamp: found.definition.as_ref().and_then(|d| stamp(d, found.before.as_deref())),
        revision: (!id.is_empty()).then_some(id),
        allow_repository: tagged.and_then(|t| t.value()).map(str::to_owned),
        ecs: Some(Box::new(EcsView {
            task_definition: definition.to_owned(),
            rollout_state: primary.and_then(|p| p.rollout_state()).map(rollout_state),
            newest: found.newest.as_ref().map(|n| deployment(n, found.brought.as_deref())),
            previous: found.previous.as_ref().map(|(p, brought)| deployment(p, brought.as_deref())),
            controller: controller.map(str::to_owned),
            express: service.resource_management_type() == Some(&ResourceManagementType::Ecs),
            no_room: no_room(service),
            stopped: tasks(found),
            failed: failed(service),
            placement: placement(service, found.newest.as_ref()),
            health: found.health.clone(),
            image: Lookup::NotAsked,
            look_again: pause(poll, arn),
        })),
        ..blank(of)
    })
}

fn generation(id: &str) -> i64 {
    id.parse().unwrap_or_default()
}

fn containers(found: &Found, primary: &str) -> Vec<LiveContainer> {
    let ends = |arn: &str| arn.rsplit('/').next() == Some(primary);
    let revision = found.revisions.iter().find(|r| r.service_revision_arn().is_some_and(ends));
    let digest = |name: &str| {
        let mut images = revision.iter().flat_map(|r| r.container_images());
        images.find(|i| i.container_name() == Some(name))?.image_digest().and_then(Digest::parse)
    };
    let all = found.definition.iter().flat_map(|d| &d.images);
    let live = all.map(|i| LiveContainer {
        name: i.container.clone(),
        init: false,
        image: i.image.clone(),
        owners: Vec::new(),
        orphaned: false,
        digest: digest(&i.container),
        digests: Vec::new(),
    });
    live.collect()
}

fn deployment(brief: &ServiceDeploymentBrief, brought: Option<&Definition>) -> ServiceDeployment {
    let effect = brought.and_then(|d| d.tags.get(tag::EFFECT));
    ServiceDeployment {
        arn: brief.service_deployment_arn().unwrap_or_default().to_owned(),
        status: brief.status().map_or(DeploymentStatus::Unknown, status),
        reason: brief.status_reason().map(|r| tidy(r, MESSAGE)).filter(|r| !r.is_empty()),
        brings: number(brief.target_service_revision_arn().unwrap_or_default()).to_owned(),
        task_definition: brought.map(|d| d.arn.clone()),
        images: brought.map(|d| d.images.clone()).unwrap_or_default(),
        effect: effect.and_then(|e| serde_json::from_value::<EffectId>(e.as_str().into()).ok()),
        way_back: brought.and_then(|d| d.tags.get(tag::WAY_BACK).cloned()),
    }
}

fn status(status: &ServiceDeploymentStatus) -> DeploymentStatus {
    match status {
        ServiceDeploymentStatus::Pending => DeploymentStatus::Pending,
        ServiceDeploymentStatus::InProgress => DeploymentStatus::InProgress,
        ServiceDeploymentStatus::StopRequested => DeploymentStatus::StopRequested,
        ServiceDeploymentStatus::RollbackRequested => DeploymentStatus::RollbackRequested,
        ServiceDeploymentStatus::RollbackInProgress => DeploymentStatus::RollbackInProgress,
        ServiceDeploymentStatus::Successful => DeploymentStatus::Successful,
        ServiceDeploymentStatus::RollbackSuccessful => DeploymentStatus::RolledBack,
        ServiceDeploymentStatus::RollbackFailed => DeploymentStatus::RollbackFailed,
        ServiceDeploymentStatus::Stopped => DeploymentStatus::Stopped,
        _ => DeploymentStatus::Unknown,
    }
}

fn rollout_state(state: &DeploymentRolloutState) -> RolloutState {
    match state {
        DeploymentRolloutState::InProgress => RolloutState::InProgress,
        DeploymentRolloutState::Completed => RolloutState::Completed,
        DeploymentRolloutState::Failed => RolloutState::Failed,
        _ => RolloutState::Unknown,
    }
}

/// A rolling deployment that may neither stop an old task nor start a new one stands still for ever.
fn no_room(service: &Service) -> bool {
    let Some(config) = service.deployment_configuration() else { return false };
    if config.strategy().is_some_and(|s| *s != DeploymentStrategy::Rolling) {
        return false;
    }
    let desired = i64::from(service.desired_count());
    let (least, most) = (config.minimum_healthy_percent().unwrap_or(100), config.maximum_percent().unwrap_or(200));
    let (least, most) = ((desired * i64::from(least) + 99) / 100, desired * i64::from(most) / 100);
    desired > 0 && least >= desired && most <= desired
}

/// Stopped tasks that the followed deployment started.
fn tasks(found: &Found) -> Vec<TaskView> {
    let Some(target) = found.newest.as_ref().and_then(|n| n.target_service_revision_arn()) else { return Vec::new() };
    let started = format!("ecs-svc/{}", number(target));
    let ours = found.stopped.iter().filter(|t| t.started_by() == Some(started.as_str()));
    let view = |t: &Task| TaskView {
        id: number(t.task_arn().unwrap_or_default()).to_owned(),
        code: match t.stop_code() {
            Some(TaskStopCode::TaskFailedToStart) => StopCode::TaskFailedToStart,
            Some(TaskStopCode::EssentialContainerExited) => StopCode::EssentialContainerExited,
            _ => StopCode::Other,
        },
        reason: tidy(t.stopped_reason().unwrap_or_default(), MESSAGE),
        containers: t
            .containers()
            .iter()
            .map(|c| {
                (c.name().unwrap_or_default().to_owned(), c.exit_code(), tidy(c.reason().unwrap_or_default(), MESSAGE))
            })
            .collect(),
    };
    ours.map(view).collect()
}

/// Deployments that the service's list or its events call failed. A failed one leaves the list soon.
fn failed(service: &Service) -> Vec<String> {
    let listed = service.deployments().iter().filter(|d| d.rollout_state() == Some(&DeploymentRolloutState::Failed));
    let listed = listed.filter_map(|d| d.id()).map(|id| number(id).to_owned());
    let told = service.events().iter().filter_map(|e| {
        let (before, _) = e.message()?.split_once("deployment failed")?;
        let (_, id) = before.rsplit_once("ecs-svc/")?;
        Some(id.chars().take_while(char::is_ascii_alphanumeric).collect())
    });
    listed.chain(told).collect()
}

fn placement(service: &Service, newest: Option<&ServiceDeploymentBrief>) -> Option<String> {
    let since = newest?.created_at()?.secs();
    let recent = service.events().iter().filter(|e| e.created_at().is_some_and(|t| t.secs() >= since));
    let mut told = recent.filter_map(|e| e.message()).filter(|m| m.contains("unable to"));
    told.next().map(|m| tidy(m, MESSAGE))
}

/// Services are not looked at all in the same moment: each has a pause of its own, up to a fifth longer.
fn pause(poll: Duration, arn: &str) -> Length {
    let sum = arn.bytes().fold(0_u64, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    let extra = poll.as_millis().min(60_000) as u64 * (sum % 100) / 500;
    let whole = u64::try_from(poll.as_millis()).unwrap_or(10_000).saturating_add(extra);
    Length::from_millis(i64::try_from(whole).unwrap_or(10_000))
}

//! What the load balancers of a service say of its tasks.
//!
//! A target is known by its task's own address. Tasks that share their machine's address (network modes `bridge` and
//! `host`) are not told apart, and so not looked up.

use super::{PATIENCE, SHOWN};
use crate::api::status::EcsService;
use crate::api::text::{MESSAGE, tidy};
use crate::api::view::{HealthState, Lookup, TargetHealth};
use crate::aws::service::{number, primary};
use crate::aws::{Account, Error};
use aws_sdk_ecs::types::{Service, ServiceDeploymentBrief, ServiceRevision, Task};
use aws_sdk_elasticloadbalancingv2::types::{TargetHealthDescription, TargetHealthStateEnum};
use futures::future::try_join_all;
use std::collections::BTreeSet;

/// Target groups of one service that are looked at.
const GROUPS: usize = 10;
/// What ELB itself says of a target that nobody has registered.
const NOT_REGISTERED: &str = "Target.NotRegistered";

/// Asked while something moves, and for a while after it: at other times nobody waits for it.
pub(super) async fn health(
    account: &Account,
    of: &EcsService,
    service: &Service,
    newest: Option<&ServiceDeploymentBrief>,
    revisions: &[ServiceRevision],
) -> Lookup<Vec<TargetHealth>> {
    let number = primary(service).and_then(|p| p.id()).map(number).unwrap_or_default();
    let groups = groups(service, revisions, number);
    if number.is_empty() || groups.is_empty() || !lately(service, newest) {
        return Lookup::NotAsked;
    }
    let asked = tokio::time::timeout(PATIENCE, of_tasks(account, of, number, &groups)).await;
    super::lookup(asked, "elasticloadbalancing:DescribeTargetHealth")
}

async fn of_tasks(
    account: &Account,
    of: &EcsService,
    number: &str,
    groups: &BTreeSet<String>,
) -> Result<Vec<TargetHealth>, Error> {
    let tasks = account.tasks_of(of, number).await?;
    let addresses: Vec<(&str, &str)> = tasks.iter().flat_map(addresses).collect();
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let found = try_join_all(groups.iter().map(|group| account.target_health(group))).await?;
    let all = groups.iter().zip(&found);
    Ok(all.flat_map(|(group, targets)| addresses.iter().flat_map(move |at| views(group, targets, *at))).collect())
}

/// ARNs of the target groups in which tasks of this deployment are registered.
fn groups(service: &Service, revisions: &[ServiceRevision], number: &str) -> BTreeSet<String> {
    let ends = |r: &&ServiceRevision| r.service_revision_arn().is_some_and(|a| a.rsplit('/').next() == Some(number));
    let revision = revisions.iter().find(ends);
    // Blue/green deployments take turns with the groups: only the revision tells which one is its own.
    let resolved = revision.and_then(|r| r.resolved_configuration()).map(|c| c.load_balancers()).unwrap_or_default();
    let mut groups: BTreeSet<&str> = resolved.iter().filter_map(|b| b.target_group_arn()).collect();
    if groups.is_empty() {
        groups = service.load_balancers().iter().filter_map(|b| b.target_group_arn()).collect();
    }
    groups.into_iter().take(GROUPS).map(str::to_owned).collect()
}

fn lately(service: &Service, newest: Option<&ServiceDeploymentBrief>) -> bool {
    let ended = match newest {
        Some(newest) => newest.finished_at(),
        None => primary(service).and_then(|p| p.updated_at()),
    };
    ended.is_none_or(|at| jiff::Timestamp::now().as_second().saturating_sub(at.secs()) <= SHOWN)
}

/// Of a running task: its id with each address of its own.
fn addresses(task: &Task) -> impl Iterator<Item = (&str, &str)> {
    let id = number(task.task_arn().unwrap_or_default());
    let running = task.last_status() == Some("RUNNING");
    let interfaces = task.containers().iter().filter(move |_| running).flat_map(|c| c.network_interfaces());
    // The containers of a task share its interface.
    let mut all: BTreeSet<&str> = BTreeSet::new();
    for interface in interfaces {
        all.extend(interface.private_ipv4_address().or(interface.ipv6_address()));
    }
    all.into_iter().map(move |address| (id, address))
}

fn views(group: &str, targets: &[TargetHealthDescription], (task, address): (&str, &str)) -> Vec<TargetHealth> {
    let view = |state, reason: Option<&str>, description: Option<&str>| TargetHealth {
        task: task.to_owned(),
        address: address.to_owned(),
        group: group.rsplit('/').nth(1).unwrap_or(group).to_owned(),
        state,
        reason: reason.map(str::to_owned),
        description: description.map(|d| tidy(d, MESSAGE)).filter(|d| !d.is_empty()),
    };
    let ours = targets.iter().filter(|t| t.target().and_then(|t| t.id()) == Some(address));
    let told: Vec<TargetHealth> = ours
        .filter_map(|t| t.target_health())
        .map(|h| view(state(h.state()), h.reason().map(|r| r.as_str()), h.description()))
        .collect();
    if told.is_empty() { vec![view(HealthState::Unused, Some(NOT_REGISTERED), None)] } else { told }
}

fn state(state: Option<&TargetHealthStateEnum>) -> HealthState {
    match state {
        Some(TargetHealthStateEnum::Initial) => HealthState::Initial,
        Some(TargetHealthStateEnum::Healthy) => HealthState::Healthy,
        Some(TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining) => HealthState::Unhealthy,
        Some(TargetHealthStateEnum::Unused) => HealthState::Unused,
        Some(TargetHealthStateEnum::Draining) => HealthState::Draining,
        Some(TargetHealthStateEnum::Unavailable) => HealthState::Unavailable,
        _ => HealthState::Unknown,
    }
}

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
    let Some(primary) = primary(service).filter(|p| p.running_count() > 0) else { return Lookup::NotAsked };
    let ended = match newest {
        Some(newest) => newest.finished_at(),
        None => primary.updated_at(),
    };
    let ended = ended.map(|t| t.secs());
    let long_ago = ended.is_some_and(|at| jiff::Timestamp::now().as_second().saturating_sub(at) > SHOWN);
    let number = number(primary.id().unwrap_or_default());
    let groups = groups(service, revisions, number);
    if number.is_empty() || groups.is_empty() || long_ago {
        return Lookup::NotAsked;
    }
    let asked = tokio::time::timeout(PATIENCE, of_tasks(account, of, number, &groups, ended)).await;
    super::lookup(asked, "elasticloadbalancing:DescribeTargetHealth")
}

/// A running task at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At<'a> {
    task: &'a str,
    address: &'a str,
    later: bool,
}

async fn of_tasks(
    account: &Account,
    of: &EcsService,
    number: &str,
    groups: &BTreeSet<String>,
    ended: Option<i64>,
) -> Result<Vec<TargetHealth>, Error> {
    let tasks = account.tasks_of(of, number).await?;
    let addresses: BTreeSet<At> = tasks.iter().flat_map(|t| addresses(t, ended)).collect();
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let found = try_join_all(groups.iter().map(|group| account.target_health(group))).await?;
    let all = groups.iter().zip(&found);
    Ok(all.flat_map(|(group, targets)| addresses.iter().flat_map(move |at| views(group, targets, at))).collect())
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

/// Of a running task. `ended`: when its deployment did, in seconds.
fn addresses(task: &Task, ended: Option<i64>) -> impl Iterator<Item = At<'_>> {
    let id = number(task.task_arn().unwrap_or_default());
    let running = task.last_status() == Some("RUNNING");
    let later = ended.zip(task.created_at()).is_some_and(|(end, began)| began.secs() > end);
    // The containers of a task share its interface.
    let interfaces = task.containers().iter().filter(move |_| running).flat_map(|c| c.network_interfaces());
    let addresses = interfaces.filter_map(|i| i.private_ipv4_address().or(i.ipv6_address()));
    addresses.map(move |address| At { task: id, address, later })
}

fn views(group: &str, targets: &[TargetHealthDescription], at: &At) -> Vec<TargetHealth> {
    let view = |state, reason: Option<&str>, description: Option<&str>| TargetHealth {
        task: at.task.to_owned(),
        address: at.address.to_owned(),
        later: at.later,
        group: group.rsplit('/').nth(1).unwrap_or(group).to_owned(),
        state,
        reason: reason.map(str::to_owned),
        description: description.map(|d| tidy(d, MESSAGE)).filter(|d| !d.is_empty()),
    };
    let ours = targets.iter().filter(|t| t.target().and_then(|t| t.id()) == Some(at.address));
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::primitives::DateTime;
    use aws_sdk_ecs::types::{
        Container, LoadBalancer, NetworkInterface, ResolvedConfiguration, ServiceRevisionLoadBalancer,
    };
    use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealth as Told, TargetHealthReasonEnum};

    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/shop/0123456789abcdef";

    fn task(status: &str, began: i64) -> Task {
        let interface = || NetworkInterface::builder().private_ipv4_address("10.0.0.7").build();
        let container = || Container::builder().network_interfaces(interface()).build();
        let task = Task::builder().task_arn("arn:aws:ecs:eu-west-1:111122223333:task/prod/abc").last_status(status);
        task.containers(container()).containers(container()).created_at(DateTime::from_secs(began)).build()
    }

    #[test]
    fn a_running_task_is_known_by_its_own_address() {
        let seen = |task: &Task, ended| {
            let all: BTreeSet<At> = addresses(task, ended).collect();
            all.iter().map(|a| format!("{} {} {}", a.task, a.address, a.later)).collect::<Vec<_>>()
        };
        assert_eq!(seen(&task("RUNNING", 5), None), ["abc 10.0.0.7 false"]);
        assert_eq!(seen(&task("RUNNING", 5), Some(5)), ["abc 10.0.0.7 false"]);
        assert_eq!(seen(&task("RUNNING", 6), Some(5)), ["abc 10.0.0.7 true"]);
        assert!(seen(&task("PENDING", 5), None).is_empty());
        let shared = Task::builder().last_status("RUNNING").containers(Container::builder().build()).build();
        assert!(seen(&shared, None).is_empty(), "it has its machine's address");
    }

    #[test]
    fn a_group_that_does_not_list_a_task_has_not_registered_it() {
        let target = |id: &str, state, reason: Option<TargetHealthReasonEnum>| {
            let told = Told::builder().state(state).set_reason(reason).description(" two\nlines ").build();
            let target = TargetDescription::builder().id(id).port(80).build();
            TargetHealthDescription::builder().target(target).target_health(told).build()
        };
        let at = At { task: "abc", address: "10.0.0.7", later: false };
        let other = target("10.0.0.8", TargetHealthStateEnum::Healthy, None);
        let [view] = &views(GROUP, std::slice::from_ref(&other), &at)[..] else { panic!("one") };
        assert_eq!((view.state, view.reason.as_deref()), (HealthState::Unused, Some(NOT_REGISTERED)));
        let ours = target("10.0.0.7", TargetHealthStateEnum::UnhealthyDraining, Some(TargetHealthReasonEnum::Timeout));
        let [view] = &views(GROUP, &[other, ours], &at)[..] else { panic!("one") };
        assert_eq!((view.group.as_str(), view.state), ("shop", HealthState::Unhealthy));
        assert_eq!((view.reason.as_deref(), view.description.as_deref()), (Some("Target.Timeout"), Some("two lines")));
        assert_eq!(state(Some(&"moonlit".into())), HealthState::Unknown);
    }

    #[test]
    fn a_revision_knows_its_own_groups() {
        let service = Service::builder().load_balancers(LoadBalancer::builder().target_group_arn("blue").build());
        let service = service.build();
        let balancer = ServiceRevisionLoadBalancer::builder().target_group_arn("green").build();
        let resolved = ResolvedConfiguration::builder().load_balancers(balancer).build();
        let revision = |arn: &str| ServiceRevision::builder().service_revision_arn(arn);
        let known = revision("service-revision/prod/shop/2000").resolved_configuration(resolved).build();
        let named =
            |number: &str| groups(&service, std::slice::from_ref(&known), number).into_iter().collect::<Vec<_>>();
        assert_eq!((named("2000"), named("1000")), (vec!["green".to_owned()], vec!["blue".to_owned()]));
    }
}

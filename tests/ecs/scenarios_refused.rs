//! What stops a rollout before its first write, and what goes on when it is mended.

use crate::scenarios_stage::{ACCOUNT, NEW, OLD, REGION, SHORT, Stage, on_ecs, release};
use crate::sim::NewService;
use crate::sim::course::{Course, Failure, Somebody};
use crate::sim::faults::{Fault, On};
use crate::support::wait::{is, until};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use tidegate::api::{Phase, Reason};

#[tokio::test]
async fn a_service_that_cannot_be_rolled() {
    type Change = fn(NewService) -> NewService;
    let rows: [(&str, Change, Reason); 6] = [
        ("codedeploy", |s| s.set(|s| s.controller = Some("CODE_DEPLOY")), Reason::NotSupported),
        ("external", |s| s.set(|s| s.controller = Some("EXTERNAL")), Reason::NotSupported),
        ("express", |s| s.set(|s| s.express = true), Reason::NotSupported),
        ("zero", |s| s.desired(0), Reason::TargetScaledToZero),
        ("no-room", |s| s.set(|s| s.maximum_percent = 100), Reason::NoRoomToDeploy),
        ("inactive", |s| s.set(|s| s.status = "INACTIVE"), Reason::TargetNotFound),
    ];
    stream::iter(rows)
        .for_each_concurrent(3, |(name, change, reason)| async move {
            on_ecs(&format!("refused-{name}"), change, async |s| {
                s.apply(&release(NEW)).await;
                let status = s.blocked(reason).await;
                assert!(
                    status.message.as_ref().is_some_and(|m| m.contains("eu-west-1/prod/app")),
                    "{:?}",
                    status.message
                );
                assert_eq!((s.writes().as_str(), s.tag().as_str()), ("", OLD));
            })
            .await;
        })
        .await;
}

#[tokio::test]
async fn a_service_or_a_container_that_is_not_there() {
    on_ecs(
        "refused-missing",
        |s| s,
        async |s| {
            let mut spec = release(NEW);
            spec["stages"][0]["targets"][0]["ecs"]["service"] = json!("nothing");
            s.apply(&spec).await;
            s.blocked(Reason::TargetNotFound).await;
            spec["stages"][0]["targets"][0]["ecs"] = json!(
                {"region": REGION, "cluster": "prod", "service": "app", "containers": ["nobody"]}
            );
            s.apply(&spec).await;
            s.blocked(Reason::ContainerNotFound).await;
            spec["stages"][0]["targets"][0]["ecs"]["containers"] = json!(["app"]);
            spec["image"]["repository"] = json!("registry.test/other");
            s.apply(&spec).await;
            s.blocked(Reason::RepositoryDiffers).await;
            assert_eq!(s.writes(), "");
        },
    )
    .await;
}

/// Nothing new is brought, so nothing starts where ECS has given up: what to do is said.
#[tokio::test]
async fn a_service_whose_deployment_was_stopped_is_not_adopted() {
    on_ecs(
        "stopped-before",
        |s| s.breaker(false).first(Course::fails(Failure::Exits(1)).after(Duration::from_secs(1))),
        async |s| {
            until("it is stopped", async || is(s.at_rest(), (), s.service.rollouts())).await;
            s.apply(&release(OLD)).await;
            let end = s.ends(OLD, Phase::Failed, Reason::AdoptedUnhealthy).await;
            assert!(end.message.as_ref().is_some_and(|m| m.contains("force-new-deployment")), "{:?}", end.message);
            assert_eq!(s.writes(), "");
        },
    )
    .await;
}

/// One service that may not be read hides no other, though they are asked for together.
#[tokio::test]
async fn a_neighbour_that_may_not_be_read_hides_nothing() {
    on_ecs(
        "denied-neighbour",
        |s| s,
        async |s| {
            s.account.service("prod", "secret", "app:1").create();
            s.sim.fault(On::op("DescribeServices").about("secret"), Fault::Deny);
            let mut neighbour = release(OLD);
            neighbour["stages"][0]["targets"][0]["ecs"]["service"] = json!("secret");
            s.apply_as("neighbour", &neighbour).await;
            s.blocked_of("neighbour", Reason::PermissionDenied).await;
            s.settled().await;
            s.service.plan([Course::lands().after(Duration::from_secs(4))]);
            s.set_tag(NEW).await;
            s.verified(NEW).await;
            assert_eq!(s.writes(), "RU");
        },
    )
    .await;
}

/// What it leaves behind is no way back yet; when it has landed, the rollout goes on.
#[tokio::test]
async fn a_deployment_of_somebody_else_is_waited_for() {
    on_ecs(
        "in-flight",
        |s| s,
        async |s| {
            s.service.plan([Course::hangs(), Course::lands().after(Duration::from_secs(1)), Course::lands()]);
            s.service.somebody(&Somebody::Redeploys);
            s.apply(&release(NEW)).await;
            s.blocked(Reason::DeploymentInFlight).await;
            // Its own does not get anywhere; the next one does.
            s.service.somebody(&Somebody::Redeploys);
            s.verified(NEW).await;
            assert_eq!(s.writes(), "RU");
        },
    )
    .await;
}

#[tokio::test]
async fn a_missing_permission_is_named_and_waited_for() {
    let refused = [
        "DescribeServices",
        "ListServiceDeployments",
        "DescribeTaskDefinition",
        "RegisterTaskDefinition",
        "UpdateService",
    ];
    stream::iter(refused)
        .for_each_concurrent(3, |op| async move {
            on_ecs(
                &format!("denied-{}", op.to_lowercase()),
                |s| s,
                async |s| {
                    s.sim.fault(On::op(op), Fault::Deny);
                    s.apply(&release(NEW)).await;
                    let status = s.blocked(Reason::PermissionDenied).await;
                    assert!(status.message.as_ref().is_some_and(|m| m.contains(op)), "{:?}", status.message);
                    s.sim.no_faults();
                    s.verified(NEW).await;
                    assert_eq!(s.writes(), "RU", "what was registered before is used");
                },
            )
            .await;
        })
        .await;
}

/// Without the right to go back it says so, and goes back as soon as it may.
#[tokio::test]
async fn a_restore_that_is_denied_is_tried_on() {
    let play = async |s: &Stage<'_>| {
        s.patience.set(SHORT);
        s.settled().await;
        s.sim.fault(On::op("StopServiceDeployment"), Fault::Deny);
        s.service.plan([Course::hangs()]);
        s.set_tag(NEW).await;
        s.until_status("it says that it cannot", |status| {
            status.conditions.iter().any(|c| c.type_ == "Stalled" && c.reason == "RollbackFailed")
        })
        .await;
        s.sim.no_faults();
        s.rolled_back(NEW, Reason::ProgressDeadlineExceeded).await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUS", OLD));
    };
    on_ecs("denied-back", |s| s, play).await;
}

/// Whoever writes a Release must not thereby use any role that trusts the controller.
#[tokio::test]
async fn a_role_must_be_allowed() {
    on_ecs(
        "role",
        |s| s,
        async |s| {
            let role = format!("arn:aws:iam::{ACCOUNT}:role/deploy");
            s.sim.role(&role, Some("shop"));
            let mut spec = release(NEW);
            spec["stages"][0]["targets"][0]["ecs"]["roleArn"] = json!(role);
            spec["stages"][0]["targets"][0]["ecs"]["externalId"] = json!("shop");
            s.apply(&spec).await;
            s.blocked(Reason::PermissionDenied).await;
            assert!(s.sim.calls().is_empty(), "AWS was asked before the role was allowed");
            s.annotate_namespace(json!({"tidegate.dev/allow-roles": role})).await;
            s.verified(NEW).await;
            assert_eq!(s.writes(), "RU");
            let calls = s.sim.calls();
            let as_role = calls.iter().filter(|c| c.service == "ecs").all(|c| c.caller.contains("assumed-role/deploy"));
            assert!(as_role, "ECS was asked as somebody else");
            assert_eq!(calls.iter().filter(|c| c.op == "AssumeRole").count(), 1, "the credentials are kept");
        },
    )
    .await;
}

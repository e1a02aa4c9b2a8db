//! What can go wrong with a call, and what is refused.

use super::scene::{NEXT, scene, scene_on, scene_with, task_definition};
use crate::sim::Sim;
use crate::sim::faults::{Fault, Gate, On};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::ServiceDeploymentStatus as Status;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn calls_are_throttled_fail_or_are_denied_as_often_as_planned() {
    let scene = scene().await;
    let ask = || scene.client.describe_services().cluster("prod").services("app").send();
    for (fault, code) in [
        (Fault::throttle(), "ThrottlingException"),
        (Fault::server_error(), "ServerException"),
        (Fault::Deny, "AccessDeniedException"),
    ] {
        scene.sim.fault(On::op("DescribeServices").about("\"app\"").times(2), fault);
        for _ in 0..2 {
            assert_eq!(ask().await.unwrap_err().code(), Some(code));
        }
        ask().await.unwrap();
        scene.sim.no_faults();
    }
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_change_and_a_call_before_it() {
    for (fault, done) in [(Fault::Lost, false), (Fault::AnswerLost, true)] {
        let scene = scene().await;
        let next = scene.account.register(&task_definition(NEXT));
        scene.sim.fault(On::op("UpdateService").once(), fault);
        let call = scene.client.update_service().cluster("prod").service("app").task_definition(&next);
        let error = call.send().await.unwrap_err();
        assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
        assert_eq!(scene.service.task_definition() == next, done);
        assert_eq!(scene.sim.writes().len(), usize::from(done));
    }
}

#[tokio::test]
async fn a_change_can_be_made_and_answered_with_an_error() {
    let scene = scene().await;
    let next = scene.account.register(&task_definition(NEXT));
    scene.sim.fault(On::op("UpdateService").once(), Fault::server_error_after());
    let call = scene.client.update_service().cluster("prod").service("app").task_definition(&next);
    assert_eq!(call.send().await.unwrap_err().code(), Some("ServerException"));
    assert_eq!(scene.service.task_definition(), next);
}

#[tokio::test]
async fn reads_lag_behind_and_flap() {
    let scene = scene().await;
    scene.sim.flap("DescribeServices", "UpdateService", &[true, true, false, true]);
    // Nothing was written yet: nothing is stale.
    scene.described().await;
    let number = scene.deploy(NEXT).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(scene.primary().await.id().unwrap() == format!("ecs-svc/{number}"));
    }
    assert_eq!(seen, [false, false, true, false, true]);
}

#[tokio::test]
async fn a_state_can_be_unknown_and_a_deployment_gone() {
    let scene = scene().await;
    let number = scene.deploy(NEXT).await;
    let unknown = |answer: &mut serde_json::Value| answer["serviceDeployments"][0]["status"] = json!("AWAITING_MOON");
    scene.sim.fault(On::op("DescribeServiceDeployments").once(), Fault::rewrite(unknown));
    let rollout = scene.rollout(&number).await;
    assert_eq!(rollout.status().unwrap().as_str(), "AWAITING_MOON");
    assert!(scene.sim.calls().last().unwrap().doctored);
    scene.service.forget_rollout();
    let arn = rollout.service_deployment_arn().unwrap();
    let gone = scene.client.describe_service_deployments().service_deployment_arns(arn).send().await.unwrap();
    assert_eq!(gone.failures()[0].reason(), Some("MISSING"));
    assert_ne!(rollout.status(), Some(&Status::Successful));
}

#[tokio::test]
async fn a_call_waits_at_a_gate_before_or_after_it_is_carried_out() {
    for before in [true, false] {
        let scene = scene().await;
        let next = scene.account.register(&task_definition(NEXT));
        let gate = Gate::new();
        let hold = if before { Fault::HoldBefore(gate.clone()) } else { Fault::HoldAfter(gate.clone()) };
        scene.sim.fault(On::op("UpdateService").once(), hold);
        let call = scene.client.update_service().cluster("prod").service("app").task_definition(&next).send();
        let call = tokio::spawn(call);
        tokio::time::timeout(Duration::from_secs(5), gate.reached()).await.unwrap();
        assert_eq!(scene.service.task_definition() == next, !before);
        gate.open();
        call.await.unwrap().unwrap();
        assert_eq!(scene.service.task_definition(), next);
    }
}

#[tokio::test]
async fn what_aws_refuses_is_refused() {
    let scene = scene().await;
    let update = |definition: &str| {
        scene.client.update_service().cluster("prod").service("app").task_definition(definition).send()
    };
    let next = scene.account.register(&task_definition(NEXT));
    scene.account.deregister(&next);
    assert!(update(&next).await.unwrap_err().to_string().contains("service error"));
    let message = |error: SdkError<_, _>| aws_sdk_ecs::Error::from(error).to_string();
    assert!(message(update(&next).await.unwrap_err()).contains("TaskDefinition is inactive"));
    assert!(message(update("app:77").await.unwrap_err()).contains("TaskDefinition not found"));
    scene.service.change(|s| s.controller = Some("CODE_DEPLOY"));
    assert!(message(update("app:1").await.unwrap_err()).contains("Use AWS CodeDeploy"));
    scene.service.change(|s| (s.controller, s.status) = (None, "INACTIVE"));
    assert!(update("app:1").await.unwrap_err().into_service_error().is_service_not_active_exception());
    let elsewhere = scene.client.describe_services().cluster("moon").services("app").send().await.unwrap_err();
    assert!(elsewhere.into_service_error().is_cluster_not_found_exception());
    let missing = scene.client.describe_services().cluster("prod").services("nobody").send().await.unwrap();
    assert_eq!(missing.failures()[0].reason(), Some("MISSING"));
    assert!(scene.sim.writes().is_empty());
}

#[tokio::test]
async fn a_load_balanced_container_must_stay() {
    let scene = scene_with(|service| service.load_balancer("arn:aws:elasticloadbalancing:tg", "app", 8080)).await;
    let other = task_definition(NEXT).replace("\"name\":\"app\"", "\"name\":\"web\"");
    let arn = scene.account.register(&other);
    let call = scene.client.update_service().cluster("prod").service("app").task_definition(arn);
    let error = aws_sdk_ecs::Error::from(call.send().await.unwrap_err()).to_string();
    assert!(error.contains("The container app does not exist in the task definition."), "{error}");
}

#[tokio::test]
async fn the_same_once_more_is_no_deployment() {
    let scene = scene().await;
    let id = scene.primary().await.id;
    scene.update("app:1").await;
    assert_eq!(scene.primary().await.id, id);
    assert_eq!(scene.service.rollouts().len(), 1);
}

#[tokio::test]
async fn whoever_asks_too_often_is_throttled() {
    let scene = scene().await;
    scene.sim.enforce_limits();
    let ask = async |times: usize| {
        let mut admitted = 0;
        for _ in 0..times {
            let answer = scene.client.list_task_definitions().family_prefix("app").send().await;
            admitted += usize::from(answer.is_ok());
            assert!(answer.is_ok() || answer.unwrap_err().code() == Some("ThrottlingException"));
        }
        admitted
    };
    assert_eq!(ask(60).await, 50);
    scene.pass(1000);
    assert_eq!(ask(30).await, 20);
    // Others have a bucket of their own.
    scene.described().await;
    let calls = scene.sim.calls();
    assert_eq!(calls.iter().filter(|call| call.status == 400).count(), 20);
}

#[tokio::test]
async fn a_caller_that_ends_before_the_gate_opens_has_never_called() {
    let scene = scene().await;
    let next = scene.account.register(&task_definition(NEXT));
    let gate = Gate::new();
    scene.sim.fault(On::op("UpdateService").once(), Fault::HoldBefore(gate.clone()));
    let call = scene.client.update_service().cluster("prod").service("app").task_definition(&next).send();
    let call = tokio::spawn(call);
    tokio::time::timeout(Duration::from_secs(5), gate.reached()).await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    tokio::time::timeout(Duration::from_secs(5), gate.left()).await.unwrap();
    gate.open();
    scene.described().await;
    assert_ne!(scene.service.task_definition(), next);
    assert!(scene.sim.writes().is_empty());
}

#[tokio::test]
async fn silence_lasts_until_the_caller_gives_up() {
    let scene = scene().await;
    let next = scene.account.register(&task_definition(NEXT));
    // The first call of a client takes longer.
    scene.described().await;
    scene.sim.fault(On::op("UpdateService").once(), Fault::Silence);
    let call = scene.client.update_service().cluster("prod").service("app").task_definition(&next);
    let patience = TimeoutConfig::builder().operation_timeout(Duration::from_secs(2)).build();
    let call = call.customize().config_override(aws_sdk_ecs::config::Builder::new().timeout_config(patience));
    assert!(matches!(call.send().await.unwrap_err(), SdkError::TimeoutError(_)));
    assert_eq!(scene.service.task_definition(), next);
    let call = scene.sim.calls().pop().unwrap();
    assert!(call.wrote() && !call.delivered);
}

#[tokio::test]
async fn parameters_that_an_operation_does_not_have_are_refused() {
    // Not written down: these are wrong on purpose.
    let scene = scene_on(Sim::record(None).await, |service| service).await;
    let call = scene.client.update_service().cluster("prod").service("app").customize().mutate_request(|request| {
        let body = r#"{"cluster":"prod","service":"app","force":true}"#;
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = body.into();
    });
    assert_eq!(call.send().await.unwrap_err().code(), Some("SerializationException"));
    let names = || (0..11).map(|n| format!("app{n}")).collect();
    let many = scene.client.describe_services().cluster("prod").set_services(Some(names())).send().await;
    assert!(many.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

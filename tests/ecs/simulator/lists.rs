//! Lists and events: their order, their filters, their pages.

use super::scene::{NEXT, scene, scene_with};
use crate::sim::course::{Course, Failure};
use aws_sdk_ecs::operation::list_service_deployments::ListServiceDeploymentsOutput;
use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types::{CreatedAt, ServiceDeploymentStatus as Status};

#[tokio::test]
async fn service_deployments_are_listed_the_latest_first() {
    let scene = scene().await;
    let first = scene.deploy(NEXT).await;
    scene.pass(60_000);
    let began = scene.sim.clock().now();
    scene.service.plan([Course::hangs()]);
    let second = scene.deploy(NEXT).await;
    scene.pass(60_000);
    let numbers = |answer: ListServiceDeploymentsOutput| -> Vec<String> {
        let targets = answer.service_deployments.unwrap().into_iter().map(|d| d.target_service_revision_arn.unwrap());
        targets.map(|arn| arn.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let list = || scene.client.list_service_deployments().cluster("prod").service("app");
    assert_eq!(numbers(list().send().await.unwrap())[..2], [second.clone(), first.clone()]);
    let landed = list().status(Status::Successful).send().await.unwrap();
    assert_eq!(numbers(landed)[0], first);
    let after = CreatedAt::builder().after(DateTime::from_secs_f64(began.as_secs_f64() - 1.0)).build();
    assert_eq!(numbers(list().created_at(after).send().await.unwrap()), std::slice::from_ref(&second));
    let page = list().max_results(1).send().await.unwrap();
    let next = list().max_results(1).next_token(page.next_token().unwrap()).send().await.unwrap();
    assert_eq!((numbers(page), numbers(next)), (vec![second], vec![first]));
}

#[tokio::test]
async fn events_say_what_no_task_can_the_latest_first_and_once() {
    let scene = scene_with(|service| service).await;
    scene.service.plan([Course::fails(Failure::NoPlace)]);
    let number = scene.deploy(NEXT).await;
    scene.pass(60_000);
    assert!(scene.stopped(&number).await.is_empty());
    let service = scene.described().await;
    let messages: Vec<&str> = service.events().iter().map(|event| event.message().unwrap()).collect();
    assert!(messages[0].contains("unable to place a task"), "{messages:?}");
    assert_eq!(messages.iter().filter(|text| text.contains("unable to place")).count(), 1);
    assert!(messages[1].contains("steady state"), "{messages:?}");
}

#[tokio::test]
async fn digests_stay_as_the_first_task_found_them() {
    let scene = scene_with(|service| service).await;
    scene.service.plan([Course::fails(Failure::Exits(1))]);
    scene.sim.push(NEXT, "first");
    let number = scene.deploy(NEXT).await;
    scene.pass(1000);
    scene.sim.push(NEXT, "second");
    scene.pass(10_000);
    let list = scene.client.list_tasks().cluster("prod").service_name("app").desired_status("STOPPED".into());
    let arns = list.send().await.unwrap().task_arns;
    let tasks = scene.client.describe_tasks().cluster("prod").set_tasks(arns).send().await.unwrap();
    let ours = tasks.tasks().iter().filter(|t| t.started_by() == Some(&format!("ecs-svc/{number}")));
    let mut digests: Vec<&str> = ours.filter_map(|t| t.containers()[0].image_digest()).collect();
    assert!(digests.len() > 3);
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

//! What stands beside ECS: load balancers and the registry. Asked over plain HTTP.

use super::scene::{ACCOUNT, NEXT, REGION, Scene, scene_with, task_definition};
use crate::sim::NewService;
use crate::sim::course::Course;
use crate::sim::ecr::repository;
use crate::sim::faults::{Fault, On};
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/app/0123456789abcdef";

async fn post(scene: &Scene, service: &str, target: Option<&str>, body: String) -> (u16, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let scope = format!("{ACCOUNT}/20260101/{REGION}/{service}/aws4_request");
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let call = client.post(scene.sim.endpoint()).header("authorization", signature).body(body);
    let call = target.into_iter().fold(call, |call, target| call.header("x-amz-target", target));
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// How many targets are in which state: the states, sorted.
async fn states(scene: &Scene) -> Vec<String> {
    let form = format!("Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn={}", GROUP.replace(':', "%3A"));
    let (status, text) = post(scene, "elasticloadbalancing", None, form).await;
    assert_eq!(status, 200, "{text}");
    let mut states: Vec<String> =
        text.split("<State>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    states.sort();
    states
}

#[tokio::test]
async fn targets_follow_the_tasks() {
    let scene = scene_with(|service| service.load_balancer(GROUP, "app", 8080)).await;
    assert_eq!(states(&scene).await, ["healthy", "healthy"]);
    scene.service.plan([Course::hangs()]);
    scene.deploy(NEXT).await;
    scene.pass(60_000);
    assert_eq!(states(&scene).await, ["healthy", "healthy", "unhealthy"]);
    let form = "Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn%3Anobody".to_owned();
    let (status, text) = post(&scene, "elasticloadbalancing", None, form.clone()).await;
    assert!(status == 400 && text.contains("<Code>TargetGroupNotFound</Code>"), "{text}");
    scene.sim.fault(On::op("DescribeTargetHealth").once(), Fault::Deny);
    let (status, text) = post(&scene, "elasticloadbalancing", None, form).await;
    assert!(status == 400 && text.contains("<Code>AccessDenied</Code>"), "{text}");
}

#[tokio::test]
async fn new_targets_are_registered_first_and_old_ones_leave_in_the_end() {
    let slow = |service: NewService| service.set(|s| s.registers_in = Duration::from_secs(30));
    let scene = scene_with(|service| slow(service.load_balancer(GROUP, "app", 8080))).await;
    scene.deploy(NEXT).await;
    scene.pass(10_000);
    assert_eq!(states(&scene).await, ["draining", "draining", "initial", "initial"]);
    scene.pass(30_000);
    assert_eq!(states(&scene).await, ["draining", "draining", "healthy", "healthy"]);
    scene.pass(300_000);
    assert_eq!(states(&scene).await, ["healthy", "healthy"]);
}

#[tokio::test]
async fn the_registry_has_the_digests_that_tasks_get() {
    let image = format!("{}:sha-2", repository(ACCOUNT, REGION, "team/app"));
    let scene = scene_with(|service| service).await;
    scene.sim.push(&image, "these bytes");
    let arn = scene.account.register(&task_definition(&image));
    scene.update(&arn).await;
    scene.pass(2000);
    let body = json!({"repositoryName": "team/app", "imageIds": [{"imageTag": "sha-2"}]}).to_string();
    let target = "AmazonEC2ContainerRegistry_V20150921.DescribeImages";
    let (status, text) = post(&scene, "ecr", Some(target), body.clone()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    let digest = answer["imageDetails"][0]["imageDigest"].as_str().unwrap();
    assert_eq!((status, digest), (200, scene.service.running()[0].1.as_str()));
    scene.sim.delete_image(&image);
    let (status, text) = post(&scene, "ecr", Some(target), body.clone()).await;
    assert!(status == 400 && text.contains("ImageNotFoundException"), "{text}");
    scene.sim.delete_image(&repository(ACCOUNT, REGION, "team/app"));
    let (status, text) = post(&scene, "ecr", Some(target), body).await;
    assert!(status == 400 && text.contains("RepositoryNotFoundException"), "{text}");
}

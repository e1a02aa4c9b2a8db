//! How deployments go.

use super::scene::{GOOD, NEXT, scene, scene_with, task_definition};
use crate::sim::course::{Back, Course, Failure, Somebody};
use aws_sdk_ecs::types::ServiceDeploymentStatus as Status;
use std::time::Duration;

#[tokio::test]
async fn it_lands() {
    let scene = scene().await;
    let old = scene.primary().await;
    assert_eq!(old.rollout_state().unwrap().as_str(), "COMPLETED");
    let number = scene.deploy(NEXT).await;
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::Pending));
    scene.pass(1000);
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::InProgress));
    let both = scene.described().await;
    let ids: Vec<_> = both.deployments().iter().map(|d| (d.id().unwrap(), d.status().unwrap())).collect();
    assert_eq!(ids, [(format!("ecs-svc/{number}").as_str(), "PRIMARY"), (old.id().unwrap(), "ACTIVE")]);
    scene.pass(1000);
    let landed = scene.described().await;
    assert_eq!((landed.deployments().len(), landed.running_count()), (1, 2));
    assert_eq!(landed.deployments()[0].rollout_state().unwrap().as_str(), "COMPLETED");
    let rollout = scene.rollout(&number).await;
    assert_eq!(rollout.status(), Some(&Status::Successful));
    let revision = rollout.target_service_revision().unwrap().arn().unwrap();
    let revisions = scene.client.describe_service_revisions().service_revision_arns(revision).send().await.unwrap();
    let image = &revisions.service_revisions()[0].container_images()[0];
    assert_eq!(image.image(), Some(NEXT));
    let running = scene.service.running();
    assert_eq!(running, vec![(NEXT.to_owned(), image.image_digest().unwrap().to_owned()); 2]);
}

#[tokio::test]
async fn the_breaker_goes_back_to_the_old_deployment_under_its_old_number() {
    let scene = scene().await;
    let (old, digests) = (scene.primary().await, scene.service.running());
    // The name has other bytes by now; the way back does not.
    scene.sim.push(GOOD, "pushed again");
    scene.service.plan([Course::fails(Failure::Exits(3))]);
    let number = scene.deploy(NEXT).await;
    scene.pass(2000);
    let rollout = scene.rollout(&number).await;
    assert_eq!(rollout.status(), Some(&Status::RollbackRequested));
    let service = scene.described().await;
    let (failed, back) = (&service.deployments()[0], &service.deployments()[1]);
    assert_eq!((back.id(), back.status()), (old.id(), Some("PRIMARY")));
    assert_eq!(back.rollout_state().unwrap().as_str(), "IN_PROGRESS");
    assert_eq!((failed.status(), failed.rollout_state().unwrap().as_str()), (Some("ACTIVE"), "FAILED"));
    assert_eq!(service.task_definition(), old.task_definition());
    let stopped = scene.stopped(&number).await;
    assert_eq!(stopped.len(), 3);
    let (code, reason, exit) = &stopped[0];
    assert_eq!((code.as_str(), *exit), ("EssentialContainerExited", Some(3)), "{reason}");
    scene.pass(1000);
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::RollbackSuccessful));
    assert_eq!(scene.primary().await.rollout_state().unwrap().as_str(), "COMPLETED");
    assert_eq!(scene.described().await.deployments().len(), 1);
    assert_eq!(scene.service.running(), digests);
}

#[tokio::test]
async fn what_was_rolled_back_can_be_gone_at_once() {
    let scene = scene().await;
    let old = scene.primary().await.id;
    scene.service.plan([Course::fails(Failure::Exits(1)).lingers(Duration::ZERO)]);
    scene.deploy(NEXT).await;
    scene.pass(1900);
    assert_eq!(scene.described().await.deployments().len(), 2);
    scene.pass(100);
    let service = scene.described().await;
    assert_eq!((service.deployments().len(), service.deployments()[0].id()), (1, old.as_deref()));
}

#[tokio::test]
async fn the_way_back_can_fail_or_hang() {
    for (back, end) in
        [(Back::Fails(Duration::from_secs(1)), Status::RollbackFailed), (Back::Hangs, Status::RollbackInProgress)]
    {
        let scene = scene().await;
        scene.service.plan([Course::fails(Failure::OutOfMemory).back(back)]);
        let number = scene.deploy(NEXT).await;
        scene.pass(60_000);
        assert_eq!(scene.rollout(&number).await.status(), Some(&end));
    }
}

#[tokio::test]
async fn without_a_breaker_tasks_fail_for_ever() {
    let scene = scene_with(|service| service).await;
    scene.sim.delete_image(NEXT);
    let number = scene.deploy(NEXT).await;
    scene.pass(600_000);
    let primary = scene.primary().await;
    assert_eq!((primary.failed_tasks(), primary.rollout_state().unwrap().as_str()), (0, "IN_PROGRESS"));
    let stopped = scene.stopped(&number).await;
    assert!(stopped.len() > 20, "{}", stopped.len());
    assert!(stopped.iter().all(|(code, reason, exit)| {
        code == "TaskFailedToStart" && reason.starts_with("CannotPullContainerError") && exit.is_none()
    }));
}

#[tokio::test]
async fn a_breaker_that_does_not_roll_back_leaves_it_failed() {
    let scene = scene_with(|service| service.breaker(false)).await;
    scene.service.plan([Course::fails(Failure::Exits(1))]);
    let number = scene.deploy(NEXT).await;
    scene.pass(60_000);
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::Stopped));
    let primary = scene.primary().await;
    assert_eq!((primary.failed_tasks(), primary.rollout_state().unwrap().as_str()), (3, "FAILED"));
}

#[tokio::test]
async fn with_nothing_to_go_back_to_it_stands_still_or_says_so() {
    for (says, end) in [(false, Status::InProgress), (true, Status::RollbackFailed)] {
        let scene = scene_with(|service| {
            let service = service.breaker(true).set(|s| s.nothing_to_go_back_to_fails = says);
            service.first(Course::fails(Failure::Exits(1)))
        });
        let scene = scene.await;
        scene.pass(60_000);
        let primary = scene.primary().await;
        assert_eq!(primary.rollout_state().unwrap().as_str(), "FAILED");
        let number = primary.id().unwrap().strip_prefix("ecs-svc/").unwrap().to_owned();
        assert_eq!(scene.rollout(&number).await.status(), Some(&end));
    }
}

#[tokio::test]
async fn a_newer_deployment_replaces_it() {
    let other = task_definition("registry.example/other:1");
    for who in [Somebody::Deploys("app:2".to_owned()), Somebody::Redeploys] {
        let scene = scene().await;
        scene.account.register(&other);
        scene.service.plan([Course::hangs().meanwhile(Duration::from_secs(3), who.clone())]);
        let number = scene.deploy(NEXT).await;
        scene.pass(2000);
        assert_eq!(scene.rollout(&number).await.status(), Some(&Status::InProgress));
        scene.pass(1000);
        assert_eq!(scene.rollout(&number).await.status(), Some(&Status::Stopped));
        scene.pass(60_000);
        let landed = scene.primary().await;
        assert_ne!(landed.id().unwrap(), format!("ecs-svc/{number}"));
        let same = who == Somebody::Redeploys;
        assert_eq!(landed.task_definition().unwrap().ends_with("app:3"), same);
    }
}

#[tokio::test]
async fn stopping_goes_back_and_conflicts_once_it_has_ended() {
    let scene = scene().await;
    scene.service.plan([Course::hangs()]);
    let number = scene.deploy(NEXT).await;
    scene.pass(5000);
    let arn = scene.rollout(&number).await.service_deployment_arn.unwrap();
    let stop = || scene.client.stop_service_deployment().service_deployment_arn(&arn).stop_type("ROLLBACK".into());
    stop().send().await.unwrap();
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::StopRequested));
    scene.pass(100);
    stop().send().await.unwrap();
    scene.pass(2000);
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::RollbackSuccessful));
    assert!(stop().send().await.unwrap_err().into_service_error().is_conflict_exception());
    assert_eq!(scene.service.running().len(), 2);
    assert_eq!(scene.sim.writes(), ["UpdateService", "StopServiceDeployment", "StopServiceDeployment"]);
}

#[tokio::test]
async fn what_is_deployed_while_ecs_goes_back_is_stuck() {
    let scene = scene().await;
    scene.service.plan([Course::fails(Failure::Exits(1)).back(Back::Hangs)]);
    scene.deploy(NEXT).await;
    scene.pass(4000);
    let number = scene.deploy("registry.example/app:sha-3").await;
    scene.pass(600_000);
    assert_eq!(scene.rollout(&number).await.status(), Some(&Status::InProgress));
    assert!(scene.stopped(&number).await.is_empty());
}

#[tokio::test]
async fn a_pause_waits_for_an_answer() {
    for (go_on, end) in [(true, Status::Successful), (false, Status::RollbackSuccessful)] {
        let scene = scene_with(|service| service.set(|s| s.strategy = "BLUE_GREEN")).await;
        scene.service.plan([Course::lands().pauses()]);
        let number = scene.deploy(NEXT).await;
        scene.pass(60_000);
        let rollout = scene.rollout(&number).await;
        assert_eq!((rollout.status(), scene.primary().await.rollout_state()), (Some(&Status::InProgress), None));
        let hook = rollout.lifecycle_hook_details()[0].hook_id().unwrap();
        let arn = rollout.service_deployment_arn().unwrap();
        let answer = scene.client.continue_service_deployment().service_deployment_arn(arn).hook_id(hook);
        let action = if go_on { "CONTINUE" } else { "ROLLBACK" };
        answer.action(action.into()).send().await.unwrap();
        scene.pass(60_000);
        assert_eq!(scene.rollout(&number).await.status(), Some(&end));
    }
}

#[tokio::test]
async fn a_service_shows_its_latest_hundred_events() {
    let scene = scene().await;
    let shown = async || scene.described().await.events().iter().map(|e| e.message().unwrap().to_owned()).collect();
    let mut all: Vec<String> = shown().await;
    for _ in 0..60 {
        scene.service.somebody(&Somebody::Redeploys);
        scene.pass(2000);
        all = shown().await;
    }
    assert_eq!(all.len(), 100);
    let last = scene.primary().await.id().unwrap().to_owned();
    assert!(all[..2].iter().any(|text| text.contains(&last)), "the latest is not first: {:?}", &all[..2]);
}

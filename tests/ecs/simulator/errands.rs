//! Tasks that run once.

use super::scene::{GOOD, Scene, scene, task_definition};
use crate::sim::course::Failure;
use crate::sim::errands::Errand;
use aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder;
use aws_sdk_ecs::types::{AwsVpcConfiguration, ContainerOverride, NetworkConfiguration, Task, TaskOverride};
use std::time::Duration;

fn run(scene: &Scene) -> RunTaskFluentBuilder {
    let vpc = AwsVpcConfiguration::builder().subnets("subnet-1").build().unwrap();
    let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
    let call = scene.client.run_task().cluster("prod").task_definition("app:1").started_by("rel-1");
    call.client_token("token-1").network_configuration(network)
}

async fn described(scene: &Scene, arn: &str) -> Task {
    let call = scene.client.describe_tasks().cluster("prod").tasks(arn).send().await.unwrap();
    call.tasks.unwrap().remove(0)
}

#[tokio::test]
async fn it_ends_as_planned() {
    let second = Duration::from_secs(1);
    for (errand, code, exit) in [
        (Errand::Exits(0, second), "EssentialContainerExited", Some(0)),
        (Errand::Exits(3, second), "EssentialContainerExited", Some(3)),
        (Errand::Fails(Failure::CannotPull(None), second), "TaskFailedToStart", None),
    ] {
        let scene = scene().await;
        scene.account.plan([errand]);
        let started = run(&scene).send().await.unwrap();
        let arn = started.tasks()[0].task_arn().unwrap();
        assert_eq!(described(&scene, arn).await.last_status(), Some("PENDING"));
        scene.pass(1000);
        let task = described(&scene, arn).await;
        assert_eq!((task.last_status(), task.stop_code().unwrap().as_str()), (Some("STOPPED"), code));
        assert_eq!(task.containers()[0].exit_code(), exit);
        // Once it has ended it is found among the stopped ones only.
        let list = || scene.client.list_tasks().cluster("prod");
        assert!(list().started_by("rel-1").send().await.unwrap().task_arns().is_empty());
        let stopped = list().family("app").desired_status("STOPPED".into()).send().await.unwrap();
        assert_eq!(stopped.task_arns(), [arn]);
        scene.pass(3_600_000);
        let gone = scene.client.describe_tasks().cluster("prod").tasks(arn).send().await.unwrap();
        assert_eq!(gone.failures()[0].reason(), Some("MISSING"));
    }
}

#[tokio::test]
async fn one_that_hangs_is_stopped() {
    let scene = scene().await;
    scene.account.plan([Errand::RunsForEver]);
    let started = run(&scene).send().await.unwrap();
    let arn = started.tasks()[0].task_arn().unwrap();
    scene.pass(600_000);
    assert_eq!(described(&scene, arn).await.last_status(), Some("RUNNING"));
    scene.client.stop_task().cluster("prod").task(arn).reason("too late").send().await.unwrap();
    let task = described(&scene, arn).await;
    let code = task.stop_code().unwrap().as_str();
    assert_eq!(
        (code, task.stopped_reason(), task.containers()[0].exit_code()),
        ("UserInitiated", Some("too late"), Some(137))
    );
}

#[tokio::test]
async fn the_same_token_runs_it_once_until_an_hour_after_its_end() {
    let scene = scene().await;
    let arn = |run: &aws_sdk_ecs::operation::run_task::RunTaskOutput| run.tasks()[0].task_arn().unwrap().to_owned();
    let first = arn(&run(&scene).send().await.unwrap());
    assert_eq!(arn(&run(&scene).send().await.unwrap()), first);
    let other = run(&scene).started_by("rel-2").send().await.unwrap_err();
    assert!(other.into_service_error().is_conflict_exception());
    scene.pass(3_602_000);
    assert_ne!(arn(&run(&scene).send().await.unwrap()), first);
}

#[tokio::test]
async fn no_place_is_an_answer_and_nonsense_a_refusal() {
    let scene = scene().await;
    scene.account.plan([Errand::NotPlaced("RESOURCE:MEMORY")]);
    let answer = run(&scene).send().await.unwrap();
    assert_eq!((answer.tasks().len(), answer.failures()[0].reason()), (0, Some("RESOURCE:MEMORY")));
    let stranger = ContainerOverride::builder().name("nobody").build();
    let overrides = TaskOverride::builder().container_overrides(stranger).build();
    let refused = run(&scene).client_token("token-2").overrides(overrides).send().await.unwrap_err();
    assert!(refused.into_service_error().is_invalid_parameter_exception());
    scene.account.register(&task_definition(GOOD));
    let call = scene.client.run_task().cluster("prod").task_definition("app:2");
    assert!(call.send().await.unwrap_err().into_service_error().is_invalid_parameter_exception());
}

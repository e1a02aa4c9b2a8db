//! The controller itself on ministack: a real one, of which only the endpoint is not AWS's.
//!
//! ministack has no service deployments (`ListServiceDeployments` answers an empty list), so everything is followed by
//! the older fields, as in a partition that has none either.

use super::process::Ministack;
use super::story::{CLUSTER, REGION, Stage, role};
use super::{OTHER, OWN};
use crate::support::scene::play_with;
use crate::support::{Cluster, Controller, Scene};
use serde_json::{Value, json};
use std::cell::RefCell;
use tidegate::api::Reason;

/// Plays a scene with a service that runs the image `first` and is adopted, and a controller, both on ministack.
async fn on_ministack(name: &str, account: &str, play: impl AsyncFn(&Scene, &Stage)) {
    let ministack = Ministack::start().await;
    let controllers: RefCell<Vec<Controller>> = RefCell::default();
    let log = |ns: &str| controllers.borrow().iter().map(|c| c.tail(ns)).collect::<String>();
    let whole = async |scene: &Scene| {
        let stage = Stage::new(&ministack.endpoint, OWN).await;
        let stage = if account == OWN { stage } else { stage.assume(account).await };
        stage.create().await;
        let namespace = format!("--watch-namespace={}", scene.ns);
        let roles = format!("--allow-role=own,{}", role(OTHER));
        let arguments = ["--no-lease", &roles, "--ecs-poll-seconds=1", &namespace];
        let environment = [
            ("AWS_ENDPOINT_URL", ministack.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", OWN.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "s3cret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        controllers.borrow_mut().push(Controller::start_with(scene.cluster, &arguments, &environment));
        scene.apply(&release(&stage, "first", account)).await;
        scene.verified("sha-first").await;
        play(scene, &stage).await;
    };
    play_with(Cluster::get(), &format!("ministack-{name}"), whole, log).await;
}

fn release(stage: &Stage, tag: &str, account: &str) -> Value {
    let mut ecs = json!({"region": REGION, "cluster": CLUSTER, "service": stage.name, "containers": ["app"]});
    if account != OWN {
        ecs["roleArn"] = json!(role(account));
    }
    let image = stage.image(tag);
    let (repository, tag) = image.rsplit_once(':').unwrap();
    json!({
        // The tags say how the stand-in for Docker lets them go.
        "image": {"repository": repository, "tag": tag, "allowMovingTag": true},
        "stages": [{
            "name": "production", "checks": "None", "promotion": {"mode": "Automatic"}, "progressDeadline": "60s",
            "targets": [{"name": "web", "ecs": ecs}],
        }],
    })
}

#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn a_controller_on_ministack_brings_a_good_image() {
    on_ministack("good", OWN, async |scene, stage| {
        scene.apply(&release(stage, "good", OWN)).await;
        scene.verified("sha-good").await;
        assert_eq!(stage.runs().await, stage.image("good"));
    })
    .await;
}

/// ministack's circuit breaker goes back by itself; the controller sees it and proves the way back.
#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn a_controller_on_ministack_takes_a_crash_back() {
    on_ministack("crash", OWN, async |scene, stage| {
        scene.apply(&release(stage, "crash", OWN)).await;
        scene.rolled_back("sha-crash", Reason::DeploymentFailed).await;
        assert_eq!(stage.runs().await, stage.image("first"));
        scene.apply(&release(stage, "good", OWN)).await;
        scene.verified("sha-good").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn a_controller_on_ministack_takes_back_what_cannot_be_pulled() {
    on_ministack("nopull", OWN, async |scene, stage| {
        scene.apply(&release(stage, "nopull", OWN)).await;
        scene.rolled_back("sha-nopull", Reason::DeploymentFailed).await;
        assert_eq!(stage.runs().await, stage.image("first"));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn a_controller_on_ministack_works_in_another_account() {
    on_ministack("account", OTHER, async |scene, stage| {
        scene.apply(&release(stage, "good", OTHER)).await;
        scene.verified("sha-good").await;
        assert_eq!(stage.runs().await, stage.image("good"));
        // As the controller itself there is no such service.
        scene.apply(&release(stage, "next", OWN)).await;
        scene.blocked(Reason::TargetNotFound).await;
    })
    .await;
}

//! A second opinion: the same stories on the scripted ECS and on ministack, which others have written. What they have
//! in common is what both must tell alike.
//!
//! The unchanged controller plays there too: a good image, a crash, one that cannot be pulled, and another account.
//!
//! ministack is Python; `make ecs-ministack` installs it and runs what is ignored here.

mod controller;
mod process;
mod story;

use crate::sim::Sim;
use crate::sim::course::{Course, Failure};
use futures::future::join_all;
use process::Ministack;
use std::time::Duration;
use story::{Stage, Told};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";

/// What is deployed in each story, and what must be told.
fn stories() -> [(&'static str, Told); 3] {
    let back = Told { ours_failed: true, old_again: true, ..Told::default() };
    [
        ("good", Told { ours_completed: true, ..Told::default() }),
        ("crash", Told { stopped: Some("EssentialContainerExited"), exit: Some(1), ..back.clone() }),
        ("nopull", Told { stopped: Some("TaskFailedToStart"), exit: None, ..back }),
    ]
}

#[tokio::test]
async fn the_scripted_ecs_tells_them() {
    let told = stories().map(|(name, expected)| async move {
        let sim = scripted().await;
        let stage = Stage::new(&sim.endpoint(), OWN).await;
        stand_up(&sim, OWN, &stage);
        assert_eq!(stage.deploy(name).await, expected, "{name}");
    });
    join_all(told).await;
}

#[tokio::test]
async fn the_scripted_ecs_tells_them_across_accounts() {
    let sim = scripted().await;
    let stage = Stage::new(&sim.endpoint(), OWN).await.assume(OTHER).await;
    sim.role(&story::role(OTHER), None);
    stand_up(&sim, OTHER, &stage);
    assert!(stage.deploy("good").await.ours_completed);
    assert!(!Stage::new(&sim.endpoint(), OWN).await.named(&stage).exists().await);
}

#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn ministack_tells_them() {
    let ministack = Ministack::start().await;
    // One after another: side by side it mixes up what it is asked.
    for (name, expected) in stories() {
        let stage = Stage::new(&ministack.endpoint, OWN).await;
        stage.create().await;
        assert_eq!(stage.deploy(name).await, expected, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs ministack: make ecs-ministack"]
async fn ministack_tells_them_across_accounts() {
    let ministack = Ministack::start().await;
    let stage = Stage::new(&ministack.endpoint, OWN).await.assume(OTHER).await;
    stage.create().await;
    assert!(stage.deploy("good").await.ours_completed);
    assert!(!Stage::new(&ministack.endpoint, OWN).await.named(&stage).exists().await);
}

/// What failed is told for so long: longer than anybody takes to look.
const LINGERS: Duration = Duration::from_secs(60);

/// One that goes by the image's tag, as ministack does with the docker that stands in here.
async fn scripted() -> Sim {
    let sim = Sim::start().await;
    sim.courses(|image| match image.rsplit('-').next() {
        Some("crash") => Course::fails(Failure::Exits(1)).lingers(LINGERS),
        Some("nopull") => Course::fails(Failure::CannotPull(None)).lingers(LINGERS),
        _ => Course::lands(),
    });
    sim
}

fn stand_up(sim: &Sim, account: &str, stage: &Stage) {
    let account = sim.account(account, story::REGION);
    let arn = account.register(&stage.definition("first"));
    account.service(story::CLUSTER, &stage.name, &arn).breaker(true).create();
}

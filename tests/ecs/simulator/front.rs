//! What users of a service see while it is deployed and rolled back.

use super::scene::{GOOD, NEXT, scene};
use crate::sim::course::{Course, Failure};
use crate::sim::front::Front;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Status and body of so many requests.
async fn ask(front: &Front, times: usize) -> Vec<(u16, String)> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut answers = Vec::new();
    for _ in 0..times {
        let answer = client.get(front.url("/healthz")).send().await.unwrap();
        answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
    }
    answers
}

#[tokio::test]
async fn the_running_image_answers() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let scene = scene().await;
    scene.sim.answers(|image, path| match image {
        GOOD => (200, format!("good {path}")),
        _ => (500, "broken".to_owned()),
    });
    let front = scene.sim.front(&scene.service, Ipv4Addr::LOCALHOST).await;
    let (good, broken) = ((200, "good /healthz".to_owned()), (500, "broken".to_owned()));
    assert_eq!(ask(&front, 2).await, vec![good.clone(); 2]);
    scene.deploy(NEXT).await;
    assert_eq!(ask(&front, 2).await, vec![good.clone(); 2]);
    // Halfway the new tasks run beside the old ones.
    scene.pass(1500);
    let both = ask(&front, 4).await;
    assert!(both.contains(&good) && both.contains(&broken), "{both:?}");
    scene.pass(500);
    assert_eq!(ask(&front, 4).await, vec![broken; 4]);
    scene.update("app:1").await;
    scene.pass(2000);
    assert_eq!(ask(&front, 4).await, vec![good; 4]);
    scene.service.change(|s| s.desired = 0);
    scene.deploy(NEXT).await;
    scene.pass(2000);
    assert_eq!(ask(&front, 1).await[0].0, 503);
}

#[tokio::test]
async fn tasks_that_never_run_answer_nothing_and_the_way_back_answers() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let scene = scene().await;
    scene.sim.answers(|image, _| (200, image.to_owned()));
    scene.sim.courses(|image| match image {
        NEXT => Course::fails(Failure::Resources).after(Duration::from_secs(3)),
        _ => Course::lands(),
    });
    let front = scene.sim.front(&scene.service, Ipv4Addr::LOCALHOST).await;
    scene.deploy(NEXT).await;
    for _ in 0..8 {
        scene.pass(500);
        assert_eq!(ask(&front, 2).await, vec![(200, GOOD.to_owned()); 2]);
    }
}

#[tokio::test]
async fn the_clock_runs_as_fast_as_it_is_told() {
    let scene = scene().await;
    let began = scene.sim.clock().now();
    assert_eq!(scene.sim.clock().now(), began);
    scene.sim.clock().run_at(1000.0);
    let number = scene.deploy(NEXT).await;
    let landed = async {
        while scene.rollout(&number).await.status().unwrap().as_str() != "SUCCESSFUL" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), landed).await.unwrap();
    assert!(scene.sim.clock().now() >= began + Duration::from_secs(2));
}

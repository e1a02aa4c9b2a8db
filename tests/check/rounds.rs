//! Which pods a round asks, and what their answers come to together.

use crate::fake::*;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tidegate::api::NsName;
use tidegate::api::ask::Outcome;
use tidegate::check::PodFacts;

fn codes(codes: &[u16]) -> Vec<Behaviour> {
    codes.iter().map(|&code| Arc::new(move |_: &str| status(code)) as Behaviour).collect()
}

fn pods_of(apps: &[App]) -> Vec<PodFacts> {
    (1..).zip(apps).map(|(n, app)| pod(n, app.addr.ip())).collect()
}

fn hits(apps: &[App]) -> Vec<usize> {
    apps.iter().map(|app| app.seen.requests().len()).collect()
}

#[tokio::test]
async fn every_ready_pod_is_asked_once() {
    let apps = App::many(11, codes(&[200, 200, 200, 200, 200])).await;
    let mut pods = pods_of(&apps);
    pods[1].ready = false;
    pods[3].terminating = true;
    let answer = ask_once(World::of(pods), &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::Pass, "3 of 3 pods answered 200".to_owned()));
    assert_eq!(hits(&apps), [1, 0, 1, 0, 1]);
}

#[tokio::test]
async fn one_failing_pod_fails_the_round_and_is_named() {
    let apps = App::many(12, codes(&[200, 503, 500])).await;
    let answer = ask_once(World::of(pods_of(&apps)), &ask_pods(apps[0].addr.port())).await;
    let message = "pod web-2: status 503, expected 200 to 299 (2 of 3 pods failed)";
    assert_eq!(answer, (Outcome::Fail, message.to_owned()));
    assert_eq!(hits(&apps), [1, 1, 1]);
}

#[tokio::test]
async fn an_answer_counts_more_than_a_pod_that_could_not_be_asked() {
    let apps = App::many(13, codes(&[200, 500])).await;
    let mut pods = pods_of(&apps);
    pods[0].host_network = true;
    let answer = ask_once(World::of(pods.clone()), &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::Fail, "pod web-2: status 500, expected 200 to 299 (1 of 2 pods failed)".to_owned()));
    pods.truncate(1);
    assert_eq!(ask_once(World::of(pods), &ask_pods(apps[0].addr.port())).await.0, Outcome::Error);
    assert_eq!(hits(&apps), [0, 1]);
}

#[tokio::test]
async fn without_ready_pods_there_is_nothing_to_see() {
    let app = App::start([127, 0, 14, 1], |_| status(200)).await;
    let starting = PodFacts { ready: false, ip: None, node: None, ..pod(1, app.addr.ip()) };
    for pods in [Vec::new(), vec![starting]] {
        let answer = ask_once(World::of(pods), &ask_pods(app.addr.port())).await;
        assert_eq!(answer, (Outcome::NoData, "no pod of the revision is ready".to_owned()));
    }
    assert_eq!(app.seen.connections(), 0);
}

#[tokio::test]
async fn of_many_pods_the_oldest_and_the_newest_are_asked() {
    let apps = App::many(15, codes(&[200; 60])).await;
    let mut pods = pods_of(&apps);
    pods.rotate_left(17);
    let answer = ask_once(World::of(pods), &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::Pass, "50 of 60 pods answered 200".to_owned()));
    let expected: Vec<usize> = (0..60).map(|n| usize::from(!(25..35).contains(&n))).collect();
    assert_eq!(hits(&apps), expected);
    // Exactly 50, and one fewer.
    for count in [49, 50] {
        let pods = pods_of(&apps[..count]);
        let (_, message) = ask_once(World::of(pods), &ask_pods(apps[0].addr.port())).await;
        assert_eq!(message, format!("{count} of {count} pods answered 200"));
    }
}

#[tokio::test]
async fn who_left_meanwhile_is_left_out() {
    let apps = App::many(16, codes(&[200, 503, 503, 503, 503])).await;
    let before = pods_of(&apps);
    let mut after = before.clone();
    after[1].ready = false;
    after[2].terminating = true;
    // Another pod of the same name, as a StatefulSet would make it.
    after[3].uid = "uid-new".to_owned();
    after.remove(4);
    let world = World { pods: Mutex::new(vec![Ok(before), Ok(after)]), ..World::default() };
    let answer = ask_once(world, &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::Pass, "1 of 5 pods answered 200".to_owned()));
    assert_eq!(hits(&apps), [1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn who_stayed_is_not_left_out() {
    let apps = App::many(17, codes(&[503, 503])).await;
    let (before, mut after) = (pods_of(&apps), pods_of(&apps));
    after.remove(0);
    let world = World { pods: Mutex::new(vec![Ok(before), Ok(after)]), ..World::default() };
    let answer = ask_once(world, &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::Fail, "pod web-2: status 503, expected 200 to 299".to_owned()));
}

#[tokio::test]
async fn if_all_left_nothing_was_seen() {
    let apps = App::many(18, codes(&[503, 503])).await;
    let world = World { pods: Mutex::new(vec![Ok(pods_of(&apps)), Ok(Vec::new())]), ..World::default() };
    let answer = ask_once(world, &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer, (Outcome::NoData, "every pod that was asked has left meanwhile".to_owned()));
}

#[tokio::test]
async fn a_failure_that_cannot_be_confirmed_is_an_error() {
    let apps = App::many(19, codes(&[503])).await;
    let again = Err("the pods of shop/web".to_owned());
    let world = World { pods: Mutex::new(vec![Ok(pods_of(&apps)), again]), ..World::default() };
    let answer = ask_once(world, &ask_pods(apps[0].addr.port())).await;
    assert_eq!(answer.0, Outcome::Error);
    assert_eq!(answer.1, "the API server did not answer in time for the pods of shop/web");
}

#[tokio::test]
async fn pods_are_asked_side_by_side_but_not_all_at_once() {
    let hang = Arc::new(|_: &str| Reply::Stall(Vec::new())) as Behaviour;
    let apps = App::many(20, vec![hang; 20]).await;
    let well = App::start([127, 0, 0, 1], |_| status(200)).await;
    let mut world = World::with_service(service(well.addr.ip(), i32::from(well.addr.port())));
    world.pods = Mutex::new(vec![Ok(pods_of(&apps))]);
    let mut asking = Asking::new(world, loopback());
    let other = NsName::new("shop", "other");
    let silent = json!({"pods": {"port": apps[0].addr.port()}, "timeout": "60s"});
    asking.pool.ensure(&other, &[ask_of(&other, 1, silent)]);
    until("eight at once", || hits(&apps).iter().sum::<usize>() == 8).await;
    // Another question comes and goes meanwhile, and no ninth pod is asked.
    let question = ask(json!({"service": {"name": "web", "port": well.addr.port()}}));
    assert_eq!(asking.answer(&question).await.outcome, Outcome::Pass);
    assert_eq!(hits(&apps), [vec![1; 8], vec![0; 12]].concat());
}

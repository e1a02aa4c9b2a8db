//! TCP checks: whether somebody takes the connection.

use crate::fake::*;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tidegate::api::ask::{Ask, Outcome};
use tidegate::check::Policy;

fn tcp(question: Value) -> Ask {
    ask_other(json!({"tcp": question}))
}

fn of_pods(port: u16) -> Ask {
    tcp(json!({"pods": {"port": port}}))
}

/// A port of this machine that nobody listens on.
async fn closed() -> u16 {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Close).await;
    app.addr.port()
}

#[tokio::test]
async fn a_connection_is_all_that_is_wanted() {
    // It never answers anything.
    let app = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Stall(Vec::new())).await;
    let world = || World::of(vec![pod(1, app.addr.ip())]);
    let passed = ask_once(world(), &of_pods(app.addr.port())).await;
    assert_eq!(passed, (Outcome::Pass, "1 of 1 pods took a connection".to_owned()));
    until("the connection was taken", || app.seen.connections() == 1).await;
    assert!(app.seen.requests().is_empty(), "nothing is sent");
    let refused = ask_once(world(), &of_pods(closed().await)).await;
    assert_eq!(refused, (Outcome::Fail, "pod web-1: connection refused".to_owned()));
}

#[tokio::test]
async fn every_pod_must_take_one() {
    let silent: Behaviour = Arc::new(|_: &str| Reply::Close);
    let mut apps = App::many(43, vec![silent.clone(), silent]).await;
    let (port, ips) = (apps[0].addr.port(), apps.iter().map(|a| a.addr.ip()).collect::<Vec<_>>());
    let world = || World::of(vec![pod(1, ips[0]), pod(2, ips[1])]);
    assert_eq!(ask_once(world(), &of_pods(port)).await.1, "2 of 2 pods took a connection");
    apps.pop();
    until("its port is closed", || std::net::TcpStream::connect((ips[1], port)).is_err()).await;
    let said = ask_once(world(), &of_pods(port)).await;
    assert_eq!(said, (Outcome::Fail, "pod web-2: connection refused (1 of 2 pods failed)".to_owned()));
}

#[tokio::test]
async fn by_service_as_the_clients_of_the_application() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Close).await;
    let port = app.addr.port();
    let of_service = |port: u16| tcp(json!({"service": {"name": "web", "port": port}}));
    let world = World::with_service(service(app.addr.ip(), i32::from(port)));
    let passed = ask_once(world, &of_service(port)).await;
    assert_eq!(passed, (Outcome::Pass, "Service shop/web took a connection".to_owned()));
    let dead = closed().await;
    let world = World::with_service(service(app.addr.ip(), i32::from(dead)));
    let refused = ask_once(world, &of_service(dead)).await;
    assert_eq!(refused, (Outcome::Fail, "Service shop/web: connection refused".to_owned()));
}

#[tokio::test]
async fn the_guard_stands_before_it() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Close).await;
    let here = || World::of(vec![pod(1, app.addr.ip())]);
    let result = Asking::new(here(), Policy::default()).answer(&of_pods(app.addr.port())).await;
    assert_eq!((result.outcome, &*result.message), (Outcome::Error, "pod web-1: 127.0.0.1 is a loopback address"));
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    for (ip, says) in [(NODE, "the address of a node"), (metadata, "a cloud provider's metadata address")] {
        let (outcome, message) = ask_once(World::of(vec![pod(1, ip)]), &of_pods(80)).await;
        assert!(outcome == Outcome::Error && message.ends_with(says), "{message}");
    }
    assert_eq!(app.seen.connections(), 0);
    assert_eq!(ask_once(World::default(), &of_pods(80)).await.0, Outcome::NoData);
}

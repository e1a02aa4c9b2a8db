//! What an application answers, and what is made of it.

use crate::fake::*;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tidegate::api::ask::Outcome;

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Asks one pod that answers so, with this beside `pods`.
async fn asked(reply: impl Fn(&str) -> Reply + Send + Sync + 'static, mut http: Value) -> (Outcome, String) {
    let app = App::start(LOCAL, reply).await;
    http["pods"] = json!({"port": app.addr.port()});
    let answer = ask_once(World::of(vec![pod(1, app.addr.ip())]), &ask(http)).await;
    assert_eq!(app.seen.connections(), 1, "asked once, and not again");
    answer
}

#[tokio::test]
async fn a_right_answer_passes() {
    assert_eq!(asked(|_| status(200), json!({})).await, (Outcome::Pass, "1 of 1 pods answered 200".to_owned()));
    assert_eq!(asked(|_| status(299), json!({})).await.0, Outcome::Pass);
    let teapot = json!({"expect": {"status": [418, 503]}});
    assert_eq!(asked(|_| status(418), teapot).await, (Outcome::Pass, "1 of 1 pods answered 418".to_owned()));
}

#[tokio::test]
async fn a_wrong_answer_fails_and_says_what_was_expected() {
    let json = || json!({"expect": {"json": [{"pointer": "/status", "equals": "healthy"}]}});
    let text = || json!({"expect": {"body": "all is well"}});
    let long = "x".repeat(70 * 1024);
    let cut = long.clone();
    for (answer, message) in [
        (asked(|_| status(503), json!({})).await, "status 503, expected 200 to 299"),
        (asked(|_| status(200), json!({"expect": {"status": [204, 418]}})).await, "status 200, expected 204 or 418"),
        (
            asked(|_| answer(200, "", r#"{"status":"hush-hush"}"#), json()).await,
            "status 200, but the value at \"/status\" is not the expected one",
        ),
        (
            asked(|_| answer(200, "", r#"{"hush":"hush"}"#), json()).await,
            "status 200, but its body has nothing at \"/status\"",
        ),
        (asked(|_| answer(200, "", "hush"), json()).await, "status 200, but its body is not JSON"),
        (asked(|_| status(200), json()).await, "status 200, but its body is not JSON"),
        (
            asked(move |_| answer(200, "", &long), json()).await,
            "status 200, but its body is longer than 64 KiB, too long to be read as JSON",
        ),
        (asked(|_| answer(200, "", "hush"), text()).await, "status 200, but its body lacks the expected text"),
        (
            asked(move |_| answer(200, "", &format!("{cut}all is well")), text()).await,
            "status 200, but the first 64 KiB of its body lack the expected text",
        ),
    ] {
        assert_eq!(answer, (Outcome::Fail, format!("pod web-1: {message}")));
    }
}

#[tokio::test]
async fn expectations_on_the_body_are_met() {
    let both = json!({"expect": {"json": [{"pointer": "/a/0", "equals": 1}, {"pointer": "", "equals": {"a": [1.0]}}], "body": "[1]"}});
    assert_eq!(asked(|_| answer(200, "", r#"{"a":[1]}"#), both).await.0, Outcome::Pass);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n7\r\nis well\r\n0\r\n\r\n";
    let text = json!({"expect": {"body": "all is well"}});
    assert_eq!(asked(|_| Reply::Raw(chunked.into()), text).await.0, Outcome::Pass);
    // Long bodies are cut, not refused.
    let long = format!("all is well{}", "x".repeat(10_000_000));
    assert_eq!(
        asked(move |_| answer(200, "", &long), json!({"expect": {"body": "all is well"}})).await.0,
        Outcome::Pass
    );
}

#[tokio::test]
async fn a_body_that_nobody_asked_about_is_not_waited_for() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all of it";
    assert_eq!(asked(|_| Reply::Stall(endless.into()), json!({"timeout": "60s"})).await.0, Outcome::Pass);
}

#[tokio::test]
async fn no_answer_fails() {
    let quick = |expect: Value| json!({"timeout": "100ms", "expect": expect});
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all of it";
    let late = "no complete answer within 100ms";
    for (answer, message) in [
        (asked(|_| Reply::Stall(Vec::new()), quick(json!({}))).await, late),
        (asked(|_| Reply::Stall(b"HTTP/1.1 2".to_vec()), quick(json!({}))).await, late),
        (asked(|_| Reply::Stall(half.into()), quick(json!({"body": "x"}))).await, late),
        (
            asked(|_| Reply::Raw(half.into()), json!({"expect": {"body": "x"}})).await,
            "the connection was closed before the answer was complete",
        ),
        (asked(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), json!({})).await, "no valid HTTP answer"),
        (asked(|_| Reply::Close, json!({})).await, "the connection was closed before the answer was complete"),
    ] {
        assert_eq!(answer, (Outcome::Fail, format!("pod web-1: {message}")));
    }
    let many = "X-A: 1\r\n".repeat(200);
    assert_eq!(asked(move |_| answer(200, &many, ""), json!({})).await.0, Outcome::Fail);
    let huge = format!("X-A: {}\r\n", "a".repeat(2_000_000));
    assert_eq!(asked(move |_| answer(200, &huge, ""), json!({})).await.0, Outcome::Fail);
}

#[tokio::test]
async fn a_closed_port_fails() {
    let app = App::start(LOCAL, |_| status(200)).await;
    let (port, world) = (app.addr.port(), World::of(vec![pod(1, app.addr.ip())]));
    let closed = {
        drop(app);
        move || std::net::TcpStream::connect((LOCAL, port)).is_err()
    };
    until("the port is closed", closed).await;
    let answer = ask_once(world, &ask_pods(port)).await;
    assert_eq!(answer, (Outcome::Fail, "pod web-1: connection refused".to_owned()));
}

#[tokio::test]
async fn the_request_says_who_asks_and_nothing_more() {
    let app = App::start(LOCAL, |_| status(200)).await;
    let port = app.addr.port();
    let http = json!({"pods": {"port": port}, "path": "/a/b?c=d&e", "headers": [{"name": "X-Mine", "value": "1"}]});
    ask_once(World::of(vec![pod(1, app.addr.ip())]), &ask(http)).await;
    let [head] = &app.seen.requests()[..] else { panic!("one request") };
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "GET /a/b?c=d&e HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: 127.0.0.1:{port}");
    let agent = format!("user-agent: tidegate/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines, ["accept: */*", "connection: close", &host, &agent, "x-mine: 1"]);
}

#[tokio::test]
async fn a_service_is_asked_by_its_name_at_its_address() {
    let app = App::start(LOCAL, |_| status(204)).await;
    let port = app.addr.port();
    let world = || World::with_service(service(app.addr.ip(), i32::from(port)));
    let question = ask(json!({"service": {"name": "web", "port": port}}));
    let answer = ask_once(world(), &question).await;
    assert_eq!(answer, (Outcome::Pass, "Service shop/web answered 204".to_owned()));
    assert!(app.seen.requests()[0].contains(&format!("\r\nhost: web.shop.svc:{port}\r\n")));
    let wrong = ask(json!({"service": {"name": "web", "port": port}, "expect": {"status": [200]}}));
    let answer = ask_once(world(), &wrong).await;
    assert_eq!(answer, (Outcome::Fail, "Service shop/web: status 204, expected 200".to_owned()));
}

#[tokio::test]
async fn messages_stay_short() {
    let http = json!({"expect": {"json": [{"pointer": format!("/{}", "é\n".repeat(128)), "equals": 1}]}});
    let (outcome, message) = asked(|_| answer(200, "", "{}"), http).await;
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(message.chars().count(), 256);
    assert!(message.ends_with('…') && !message.contains('\n'), "{message}");
}

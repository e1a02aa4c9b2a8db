//! Prometheus as a server that may be anything: what it answers is an outcome, and nothing of it is told.

use crate::fake::*;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tidegate::api::ask::{Ask, Outcome, Query};
use tidegate::check::{Limits, Policy, SecretFacts};

const CANARY: &str = "canary-7f3a9b";

/// A gate that allows at most 0.5, with more as in YAML.
fn asking(more: Value) -> Ask {
    let mut gate = json!({"query": "sum(x)", "condition": {"max": "0.5"}, "timeout": "2s"});
    gate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Ask { query: Query::Prometheus(serde_json::from_value(gate).unwrap()), pods: None, ..ask_pods(80) }
}

fn url(app: &App, path: &str) -> Value {
    json!({"url": format!("http://{}{path}", app.addr)})
}

fn vector(values: &[&str]) -> String {
    let samples: Vec<_> = values.iter().map(|v| json!({"metric": {"a": CANARY}, "value": [1, v]})).collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": samples}}).to_string()
}

#[tokio::test]
async fn a_query_is_asked_of_a_url_and_of_a_service() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| answer(200, "", &vector(&["0.25"]))).await;
    let said = (Outcome::Pass, "0.25, at most 0.5 is allowed".to_owned());
    assert_eq!(ask_once(World::default(), &asking(url(&app, "/prometheus"))).await, said);
    let port = app.addr.port();
    let world = World::with_service(service(app.addr.ip(), i32::from(port)));
    let by_service = json!({"service": {"name": "web", "port": port}, "path": "/prometheus/"});
    assert_eq!(ask_once(world, &asking(by_service)).await, said);
    let lines: Vec<_> = app.seen.requests().iter().map(|r| r.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["GET /prometheus/api/v1/query?query=sum%28x%29&timeout=2s HTTP/1.1"; 2]);
    assert!(app.seen.requests()[1].contains(&format!("\r\nhost: web.shop.svc:{port}\r\n")));
}

#[tokio::test]
async fn a_secret_is_sent_and_not_told() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| answer(401, "", CANARY)).await;
    let mut world = World::default();
    let labels = [("tidegate.dev/use".to_owned(), "check-headers".to_owned())].into();
    let data = [("token".to_owned(), CANARY.as_bytes().to_vec())].into();
    world.secrets.insert(("shop".to_owned(), "metrics".to_owned()), SecretFacts { labels, data });
    let mut gate = url(&app, "");
    gate["headers"] = json!([{"name": "Authorization", "secret": {"name": "metrics", "key": "token"}}]);
    let said = ask_once(world, &asking(gate.clone())).await;
    assert_eq!(said, (Outcome::Error, format!("http://{}: status 401", app.addr)));
    assert!(app.seen.requests()[0].contains(&format!("\r\nauthorization: {CANARY}\r\n")));
    let said = ask_once(World::default(), &asking(gate)).await;
    assert_eq!(said, (Outcome::Error, "Secret metrics does not exist".to_owned()));
}

#[tokio::test]
async fn whatever_goes_wrong_on_the_way_is_an_error() {
    let long = || {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[],"x":"{}"}}}}"#,
            "a".repeat(1 << 20)
        );
        answer(200, "", &body)
    };
    let moved = format!("Location: http://169.254.169.254/{CANARY}\r\n");
    type Case = (Box<dyn Fn() -> Reply + Send + Sync>, &'static str);
    let cases: Vec<Case> = vec![
        (Box::new(long), "its answer is longer than 1 MiB: let the query aggregate, as with sum()"),
        (Box::new(move || answer(302, &moved, "")), "status 302"),
        (Box::new(|| answer(200, "", CANARY)), "status 200, but its body is not an answer of Prometheus"),
        (Box::new(|| answer(503, "", CANARY)), "status 503"),
        (Box::new(|| Reply::Close), "the connection was closed before the answer was complete"),
        (Box::new(|| Reply::Raw(CANARY.as_bytes().to_vec())), "no valid HTTP answer"),
        (
            Box::new(|| Reply::Stall(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".to_vec())),
            "no complete answer within 2s",
        ),
    ];
    for (reply, said) in cases {
        let app = App::start(Ipv4Addr::LOCALHOST, move |_| reply()).await;
        let (outcome, message) = ask_once(World::default(), &asking(url(&app, ""))).await;
        assert_eq!((outcome, message), (Outcome::Error, format!("http://{}: {said}", app.addr)));
    }
}

#[tokio::test]
async fn nobody_is_asked_who_may_not_be() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| answer(200, "", &vector(&["0"]))).await;
    let mut asking_on = Asking::outside(
        World::default(),
        Arc::new(Names::default()).outside(Vec::new()),
        Policy::default(),
        Limits::default(),
    );
    let result = asking_on.answer(&asking(url(&app, ""))).await;
    let said = format!("http://{} is not asked: 127.0.0.1 is a loopback address", app.addr);
    assert_eq!((result.outcome, result.message), (Outcome::Error, said));
    for (address, why) in [
        ("http://169.254.169.254", "169.254.169.254 is a cloud provider's metadata address"),
        ("http://127.0.9.9:9090", "127.0.9.9 is the address of a node"),
        ("http://10.0.0.1:9090", "10.0.0.1 is not a public address, and the administrator has not allowed it"),
    ] {
        let (outcome, message) = ask_once(World::default(), &asking(json!({"url": address}))).await;
        assert_eq!(outcome, Outcome::Error);
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(app.seen.connections(), 0);
}

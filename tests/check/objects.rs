//! Pods, Services and questions that are not what they should be. Behind each of them an application listens that
//! would answer 200.

use crate::fake::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate::api::ask::{Ask, Outcome};
use tidegate::check::{Backend, Forbidden, PodFacts, ServiceFacts};

/// Asks, and wants an [`Outcome::Error`] with this sentence and an application that heard nothing.
async fn refused(app: &App, world: World, question: &Ask, message: &str) {
    let answer = ask_once(world, question).await;
    assert_eq!(answer, (Outcome::Error, message.to_owned()));
    assert_eq!(app.seen.connections(), 0, "{message}");
}

#[tokio::test]
async fn pods_that_are_not_asked() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let good = || pod(1, app.addr.ip());
    let mapped = Some("::ffff:127.0.0.1".parse().unwrap());
    let node = "it runs in its node's network (hostNetwork), where the node itself would be asked";
    for (pod, why) in [
        (PodFacts { host_network: true, ..good() }, node),
        (PodFacts { host_ip: good().ip, ..good() }, node),
        (PodFacts { host_ip: mapped, ..good() }, node),
        (PodFacts { ip: mapped, host_ip: good().ip, ..good() }, node),
        (PodFacts { ip: None, ..good() }, "it has no address"),
        (PodFacts { node: None, ..good() }, "it is on no node, so that its address cannot be true"),
    ] {
        let world = World::of(vec![pod]);
        refused(&app, world, &ask_pods(app.addr.port()), &format!("pod web-1: {why}")).await;
    }
}

#[tokio::test]
async fn pods_that_claim_one_address_are_not_asked() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let mapped = "::ffff:127.0.0.1".parse().unwrap();
    let world = World::of(vec![pod(1, app.addr.ip()), pod(2, mapped)]);
    let message = "pod web-1: pod web-2 claims the same address (2 of 2 pods could not be asked)";
    refused(&app, world, &ask_pods(app.addr.port()), message).await;
}

#[tokio::test]
async fn services_that_are_not_asked() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let port = i32::from(app.addr.port());
    let good = || service(app.addr.ip(), port);
    for (service, why) in [
        (ServiceFacts { external_name: true, ..good() }, "it is of type ExternalName, which leads out of the cluster"),
        (
            ServiceFacts { selector: BTreeMap::new(), ..good() },
            "it has no selector, so that anybody's addresses may stand behind it",
        ),
        (
            ServiceFacts { cluster_ip: None, ..good() },
            "it is headless and has no address of its own; use `pods`, or a Service with a cluster IP",
        ),
        (ServiceFacts { ports: vec![1], ..good() }, &*format!("it has no TCP port {port}")),
        (ServiceFacts { ports: Vec::new(), ..good() }, &format!("it has no TCP port {port}")),
    ] {
        let question = ask(json!({"service": {"name": "web", "port": port}}));
        let message = format!("Service shop/web is not asked: {why}");
        refused(&app, World::with_service(service), &question, &message).await;
    }
    let missing = ask(json!({"service": {"name": "other", "port": port}}));
    refused(&app, World::with_service(good()), &missing, "Service shop/other does not exist").await;
}

#[tokio::test]
async fn services_that_lead_to_nodes_are_not_asked() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let port = i32::from(app.addr.port());
    let question = ask(json!({"service": {"name": "web", "port": port}}));
    let behind = |ip: &str, pod: Option<&str>, host_network| Backend {
        ip: ip.parse().unwrap(),
        pod: pod.map(str::to_owned),
        host_network,
    };
    let world = |bad: Vec<Backend>| {
        let backends = [vec![behind("127.0.0.1", Some("web-1"), false)], bad].concat();
        World { backends, ..World::with_service(service(app.addr.ip(), port)) }
    };
    for (bad, why) in [
        (
            behind("127.0.0.2", Some("web-2"), true),
            "pod web-2, which runs in its node's network (hostNetwork), where the node itself would be asked",
        ),
        (behind("127.0.9.9", Some("web-2"), false), "pod web-2, and 127.0.9.9 is the address of a node"),
        (behind("::ffff:127.0.9.9", None, false), "an endpoint, and 127.0.9.9 is the address of a node"),
        (behind("127.0.8.8", None, false), "an endpoint, and 127.0.8.8 is the address of the API server"),
        (
            behind("169.254.169.254", None, false),
            "an endpoint, and 169.254.169.254 is a cloud provider's metadata address",
        ),
    ] {
        let message = format!("Service shop/web is not asked: it sends to {why}");
        refused(&app, world(vec![bad]), &question, &message).await;
    }
    let good = behind("10.1.2.3", None, false);
    assert_eq!(ask_once(world(vec![good]), &question).await.0, Outcome::Pass);
}

/// The question of the Release shop/checkout to a Service of the namespace `bank`.
async fn to_the_bank(app: &App, on_service: &[&str], on_namespace: &[&str], exists: bool) -> (Outcome, String) {
    let port = i32::from(app.addr.port());
    let list = |entries: &[&str]| entries.iter().map(|e| (*e).to_owned()).collect();
    let mut world = World::default();
    if exists {
        let facts = ServiceFacts { allow_from: list(on_service), ..service(app.addr.ip(), port) };
        world.services.insert(("bank".to_owned(), "vault".to_owned()), facts);
    }
    world.consents.insert("bank".to_owned(), list(on_namespace));
    ask_once(world, &ask(json!({"service": {"name": "vault", "namespace": "bank", "port": port}}))).await
}

#[tokio::test]
async fn another_namespace_must_consent() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let refusals = [
        "",
        "checkout",
        "shop/other",
        "other/checkout",
        "*",
        "*/*",
        "*/checkout",
        "shop/",
        "shop/check*",
        "shop/checkout/x",
        "SHOP/*",
    ];
    for entry in refusals {
        for (service, namespace) in [(entry, ""), ("", entry)] {
            let answer = to_the_bank(&app, &[service], &[namespace], true).await;
            let message = "Service bank/vault does not exist, or neither it nor its Namespace bears \
                           tidegate.dev/allow-from: shop/checkout";
            assert_eq!(answer, (Outcome::Error, message.to_owned()), "{entry}");
        }
    }
    // Whether it exists is not told to those who may not ask.
    let unknown = to_the_bank(&app, &[], &[], false).await;
    assert_eq!(unknown, to_the_bank(&app, &[], &[], true).await);
    assert_eq!(app.seen.connections(), 0);
    for (service, namespace) in [("shop/checkout", ""), ("shop/*", ""), (" shop/checkout ", "x"), ("", "shop/*")] {
        assert_eq!(to_the_bank(&app, &["a/b", service], &[namespace], true).await.0, Outcome::Pass);
    }
    assert_eq!(app.seen.connections(), 4);
}

#[tokio::test]
async fn questions_that_cannot_be_asked() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let port = i32::from(app.addr.port());
    let header = |header: Value| json!({"pods": {"port": port}, "headers": [header]});
    let value = |name: &str, value: &str| header(json!({"name": name, "value": value}));
    let path = "the path is not one that can be asked for: it must begin with / and hold no control characters";
    let not_a_value =
        "the value of header \"X-A\" holds characters that no header may, such as a line break, or is over 8 KiB";
    for (http, message) in [
        (json!({"pods": {"port": port}, "path": "@127.0.0.1"}), &*format!("pod web-1: {path}")),
        (json!({"pods": {"port": 1}, "path": format!("http://{}/", app.addr)}), &format!("pod web-1: {path}")),
        (json!({"pods": {"port": port}, "path": "/ HTTP/1.1\r\nX-A: 1"}), &format!("pod web-1: {path}")),
        (json!({"pods": {"port": 0}}), "pod web-1: port 0 is not between 1 and 65535"),
        (json!({"pods": {"port": -1}}), "pod web-1: port -1 is not between 1 and 65535"),
        (
            json!({"pods": {"port": port + 65536}}),
            &format!("pod web-1: port {} is not between 1 and 65535", port + 65536),
        ),
        (value("X-A", "1\r\nX-B: 2"), not_a_value),
        (value("X-A", &"x".repeat(9000)), not_a_value),
        (value("X A", "1"), "\"X A\" is not the name of a header"),
        (value("X-A\r\nX-B", "1"), "\"X-A\\r\\nX-B\" is not the name of a header"),
        (value("Transfer-Encoding", "chunked"), "header \"Transfer-Encoding\" is set by the client itself"),
        (value("content-length", "5"), "header \"content-length\" is set by the client itself"),
        (value("Accept-Encoding", "gzip"), "header \"Accept-Encoding\" is set by the client itself"),
        (header(json!({"name": "X-A"})), "header \"X-A\" needs exactly one of value and secret"),
    ] {
        refused(&app, World::of(vec![pod(1, app.addr.ip())]), &ask(http), message).await;
    }
    let nobody = Ask { pods: None, ..ask_pods(app.addr.port()) };
    refused(&app, World::of(vec![pod(1, app.addr.ip())]), &nobody, "nobody said whose pods to ask").await;
}

#[tokio::test]
async fn paths_lead_to_the_vetted_address_only() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let trap = App::start([127, 0, 0, 2], |_| status(200)).await;
    let to = trap.addr;
    let paths = [
        format!("//{to}/"),
        format!("/@{to}/"),
        format!("/\\{to}"),
        format!("/?@{to}/"),
        format!("/#@{to}/"),
        format!("/../..//{to}"),
        format!("/:80@{to}"),
        format!("/http://{to}/"),
    ];
    for path in &paths {
        let http = json!({"pods": {"port": app.addr.port()}, "path": path});
        let answer = ask_once(World::of(vec![pod(1, app.addr.ip())]), &ask(http)).await;
        assert_eq!(answer.0, Outcome::Pass, "{path}: {}", answer.1);
    }
    assert_eq!((app.seen.connections(), trap.seen.connections()), (paths.len(), 0));
}

#[tokio::test]
async fn nobody_is_asked_while_the_api_server_is_unknown() {
    let app = App::start([127, 0, 0, 1], |_| status(200)).await;
    let message = "no address of the API server is known, so that none can be kept out";
    for question in [ask_pods(app.addr.port()), ask(json!({"service": {"name": "web", "port": app.addr.port()}}))] {
        let mut world = World::with_service(service(app.addr.ip(), i32::from(app.addr.port())));
        world.pods = std::sync::Mutex::new(vec![Ok(vec![pod(1, app.addr.ip())])]);
        world.forbidden = Forbidden::default();
        world.secrets = BTreeMap::new();
        refused(&app, world, &question, message).await;
    }
}

//! What others could make the client do: servers by redirecting it, its environment by naming proxies.

use crate::fake::*;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use tidegate::api::ask::Outcome;

#[tokio::test]
async fn redirects_are_not_followed() {
    let forbidden = App::start(API_SERVER, |_| status(200)).await;
    let allowed = App::start([127, 0, 0, 2], |_| status(200)).await;
    for code in [301, 302, 303, 307, 308] {
        for to in [forbidden.addr, allowed.addr] {
            let headers = format!("Location: http://{to}/\r\nRefresh: 0;url=http://{to}/\r\nSet-Cookie: a=b\r\n");
            let app = App::start([127, 0, 0, 1], move |_| answer(code, &headers, "")).await;
            let world = || World::of(vec![pod(1, app.addr.ip())]);
            let (outcome, message) = ask_once(world(), &ask_pods(app.addr.port())).await;
            assert_eq!(outcome, Outcome::Fail);
            assert_eq!(message, format!("pod web-1: status {code}, expected 200 to 299"));
            // It is an answer like any other to those who expect it.
            let expected = ask(json!({"pods": {"port": app.addr.port()}, "expect": {"status": [code]}}));
            assert_eq!(ask_once(world(), &expected).await.0, Outcome::Pass);
            assert_eq!(app.seen.connections(), 2);
        }
    }
    assert_eq!((forbidden.seen.connections(), allowed.seen.connections()), (0, 0));
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| answer(200, "Set-Cookie: a=b\r\n", "")).await;
    let mut asking = Asking::new(World::of(vec![pod(1, app.addr.ip())]), loopback());
    for number in 1..=2 {
        let question = ask_of(&release(), number, json!({"pods": {"port": app.addr.port()}}));
        assert_eq!(asking.answer(&question).await.outcome, Outcome::Pass);
    }
    let requests = app.seen.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|head| !head.to_lowercase().contains("cookie")));
}

const TO_ASK: &str = "TIDEGATE_TEST_ASK";

/// Runs [`in_an_environment_with_proxies`] in a process of its own, since the environment belongs to the whole
/// process.
#[tokio::test]
async fn proxies_from_the_environment_are_not_used() {
    let proxy = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let app = App::start([127, 0, 0, 3], |_| status(200)).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "outside::in_an_environment_with_proxies", "--ignored"]).env(TO_ASK, app.addr.to_string());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, format!("http://{}", proxy.addr));
        child.env(name.to_lowercase(), format!("http://{}", proxy.addr));
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let output = child.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the child took too long").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let through_proxy = proxy.seen.requests();
    assert_eq!(through_proxy.len(), 1, "{through_proxy:?}");
    assert!(through_proxy[0].contains("/control"), "{through_proxy:?}");
    assert_eq!(app.seen.requests().len(), 1);
}

#[tokio::test]
#[ignore = "run by proxies_from_the_environment_are_not_used"]
async fn in_an_environment_with_proxies() {
    let app: std::net::SocketAddr = std::env::var(TO_ASK).unwrap().parse().unwrap();
    // A client that does read the environment ends at the proxy: the environment is as it should be for this test.
    reqwest::get(format!("http://{app}/control")).await.unwrap();
    let ip: IpAddr = app.ip();
    let (outcome, message) = ask_once(World::of(vec![pod(1, ip)]), &ask_pods(app.port())).await;
    assert_eq!(outcome, Outcome::Pass, "{message}");
}

//! Urls that may be asked: which address is dialled, what is sent there, and what is made of the answer.

use crate::fake::*;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::Arc;
use tidegate::api::ask::Outcome;
use tidegate::check::Limits;

const NAME: &str = "shop.example";
const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn url(app: &App, rest: &str) -> String {
    format!("http://{NAME}:{}{rest}", app.addr.port())
}

#[tokio::test]
async fn a_name_is_asked_at_its_address_and_by_its_name() {
    let app = App::start(GOOD, |_| status(204)).await;
    let names = Names::of(NAME, &[&[GOOD]]);
    let http = json!({"url": url(&app, "/a%20b/../c?d=e&f#g"), "headers": [{"name": "X-Mine", "value": "1"}]});
    let answer = ask_url(&names, http).await;
    let origin = format!("http://{NAME}:{}", app.addr.port());
    assert_eq!(answer, (Outcome::Pass, format!("{origin} answered 204")));
    let [head] = &app.seen.requests()[..] else { panic!("one request") };
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "GET /c?d=e&f HTTP/1.1");
    lines.sort_unstable();
    let (host, agent) =
        (format!("host: {NAME}:{}", app.addr.port()), format!("user-agent: tidegate/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines, ["accept: */*", "connection: close", &host, &agent, "x-mine: 1"]);
    assert_eq!(names.asked(), [NAME]);
}

#[tokio::test]
async fn every_way_to_write_a_good_host_is_asked() {
    let app = App::start(GOOD, |_| status(200)).await;
    let port = app.addr.port();
    let mut asked = 0;
    for (url, looked_up) in [
        (format!("http://127.0.0.1:{port}/"), None),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), None),
        (format!("HTTP://Shop.EXAMPLE:{port}"), Some(NAME)),
        (format!("http://{NAME}.:{port}/"), Some(NAME)),
        (format!("http://{NAME}:0{port}/?a=@b"), Some(NAME)),
        (format!("http://bücher.example:{port}/"), Some("xn--bcher-kva.example")),
        (format!("http://a_b.example:{port}/"), Some("a_b.example")),
    ] {
        let names = Names::of(looked_up.unwrap_or("none.example"), &[&[GOOD]]);
        let answer = ask_url(&names, json!({"url": url})).await;
        assert_eq!(answer.0, Outcome::Pass, "{url}: {}", answer.1);
        assert_eq!(names.asked(), looked_up.into_iter().collect::<Vec<_>>(), "{url}");
        asked += 1;
        assert_eq!(app.seen.requests().len(), asked, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_changes_after_it_was_vetted_is_dialled_where_it_led_before() {
    let good = App::start(GOOD, |_| status(200)).await;
    let port = good.addr.port();
    let Ok(trap) = App::at((API_SERVER, port).into(), |_| status(200)).await else { panic!("the port is taken") };
    let names = Names::of(NAME, &[&[GOOD], &[API_SERVER], &[GOOD]]);
    let outside = names.outside(Vec::new());
    let mut asking = Asking::outside(World::default(), outside, loopback(), Limits::default());
    let question = ask(json!({"url": url(&good, "/")}));
    assert_eq!(asking.answer(&question).await.outcome, Outcome::Pass);
    assert_eq!((names.asked().len(), good.seen.connections()), (1, 1), "looked up once, and dialled there");
    // The next round looks again, since names do change, and vets again.
    let next = asking.answer(&question).await;
    assert_eq!(next.outcome, Outcome::Error, "{}", next.message);
    assert!(next.message.ends_with("127.0.8.8 is the address of the API server"), "{}", next.message);
    assert_eq!(asking.answer(&question).await.outcome, Outcome::Pass);
    assert_eq!((names.asked().len(), good.seen.connections(), trap.seen.connections()), (3, 2, 0));
}

#[tokio::test]
async fn of_several_addresses_one_that_answers_is_enough() {
    let app = App::start(GOOD, |_| status(200)).await;
    let closed = IpAddr::from([127, 0, 0, 77]);
    let names = Names::of(NAME, &[&[closed, GOOD]]);
    let answer = ask_url(&names, json!({"url": url(&app, "/")})).await;
    assert_eq!(answer.0, Outcome::Pass, "{}", answer.1);
    let names = Names::of(NAME, &[&[closed]]);
    let (outcome, message) = ask_url(&names, json!({"url": url(&app, "/")})).await;
    assert_eq!((outcome, message), (Outcome::Fail, format!("http://{NAME}:{}: connection refused", app.addr.port())));
}

#[tokio::test]
async fn wrong_answers_fail_and_nothing_of_them_is_told() {
    let long = "x".repeat(70 * 1024);
    let origin = |app: &App| format!("http://{NAME}:{}", app.addr.port());
    let app = App::start(GOOD, move |head| match head {
        head if head.starts_with("GET /ill") => answer(503, "X-Echo: hush\r\n", "hush"),
        head if head.starts_with("GET /silent") => Reply::Stall(Vec::new()),
        head if head.starts_with("GET /closed") => Reply::Close,
        _ => answer(200, "", &long),
    })
    .await;
    for (http, message) in [
        (json!({"url": url(&app, "/ill?token=hush")}), "status 503, expected 200 to 299"),
        (json!({"url": url(&app, "/silent"), "timeout": "100ms"}), "no complete answer within 100ms"),
        (json!({"url": url(&app, "/closed")}), "the connection was closed before the answer was complete"),
        (
            json!({"url": url(&app, "/long"), "expect": {"body": "hush"}}),
            "status 200, but the first 64 KiB of its body lack the expected text",
        ),
    ] {
        let answer = ask_url(&Names::of(NAME, &[&[GOOD]]), http).await;
        assert_eq!(answer, (Outcome::Fail, format!("{}: {message}", origin(&app))));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let trap = App::start(API_SERVER, |_| status(200)).await;
    let allowed = App::start([127, 0, 0, 2], |_| status(200)).await;
    for code in [301, 302, 303, 307, 308] {
        for to in [format!("http://{}/", trap.addr), format!("http://{}/", allowed.addr), "/elsewhere".to_owned()] {
            let location = format!("Location: {to}\r\n");
            let app = App::start(GOOD, move |_| answer(code, &location, "")).await;
            let names = Names::of(NAME, &[&[GOOD]]);
            let (outcome, message) = ask_url(&names, json!({"url": url(&app, "/")})).await;
            assert_eq!(outcome, Outcome::Fail, "{message}");
            assert!(message.ends_with(&format!("status {code}, expected 200 to 299")), "{message}");
            assert_eq!((app.seen.connections(), names.asked().len()), (1, 1));
        }
    }
    assert_eq!((trap.seen.connections(), allowed.seen.connections()), (0, 0));
}

#[tokio::test]
async fn nobody_is_asked_while_the_api_server_is_unknown() {
    let app = App::start(GOOD, |_| status(200)).await;
    let names = Names::of(NAME, &[&[GOOD]]);
    let world = World { forbidden: tidegate::check::Forbidden::default(), ..World::default() };
    let mut asking = Asking::outside(world, names.outside(Vec::new()), loopback(), Limits::default());
    let result = asking.answer(&ask(json!({"url": url(&app, "/")}))).await;
    let message = "no address of the API server is known, so that none can be kept out";
    assert_eq!((result.outcome, &*result.message), (Outcome::Error, message));
    assert_eq!((app.seen.connections(), names.asked().len()), (0, 0));
}

const TO_ASK: &str = "TIDEGATE_TEST_ASK_URL";

/// Runs [`in_an_environment_with_proxies`] in a process of its own, since the environment belongs to the whole
/// process.
#[tokio::test]
async fn proxies_from_the_environment_are_not_used() {
    let proxy = App::start(GOOD, |_| status(200)).await;
    let app = App::start([127, 0, 0, 3], |_| status(200)).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "urls::in_an_environment_with_proxies", "--ignored"]).env(TO_ASK, app.addr.to_string());
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
    assert!(through_proxy.len() == 1 && through_proxy[0].contains("/control"), "{through_proxy:?}");
    assert_eq!(app.seen.requests().len(), 1);
}

#[tokio::test]
#[ignore = "run by proxies_from_the_environment_are_not_used"]
async fn in_an_environment_with_proxies() {
    let app: std::net::SocketAddr = std::env::var(TO_ASK).unwrap().parse().unwrap();
    // A client that does read the environment ends at the proxy: the environment is as it should be for this test.
    reqwest::get(format!("http://{app}/control")).await.unwrap();
    let names = Arc::clone(&Names::of(NAME, &[&[app.ip()]]));
    let (outcome, message) = ask_url(&names, json!({"url": format!("http://{NAME}:{}/", app.port())})).await;
    assert_eq!(outcome, Outcome::Pass, "{message}");
}

//! Headers from Secrets: sent to the application, and seen nowhere else.

use crate::fake::*;
use serde_json::json;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tidegate::api::ask::{Ask, Outcome};
use tidegate::check::{Limits, SecretFacts};

const CANARY: &str = "canary-7f3a9b";

fn secret(label: Option<(&str, &str)>, value: &str) -> SecretFacts {
    SecretFacts {
        labels: label.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        data: [("token".to_owned(), value.as_bytes().to_vec())].into(),
    }
}

fn world(app: &App, namespace: &str, secret: SecretFacts) -> World {
    let mut world = World::of(vec![pod(1, app.addr.ip())]);
    world.secrets.insert((namespace.to_owned(), "smoke".to_owned()), secret);
    world
}

fn with_key(app: &App, key: &str) -> Ask {
    let header = json!({"name": "Authorization", "secret": {"name": "smoke", "key": key}});
    ask(json!({"pods": {"port": app.addr.port()}, "headers": [header]}))
}

const GOOD: Option<(&str, &str)> = Some(("tidegate.dev/use", "check-headers"));

#[tokio::test]
async fn a_labelled_secret_is_sent() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let (outcome, _) = ask_once(world(&app, "shop", secret(GOOD, CANARY)), &with_key(&app, "token")).await;
    assert_eq!(outcome, Outcome::Pass);
    assert!(app.seen.requests()[0].contains(&format!("\r\nauthorization: {CANARY}\r\n")));
}

#[tokio::test]
async fn any_other_secret_is_an_error_that_names_it() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let unlabelled = "Secret smoke lacks the label tidegate.dev/use: check-headers";
    for (world, key, message) in [
        (world(&app, "shop", secret(None, CANARY)), "token", unlabelled),
        (world(&app, "shop", secret(Some(("tidegate.dev/use", "true")), CANARY)), "token", unlabelled),
        (world(&app, "shop", secret(Some(("app", "check-headers")), CANARY)), "token", unlabelled),
        (world(&app, "bank", secret(GOOD, CANARY)), "token", "Secret smoke does not exist"),
        (world(&app, "shop", secret(GOOD, CANARY)), "password", "Secret smoke has no key password"),
        (
            world(&app, "shop", secret(GOOD, &format!("{CANARY}\nX-B: 1"))),
            "token",
            "the value of header \"Authorization\" holds characters that no header may, such as a line break, or is over 8 KiB",
        ),
    ] {
        let answer = ask_once(world, &with_key(&app, key)).await;
        assert_eq!(answer, (Outcome::Error, message.to_owned()));
    }
    assert_eq!(app.seen.connections(), 0);
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_ever_said() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    tracing::trace!("the log is on");
    let mut said = String::new();
    let replies: [fn(&str) -> Reply; 5] = [
        |_| answer(200, &format!("X-Echo: {CANARY}\r\n"), CANARY),
        |_| answer(500, &format!("X-Echo: {CANARY}\r\n"), CANARY),
        |_| answer(302, &format!("Location: http://{CANARY}/\r\n"), ""),
        |_| Reply::Raw(format!("{CANARY} is no HTTP\r\n\r\n").into_bytes()),
        |_| Reply::Raw(format!("HTTP/1.1 200 {CANARY}\r\nContent-Length: 900\r\n\r\n{CANARY}").into_bytes()),
    ];
    for reply in replies {
        let app = App::start(Ipv4Addr::LOCALHOST, reply).await;
        let facts = secret(GOOD, CANARY);
        said += &format!("{facts:?}");
        let secret = json!({"name": "Authorization", "secret": {"name": "smoke", "key": "token"}});
        let plain = json!({"name": "X-Plain", "value": "hush"});
        for expect in [json!({}), json!({"body": "absent"}), json!({"json": [{"pointer": "/a", "equals": "b"}]})] {
            let http = json!({"pods": {"port": app.addr.port()}, "path": "/p?q=hush", "headers": [secret, plain], "expect": expect});
            let (_, message) = ask_once(world(&app, "shop", facts.clone()), &ask(http.clone())).await;
            said += &message;
            let url = format!("http://shop.example:{}/p?q=hush", app.addr.port());
            let http = json!({"url": url, "headers": http["headers"], "expect": http["expect"]});
            let outside = Names::of("shop.example", &[&[app.addr.ip()]]).outside(Vec::new());
            let mut asking =
                Asking::outside(world(&app, "shop", facts.clone()), outside, loopback(), Limits::default());
            said += &asking.answer(&ask(http)).await.message;
        }
        assert!(app.seen.requests().iter().all(|head| head.contains(CANARY) && head.contains("hush")));
        assert_eq!(app.seen.requests().len(), 6);
    }
    said += &String::from_utf8_lossy(&log.0.lock().unwrap());
    assert!(
        said.contains("the log is on") && said.contains("pod web-1") && said.contains("http://shop.example:"),
        "{said}"
    );
    for secret in [CANARY, "hush"] {
        assert!(!said.contains(secret), "{said}");
    }
}

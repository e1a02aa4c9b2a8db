//! Registries that are not what they seem, asked through the real client.

use crate::fake::*;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate::api::Image;
use tidegate::api::view::{ImageQuery, Lookup, Manifest};
use tidegate::check::{Outbound, Policy, SecretFacts};
use tidegate::registry::Registries;

const CANARY: &str = "canary-51c0de";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;
const MISSING: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

fn registries(world: World, policy: Policy) -> Registries {
    let outside = Arc::new(Names::default()).outside(Vec::new());
    Registries::new(Outbound::new(Arc::new(world), outside, policy).unwrap())
}

fn query(image: &str, pull_secret: Option<&str>) -> ImageQuery {
    ImageQuery { image: Image::new(image), pull_secret: pull_secret.map(str::to_owned) }
}

fn shop(addr: SocketAddr) -> String {
    format!("{addr}/shop:sha-1")
}

/// The namespace shop, with a Secret for the registry at `addr`.
fn world(addr: SocketAddr) -> World {
    let auths = json!({"auths": {addr.to_string(): {"username": "robot", "password": CANARY}}});
    let secret = SecretFacts {
        labels: Default::default(),
        data: [(".dockerconfigjson".to_owned(), auths.to_string().into_bytes())].into(),
    };
    let mut world = World::default();
    world.secrets.insert(("shop".to_owned(), "pull".to_owned()), secret);
    world
}

/// One look with loopback allowed.
async fn look(addr: SocketAddr, pull_secret: Option<&str>) -> Lookup<Manifest> {
    registries(world(addr), loopback()).look("shop", &query(&shop(addr), pull_secret)).await
}

fn why(said: &Lookup<Manifest>) -> &str {
    match said {
        Lookup::Denied(why) | Lookup::Unanswered(why) => why,
        other => panic!("it should not tell: {other:?}"),
    }
}

fn bearer(realm: &str) -> Reply {
    answer(401, &format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"registry\"\r\n"), "")
}

#[tokio::test]
async fn a_manifest_is_asked_for_once_and_counted() {
    let app = App::start(HERE, |_| answer(200, "", MANIFEST)).await;
    let said = look(app.addr, Some("pull")).await;
    let hex: String = Sha256::digest(MANIFEST).iter().map(|b| format!("{b:02x}")).collect();
    let Lookup::Known(Manifest::Found(found)) = said else { panic!("{said:?}") };
    assert_eq!((found.digest.as_str(), found.members.len()), (format!("sha256:{hex}").as_str(), 0));
    let requests = app.seen.requests();
    assert!(
        requests.len() == 1 && requests[0].starts_with("GET /v2/shop/manifests/sha-1 HTTP/1.1\r\n"),
        "{requests:?}"
    );
    assert!(!requests[0].to_lowercase().contains("authorization"), "credentials are sent to who asks for them");
}

#[tokio::test]
async fn only_a_registrys_own_word_says_that_an_image_is_missing() {
    let app = App::start(HERE, |_| answer(404, "", MISSING)).await;
    assert_eq!(look(app.addr, None).await, Lookup::Known(Manifest::Missing));
    for body in ["<html>not here</html>", r#"{"errors":[]}"#, ""] {
        let app = App::start(HERE, move |_| answer(404, "", body)).await;
        let said = look(app.addr, None).await;
        assert!(why(&said).ends_with("answered 404"), "{said:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_tells_nothing() {
    let trap = App::start(HERE, |_| answer(200, "", MANIFEST)).await;
    let leads = format!("Location: http://{}/v2/shop/manifests/sha-1\r\n", trap.addr);
    let wrong = format!("Docker-Content-Digest: sha256:{}\r\n", "a".repeat(64));
    let huge = "x".repeat(4 * 1024 * 1024 + 1);
    let cases: Vec<(Behaviour, &str)> = vec![
        (Arc::new(move |_| answer(307, &leads, "")), "redirects, which is not followed"),
        (Arc::new(move |_| answer(200, &wrong, MANIFEST)), "sent a manifest of another digest than it says"),
        (Arc::new(move |_| answer(200, "", &huge)), "sent more than is read"),
        (Arc::new(|_| answer(200, "", "hello")), "sent what is no manifest of an image"),
        (Arc::new(|_| answer(500, "", "")), "answered 500"),
        (Arc::new(|_| answer(429, "", "")), "answered 429"),
        (Arc::new(|_| answer(403, "", "")), "refuses it without credentials"),
        (Arc::new(|_| answer(401, "", "")), "asks for credentials in a way that is not known"),
        (
            Arc::new(|_| answer(401, "WWW-Authenticate: Negotiate\r\n", "")),
            "asks for credentials in a way that is not known",
        ),
        (
            Arc::new(|_| answer(401, "WWW-Authenticate: Basic realm=\"a\"\r\n", "")),
            "refuses it without credentials: see image.pullSecret",
        ),
        (Arc::new(|_| Reply::Raw(b"SSH-2.0-x\r\n".to_vec())), "no valid HTTP answer"),
        (Arc::new(|_| Reply::Close), "the connection was closed before the answer was complete"),
    ];
    for (behaviour, wanted) in cases {
        let app = App::start(HERE, move |head| behaviour(head)).await;
        let said = look(app.addr, None).await;
        assert_eq!(
            why(&said),
            format!(
                "{}{}{wanted}",
                app.addr,
                if wanted.starts_with("no") || wanted.starts_with("the") { ": " } else { " " }
            )
        );
    }
    assert_eq!(trap.seen.connections(), 0);
}

#[tokio::test]
async fn a_realm_is_vetted_as_any_other_host() {
    let node = App::start(NODE, |_| answer(200, "", r#"{"token":"t"}"#)).await;
    let at_node = format!("http://{}/token", node.addr);
    for (realm, wanted) in [
        ("http://169.254.169.254/latest/meta-data", "is a cloud provider's metadata address"),
        (at_node.as_str(), "is the address of a node"),
        ("https://10.1.2.3/token", "is not a public address"),
        ("http://8.8.8.8/token", "only https is"),
        ("https://user:pass@127.0.0.1/token", "must not carry a user name or password"),
        ("file:///etc/passwd", "must be a whole http:// or https:// address"),
        ("", "must be a whole http:// or https:// address"),
    ] {
        let to = realm.to_owned();
        let app = App::start(HERE, move |_| bearer(&to)).await;
        let said = look(app.addr, Some("pull")).await;
        assert!(why(&said).contains(wanted), "{realm}: {said:?}");
        assert_eq!(app.seen.requests().len(), 1);
    }
    assert_eq!(node.seen.connections(), 0);
}

#[tokio::test]
async fn addresses_of_registries_are_vetted() {
    for (image, policy, wanted) in [
        ("169.254.169.254/shop:sha-1", loopback(), "is a cloud provider's metadata address"),
        ("127.0.9.9:80/shop:sha-1", loopback(), "is the address of a node"),
        ("127.0.8.8:80/shop:sha-1", loopback(), "is the address of the API server"),
        ("10.1.2.3/shop:sha-1", loopback(), "is not a public address"),
        ("127.0.0.1:5000/shop:sha-1", Policy::default(), "is a loopback address"),
        ("nowhere.example/shop:sha-1", Policy::default(), "does not exist, or has no address"),
    ] {
        let said = registries(World::default(), policy).look("shop", &query(image, None)).await;
        assert!(why(&said).contains(wanted), "{image}: {said:?}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_this_repository_alone() {
    let tokens = App::start(HERE, |_| answer(200, "", r#"{"access_token":"of-the-day"}"#)).await;
    let realm = format!("http://{}/token?a=b", tokens.addr);
    let app = App::start(HERE, move |head| match head.contains("authorization: Bearer of-the-day\r\n") {
        true => answer(200, "", MANIFEST),
        false => {
            let asks = format!(
                "WWW-Authenticate: Bearer realm=\"{realm}\",service=\"re gistry\",scope=\"repository:bank:push\"\r\n"
            );
            answer(401, &asks, "")
        }
    })
    .await;
    let said = look(app.addr, Some("pull")).await;
    assert!(matches!(said, Lookup::Known(Manifest::Found(_))), "{said:?}");
    let asked = tokens.seen.requests();
    assert!(
        asked[0].starts_with("GET /token?a=b&service=re+gistry&scope=repository%3Ashop%3Apull HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(asked[0].contains("authorization: Basic "), "{asked:?}");
    assert!(app.seen.requests().iter().all(|r| !r.contains("Basic")), "the registry itself sees the token alone");
}

#[tokio::test]
async fn credentials_go_to_their_registry_and_stay_out_of_every_word() {
    let basic = |_: &str| answer(401, "WWW-Authenticate: Basic realm=\"a\"\r\n", "");
    let (one, other) = (App::start(HERE, basic).await, App::start(HERE, basic).await);
    let its = look(one.addr, Some("pull")).await;
    assert_eq!(why(&its), format!("{} refuses it with the credentials of Secret pull", one.addr));
    assert!(one.seen.requests()[1].contains("authorization: Basic "));
    // The Secret is for the first.
    let said = registries(world(one.addr), loopback()).look("shop", &query(&shop(other.addr), Some("pull"))).await;
    assert_eq!(why(&said), format!("{} refuses it without credentials: Secret pull has none for {0}", other.addr));
    assert!(other.seen.requests().iter().all(|r| !r.contains("authorization")));
    // That of another namespace is none.
    let said = registries(world(one.addr), loopback()).look("bank", &query(&shop(one.addr), Some("pull"))).await;
    assert_eq!(said, Lookup::Denied("Secret pull does not exist".to_owned()));
    let mut bad = world(one.addr);
    bad.secrets.values_mut().for_each(|s| s.data = [("password".to_owned(), CANARY.into())].into());
    let said = registries(bad, loopback()).look("shop", &query(&shop(one.addr), Some("pull"))).await;
    assert_eq!(said, Lookup::Denied("Secret pull is no kubernetes.io/dockerconfigjson".to_owned()));
    let wrong = App::start(HERE, |_| answer(401, "", "")).await;
    let realm = format!("http://{}/token", wrong.addr);
    let app = App::start(HERE, move |_| bearer(&realm)).await;
    let said = look(app.addr, Some("pull")).await;
    assert_eq!(why(&said), format!("{} refuses it with the credentials of Secret pull", wrong.addr));
}

/// Neither the others of its namespace nor those of other namespaces wait for a silent registry.
#[tokio::test]
async fn a_silent_registry_holds_up_nobody() {
    let silent = App::start(HERE, |_| Reply::Stall(Vec::new())).await;
    let good = App::start(HERE, |_| answer(200, "", MANIFEST)).await;
    let registries = Arc::new(registries(World::default(), loopback()));
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let (registries, query) = (registries.clone(), query(&format!("{}/shop:sha-{n}", silent.addr), None));
            tokio::spawn(async move { registries.look("shop", &query).await })
        })
        .collect();
    until("all four to be asked for", || silent.seen.open.load(Ordering::SeqCst) == 4).await;
    let more = query(&shop(good.addr), None);
    assert_eq!(registries.look("shop", &more).await, Lookup::NotAsked);
    assert!(matches!(registries.look("bank", &more).await, Lookup::Known(_)));
    for look in waiting {
        assert_eq!(look.await.unwrap(), Lookup::Unanswered("no answer within 10s".to_owned()));
    }
    assert!(matches!(registries.look("shop", &more).await, Lookup::Known(_)), "its place is free again");
}

/// What is not there is asked for every few seconds at most; what is there, each time, because tags move.
#[tokio::test]
async fn only_what_is_missing_is_remembered_and_for_its_namespace_alone() {
    for (status, body, asked) in [(404, MISSING, 2), (500, "", 2), (200, MANIFEST, 3)] {
        let app = App::start(HERE, move |_| answer(status, "", body)).await;
        let registries = registries(World::default(), loopback());
        for namespace in ["shop", "shop", "bank"] {
            registries.look(namespace, &query(&shop(app.addr), None)).await;
        }
        assert_eq!(app.seen.requests().len(), asked, "{status}");
    }
}

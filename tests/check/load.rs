//! Load on real servers: how much of it arrives, and what is measured.

use crate::fake::*;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tidegate::api::NsName;
use tidegate::api::ask::{Ask, Outcome};
use tidegate::api::status::Measured;
use tidegate::check::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that keeps its connections, and answers the nth request as late and with the status that it is told.
struct Slow {
    port: u16,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Slow {
    async fn start(answer: impl Fn(usize) -> (Duration, u16) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (answer, served, made) = (Arc::new(answer), requests.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                made.fetch_add(1, SeqCst);
                tokio::spawn(serve(stream, served.clone(), answer.clone()));
            }
        });
        Self { port, requests, connections }
    }

    fn asked(&self) -> usize {
        self.requests.load(SeqCst)
    }

    async fn load(&self, more: Value) -> (Outcome, String, Option<Measured>) {
        let mut http = json!({"pods": {"port": self.port}});
        http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let world = World::of(vec![pod(1, Ipv4Addr::LOCALHOST.into())]);
        let result = Asking::new(world, loopback()).answer(&ask_load(http)).await;
        (result.outcome, result.message, result.measured)
    }

    async fn measured(&self, more: Value) -> Measured {
        let (outcome, message, measured) = self.load(more).await;
        assert_eq!(outcome, Outcome::Pass, "{message}");
        measured.unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    served: Arc<AtomicUsize>,
    answer: Arc<impl Fn(usize) -> (Duration, u16) + Send + Sync>,
) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let (late, status) = answer(served.fetch_add(1, SeqCst));
            tokio::time::sleep(late).await;
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok");
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn millis(micros: Option<i64>) -> i64 {
    micros.unwrap() / 1000
}

#[tokio::test]
async fn response_times_are_those_of_the_server() {
    // One request in ten is late.
    let app = Slow::start(|n| (if n % 10 == 9 { ms(300) } else { ms(20) }, 200)).await;
    let found = app.measured(json!({"requests": 100, "concurrency": 10})).await;
    assert_eq!((found.requests, found.failed, app.asked()), (100, 0, 100));
    assert!((20..200).contains(&millis(found.p50)) && (300..2000).contains(&millis(found.p95)), "{found:?}");
    assert!(found.p90 <= found.p95 && found.p95 <= found.p99, "{found:?}");
    // Ten are asked at once. The client may open one more while another is on its way back to its pool.
    let made = app.connections.load(SeqCst);
    assert!((10..=20).contains(&made), "connections are kept while the load lasts: {made} for 100 requests");
    let throughput = found.throughput();
    assert!((20.0..250.0).contains(&throughput), "{throughput}");
}

#[tokio::test]
async fn wrong_answers_are_counted_and_the_first_is_told() {
    let app = Slow::start(|n| (ms(1), if n % 4 == 0 { 503 } else { 200 })).await;
    let (outcome, message, found) = app.load(json!({"requests": 40, "concurrency": 1})).await;
    let found = found.unwrap();
    assert_eq!(
        (outcome, found.requests, found.failed, found.p90),
        (Outcome::Pass, 40, 10, None),
        "measured is measured"
    );
    assert!(message.ends_with("10 failed, first pod web-1: status 503, expected 200 to 299"), "{message}");
    let late = Slow::start(|_| (ms(400), 200)).await;
    let (_, message, found) = late.load(json!({"requests": 4, "timeout": "100ms"})).await;
    assert_eq!((found.unwrap().failed, message.contains("no complete answer within 100ms")), (4, true), "{message}");
}

/// The server stands still once, for a second. Who sends only when it is answered asks one request in that time, and
/// would see one slow answer; its users would have waited all along.
#[tokio::test]
async fn with_a_rate_a_stall_is_seen_by_all_that_were_due_in_it() {
    let stalls = || {
        let since = OnceLock::new();
        move |_| (ms(700).checked_sub(since.get_or_init(Instant::now).elapsed()).unwrap_or(ms(1)), 200)
    };
    let closed = Slow::start(stalls()).await.measured(json!({"requests": 200, "concurrency": 1})).await;
    assert!(millis(closed.p95) < 200, "one request alone has waited: {closed:?}");
    // With one connection at a time the requests are sent late, and count from when they were due.
    let open = Slow::start(stalls()).await.measured(json!({"requests": 100, "rate": 50, "concurrency": 1})).await;
    assert!(millis(open.p95) > 400, "those that were due meanwhile have waited too: {open:?}");
}

#[tokio::test]
async fn a_rate_is_kept_and_the_load_lasts_as_long_as_it_should() {
    let app = Slow::start(|_| (ms(100), 200)).await;
    let found = app.measured(json!({"rate": 50, "duration": "1s"})).await;
    assert_eq!((found.requests, app.asked()), (50, 50));
    assert!((1000..10_000).contains(&found.took_millis), "{found:?}");
    assert!(app.connections.load(SeqCst) <= 50);
    let app = Slow::start(|_| (ms(50), 200)).await;
    let found = app.measured(json!({"duration": "1s", "concurrency": 2})).await;
    assert!((1000..10_000).contains(&found.took_millis), "{found:?}");
    assert!((4..=42).contains(&found.requests), "two at once, 50 ms each: {found:?}");
    let quick = Slow::start(|_| (ms(0), 200)).await;
    let found = quick.measured(json!({"duration": "1s", "concurrency": 50})).await;
    assert!(found.requests <= 501, "no cannon: {found:?}");
}

#[tokio::test]
async fn what_warms_up_is_not_counted() {
    let app = Slow::start(|n| (ms(1), if n < 30 { 500 } else { 200 })).await;
    let found = app.measured(json!({"requests": 20, "warmUp": 30, "concurrency": 5})).await;
    assert_eq!((found.requests, found.failed, app.asked()), (20, 0, 50));
    let cold = Slow::start(|n| (ms(1), if n < 30 { 500 } else { 200 })).await;
    assert_eq!(cold.measured(json!({"requests": 50, "concurrency": 5})).await.failed, 30);
}

#[tokio::test]
async fn all_pods_take_turns_and_one_that_was_taken_away_does_not_count() {
    let apps = App::many(41, vec![Arc::new(|_: &str| status(200)), Arc::new(|_: &str| status(500))]).await;
    let (good, bad) = (pod(1, apps[0].addr.ip()), pod(2, apps[1].addr.ip()));
    let load = ask_load(json!({"pods": {"port": apps[0].addr.port()}, "requests": 40}));
    let both = || vec![good.clone(), bad.clone()];
    let asked = async |after: Vec<_>| {
        let world = World::default();
        *world.pods.lock().unwrap() = vec![Ok(both()), Ok(after)];
        Asking::new(world, loopback()).answer(&load).await.measured.unwrap()
    };
    let found = asked(both()).await;
    assert_eq!((found.requests, found.failed), (40, 20), "each pod has its share");
    let mut fallen = both();
    fallen[1].ready = false;
    assert_eq!(asked(fallen).await.failed, 20, "one that falls over under load counts");
    let mut leaving = both();
    leaving[1].terminating = true;
    let found = asked(leaving).await;
    assert_eq!((found.requests, found.failed), (20, 0));
    assert_eq!(asked(vec![good.clone()]).await.requests, 20);
}

/// Its address may be another application's by now.
#[tokio::test]
async fn whom_may_not_be_asked_any_more_is_left_alone() {
    let apps = App::many(42, vec![Arc::new(|_: &str| status(200)), Arc::new(|_: &str| status(200))]).await;
    let both = vec![pod(1, apps[0].addr.ip()), pod(2, apps[1].addr.ip())];
    let world = World::default();
    *world.pods.lock().unwrap() = vec![Ok(both.clone()), Ok(both[..1].to_vec())];
    let limits = Limits { recheck: ms(500), ..Limits::default() };
    let load = ask_load(json!({"pods": {"port": apps[0].addr.port()}, "rate": 50, "duration": "3s"}));
    let result = Asking::limited(world, loopback(), limits).answer(&load).await;
    assert_eq!((result.outcome, result.measured.unwrap().requests), (Outcome::Pass, 150), "{}", result.message);
    let (stayed, left) = (apps[0].seen.requests().len(), apps[1].seen.requests().len());
    assert!((1..60).contains(&left) && stayed + left == 150, "{left} after it had left");
    // What can no longer be looked up can no longer be vetted.
    let world = World::default();
    *world.pods.lock().unwrap() = vec![Ok(both), Err("pods".to_owned())];
    let load = ask_load(json!({"pods": {"port": apps[0].addr.port()}, "rate": 50, "duration": "20s"}));
    let result = Asking::limited(world, loopback(), limits).answer(&load).await;
    assert_eq!((result.outcome, result.measured), (Outcome::Error, None), "{}", result.message);
}

#[tokio::test]
async fn the_guard_and_headers_are_those_of_checks() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let world = || World::of(vec![pod(1, app.addr.ip())]);
    let load = |more: Value| {
        let mut http = json!({"pods": {"port": app.addr.port()}, "requests": 3});
        http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask_load(http)
    };
    let closed = Asking::new(world(), tidegate::check::Policy::default()).answer(&load(json!({}))).await;
    assert_eq!((closed.outcome, &*closed.message), (Outcome::Error, "pod web-1: 127.0.0.1 is a loopback address"));
    let secret = json!({"headers": [{"name": "X-Key", "secret": {"name": "gone", "key": "k"}}]});
    let refused = Asking::new(world(), loopback()).answer(&load(secret)).await;
    assert_eq!((refused.outcome, &*refused.message), (Outcome::Error, "Secret gone does not exist"));
    let nobody = Asking::new(World::default(), loopback()).answer(&load(json!({}))).await;
    assert_eq!(nobody.outcome, Outcome::NoData);
    assert_eq!(app.seen.connections(), 0);
    let headers = json!({"headers": [{"name": "X-Probe", "value": "tidegate"}], "path": "/items?a=b"});
    let passed = Asking::new(world(), loopback()).answer(&load(headers)).await;
    assert_eq!((passed.outcome, passed.measured.unwrap().requests), (Outcome::Pass, 3));
    let requests = app.seen.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests.iter().all(|r| r.starts_with("GET /items?a=b") && r.contains("x-probe: tidegate")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn by_url_the_name_is_looked_up_once_and_what_was_vetted_is_dialled() {
    let app = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let elsewhere = Ipv4Addr::new(127, 0, 0, 2).into();
    let names = Names::of("shop.test", &[&[app.addr.ip()], &[elsewhere]]);
    let load = ask_load(json!({"url": format!("http://shop.test:{}/a", app.addr.port()), "requests": 10}));
    let mut asking = Asking::outside(World::default(), names.outside(Vec::new()), loopback(), Limits::default());
    let result = asking.answer(&load).await;
    assert_eq!((result.outcome, result.measured.unwrap().failed), (Outcome::Pass, 0), "{}", result.message);
    assert_eq!((names.asked().len(), app.seen.requests().len()), (1, 10));
}

fn of(release: &NsName, number: i32, load: Ask) -> Ask {
    Ask { query: load.query, ..ask_of(release, number, json!({"pods": {"port": 80}})) }
}

/// Loads are long: rounds must not wait for them, and one namespace's loads not for another's.
#[tokio::test]
async fn loads_wait_in_a_line_of_their_own() {
    let hole = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Stall(Vec::new())).await;
    let app = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let limits = Limits { rounds: 1, rounds_per_namespace: 1, loads: 2, loads_per_namespace: 1, ..Limits::default() };
    let mut asking = Asking::limited(World::of(vec![pod(1, app.addr.ip())]), loopback(), limits);
    let load = |app: &App| {
        ask_load(json!({"pods": {"port": app.addr.port()}, "requests": 5, "concurrency": 1, "timeout": "60s"}))
    };
    let loud = NsName::new("loud", "web");
    let many: Vec<_> = (1..=5).map(|n| of(&loud, n, load(&hole))).collect();
    asking.pool.ensure(&loud, &many);
    until("one load of the namespace is under way", || hole.seen.open.load(SeqCst) == 1).await;
    // A health check of the same namespace, and a load of another one.
    let round = ask_of(&NsName::new("loud", "other"), 1, json!({"pods": {"port": app.addr.port()}}));
    assert_eq!(asking.answer(&round).await.outcome, Outcome::Pass);
    let other = of(&NsName::new("quiet", "web"), 1, load(&app));
    assert_eq!(asking.answer(&other).await.measured.unwrap().requests, 5);
    assert_eq!(hole.seen.most_open.load(SeqCst), 1);
    // What is not asked for any more ends at once.
    asking.pool.ensure(&loud, &[]);
    until("its connection is closed", || hole.seen.open.load(SeqCst) == 0).await;
}

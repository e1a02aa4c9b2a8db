//! Rounds beside each other: what is started, limited, cancelled, kept and forgotten.

use crate::fake::*;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tidegate::api::NsName;
use tidegate::api::ask::{Ask, Outcome};
use tidegate::check::Limits;

fn http(app: &App) -> Value {
    json!({"pods": {"port": app.addr.port()}, "timeout": "60s"})
}

fn asks(release: &NsName, app: &App, numbers: std::ops::RangeInclusive<i32>) -> Vec<Ask> {
    numbers.map(|n| ask_of(release, n, http(app))).collect()
}

fn world(app: &App) -> World {
    World::of(vec![pod(1, app.addr.ip())])
}

async fn answering() -> App {
    App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await
}

/// Takes connections and never answers.
async fn black_hole() -> App {
    App::start(Ipv4Addr::LOCALHOST, |_| Reply::Stall(Vec::new())).await
}

#[tokio::test]
async fn a_result_is_kept_until_it_is_forgotten_and_not_asked_for_again() {
    let app = answering().await;
    let mut asking = Asking::new(world(&app), loopback());
    let questions = asks(&release(), &app, 1..=2);
    asking.pool.ensure(&release(), &questions);
    for _ in 0..2 {
        assert_eq!(asking.woken().await, release());
    }
    asking.pool.ensure(&release(), &questions);
    // What is asked for no more is kept too: it may not have been counted yet.
    asking.pool.ensure(&release(), &[]);
    assert_eq!(asking.pool.results(&release()).len(), 2);
    assert_eq!(asking.pool.results(&NsName::new("shop", "other")), []);
    asking.pool.forget(&release(), &[questions[0].id.clone()]);
    let left = asking.pool.results(&release());
    assert_eq!(left.iter().map(|r| &r.id).collect::<Vec<_>>(), [&questions[1].id]);
    // A third question is answered after anything that the second `ensure` might have started.
    assert_eq!(asking.answer(&ask_of(&release(), 3, http(&app))).await.outcome, Outcome::Pass);
    assert_eq!(app.seen.requests().len(), 3);
}

#[tokio::test]
async fn what_should_not_be_under_way_is_cancelled() {
    let app = black_hole().await;
    let asking = Asking::new(world(&app), loopback());
    asking.pool.ensure(&release(), &asks(&release(), &app, 1..=3));
    let other = NsName::new("shop", "other");
    asking.pool.ensure(&other, &asks(&other, &app, 1..=1));
    until("all are under way", || app.seen.open.load(SeqCst) == 4).await;
    asking.pool.ensure(&release(), &asks(&release(), &app, 2..=2));
    until("two are cancelled", || app.seen.open.load(SeqCst) == 2).await;
    asking.pool.forget(&release(), &[ask_of(&release(), 2, http(&app)).id]);
    until("one is left", || app.seen.open.load(SeqCst) == 1).await;
    asking.pool.drop_release(&other);
    until("none is left", || app.seen.open.load(SeqCst) == 0).await;
    assert_eq!(app.seen.connections(), 4);
    assert_eq!((asking.pool.results(&release()), asking.pool.results(&other)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn dropping_the_pool_stops_everything() {
    let app = black_hole().await;
    let asking = Asking::new(world(&app), loopback());
    asking.pool.ensure(&release(), &asks(&release(), &app, 1..=3));
    until("all are under way", || app.seen.open.load(SeqCst) == 3).await;
    drop(asking);
    until("none is left", || app.seen.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn black_holes_of_one_namespace_starve_nobody() {
    let (hole, app) = (black_hole().await, answering().await);
    let limits = Limits { rounds: 6, rounds_per_namespace: 4, ..Limits::default() };
    let mut world = World::of(vec![pod(1, Ipv4Addr::LOCALHOST.into())]);
    world.services.clear();
    let mut asking = Asking::limited(world, loopback(), limits);
    let loud = NsName::new("loud", "web");
    asking.pool.ensure(&loud, &asks(&loud, &hole, 1..=30));
    let loud_too = NsName::new("loud", "too");
    asking.pool.ensure(&loud_too, &asks(&loud_too, &hole, 1..=30));
    until("the namespace uses what it may", || hole.seen.open.load(SeqCst) == 4).await;
    for number in 1..=20 {
        let quiet = NsName::new(format!("quiet-{}", number % 3), "web");
        let result = asking.answer(&ask_of(&quiet, number, http(&app))).await;
        assert_eq!(result.outcome, Outcome::Pass);
    }
    assert_eq!(hole.seen.most_open.load(SeqCst), 4);
    // What frees a place lets the next one in.
    asking.pool.ensure(&loud, &[]);
    until("the other Release's turn has come", || {
        let other = hole.seen.connections();
        hole.seen.open.load(SeqCst) == 4 && other == 8
    })
    .await;
    assert!(hole.seen.most_open.load(SeqCst) <= 6, "all rounds together");
}

#[tokio::test]
async fn namespaces_take_turns() {
    // One place in all, and no answer before everybody has asked: then the order is the order of turns.
    let (tell, told) = tokio::sync::watch::channel(false);
    let gate = std::sync::Arc::new(std::sync::Mutex::new(told));
    let app = App::start(Ipv4Addr::LOCALHOST, move |_| {
        if *gate.lock().unwrap().borrow() { status(200) } else { Reply::Stall(Vec::new()) }
    })
    .await;
    let limits = Limits { rounds: 1, ..Limits::default() };
    let mut asking = Asking::limited(world(&app), loopback(), limits);
    let first = NsName::new("first", "web");
    asking.pool.ensure(&first, &asks(&first, &app, 1..=1));
    until("the only place is taken", || app.seen.requests().len() == 1).await;
    let (many, few) = (NsName::new("many", "web"), NsName::new("few", "web"));
    asking.pool.ensure(&many, &asks(&many, &app, 1..=10));
    asking.pool.ensure(&few, &asks(&few, &app, 1..=2));
    tell.send(true).unwrap();
    asking.pool.drop_release(&first);
    let mut order = Vec::new();
    for _ in 0..12 {
        order.push(asking.woken().await.namespace);
    }
    assert_eq!(order[..4], ["many", "few", "many", "few"], "{order:?}");
    assert_eq!(app.seen.most_open.load(SeqCst), 1);
}

#[tokio::test]
async fn a_lookup_that_hangs_ends_as_an_error() {
    let app = answering().await;
    let limits = Limits { lookup: Duration::from_millis(50), ..Limits::default() };
    let trouble = World { trouble: Some(Trouble::Hang), ..world(&app) };
    let result = Asking::limited(trouble, loopback(), limits).answer(&ask_pods(app.addr.port())).await;
    assert_eq!((result.outcome, &*result.message), (Outcome::Error, "the API server was not heard of within 50ms"));
}

#[tokio::test]
async fn a_defect_in_one_round_costs_that_round_only() {
    let app = answering().await;
    let trouble = World {
        trouble: Some(Trouble::Panic),
        ..World::with_service(service(app.addr.ip(), i32::from(app.addr.port())))
    };
    let limits = Limits { rounds: 1, ..Limits::default() };
    let mut asking = Asking::limited(trouble, loopback(), limits);
    let result = asking.answer(&ask_pods(app.addr.port())).await;
    assert_eq!(
        (result.outcome, &*result.message),
        (Outcome::Error, "the round broke off by a defect of the controller")
    );
    let service = ask_of(&release(), 2, json!({"service": {"name": "web", "port": app.addr.port()}}));
    assert_eq!(asking.answer(&service).await.outcome, Outcome::Pass);
}

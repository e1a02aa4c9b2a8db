//! A controller that is killed in the middle of a bake.

use crate::gates::{NEW, OLD, baking, gate};
use crate::prometheus::Prometheus;
use crate::support::scene::play_with;
use crate::support::{Cluster, Controller, Scene};
use serde_json::json;
use std::cell::RefCell;
use tidegate::api::{Reason, ReleaseStatus};

fn fails(status: &ReleaseStatus) -> i32 {
    let gate = status.rollout.as_ref().and_then(|r| r.stages[0].gates.first());
    gate.map_or(0, |g| g.fails.total)
}

#[tokio::test]
async fn failed_rounds_outlive_the_controller() {
    let controllers: RefCell<Vec<Controller>> = RefCell::default();
    let log = |ns: &str| controllers.borrow().iter().map(|c| c.tail(ns)).collect::<String>();
    let whole = async |s: &Scene| {
        let namespace = format!("--watch-namespace={}", s.ns);
        let start = || Controller::start_with(s.cluster, &["--no-lease", &namespace], &[]);
        controllers.borrow_mut().push(start());
        s.settled().await;
        let prometheus = Prometheus::start(s).await;
        let limits = json!({"fail": {"consecutive": 4, "total": 4}});
        baking(s, "10m", json!([gate("number", &prometheus, "vector(1)", json!({"max": "0"}), limits)])).await;
        s.until_status("two rounds failed", |s| fails(s) == 2).await;
        controllers.borrow_mut().pop().unwrap().kill();
        let left = fails(&s.status().await);
        controllers.borrow_mut().push(start());
        s.until_status("it goes on counting", |s| {
            assert!(fails(s) >= left, "rounds were forgotten: {}", fails(s));
            fails(s) > left
        })
        .await;
        let end = s.rolled_back(NEW, Reason::MetricGateFailed).await;
        let said = end.message.clone().unwrap_or_default();
        assert!(said.contains("number failed for 4 rounds in a row: 1, is more than 0;"), "{said}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    };
    play_with(Cluster::get(), "gates-killed", whole, log).await;
}

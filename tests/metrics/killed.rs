//! A controller that is killed in the middle of a bake.

use crate::gates::{NEW, OLD, baking, gate};
use crate::own::settled;
use crate::prometheus::Prometheus;
use serde_json::json;
use tidegate::api::{Reason, ReleaseStatus};

fn fails(status: &ReleaseStatus) -> i32 {
    let gate = status.rollout.as_ref().and_then(|r| r.stages[0].gates.first());
    gate.map_or(0, |g| g.fails.total)
}

#[tokio::test]
async fn failed_rounds_outlive_the_controller() {
    settled("gates-killed", &[], async |s, own| {
        let prometheus = Prometheus::start(s).await;
        let limits = json!({"fail": {"consecutive": 4, "total": 4}});
        baking(s, "10m", json!([gate("number", &prometheus, "vector(1)", json!({"max": "0"}), limits)])).await;
        s.until_status("two rounds failed", |s| fails(s) >= 2).await;
        own.kill();
        let left = fails(&s.status().await);
        own.start(s);
        s.until_status("it goes on counting", |s| {
            assert!(fails(s) >= left, "rounds were forgotten: {}", fails(s));
            fails(s) > left
        })
        .await;
        let end = s.rolled_back(NEW, Reason::MetricGateFailed).await;
        let said = end.message.clone().unwrap_or_default();
        assert!(said.contains("number failed for 4 rounds in a row: 1, is more than 0;"), "{said}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

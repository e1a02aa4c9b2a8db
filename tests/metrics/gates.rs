//! What Prometheus says while a stage bakes decides, and each of the four outcomes in its own way.

use crate::own::settled;
use crate::prometheus::Prometheus;
use crate::support::scene::Scene;
use crate::support::wait::{is, until};
use crate::traffic::Traffic;
use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};
use tidegate::api::ask::Outcome;
use tidegate::api::{Phase, Reason, ReleaseStatus};

pub const OLD: &str = "sha-0000001";
pub const NEW: &str = "sha-0000002";

/// Of what the new version answers, the share that is an error.
pub const ERRORS: &str = r#"
(sum(rate(http_requests_total{namespace="$(TIDEGATE_NAMESPACE)",image=~".+:$(TIDEGATE_TAG)",code=~"5.."}[6s])) or vector(0))
/ sum(rate(http_requests_total{namespace="$(TIDEGATE_NAMESPACE)",image=~".+:$(TIDEGATE_TAG)"}[6s]))"#;
/// The pods of the new version that are scraped.
const PODS: &str = r#"count(up{namespace="$(TIDEGATE_NAMESPACE)",pod=~".*-$(TIDEGATE_REVISION)-.*"} == 1)"#;

pub fn gate(name: &str, prometheus: &Prometheus, query: &str, condition: Value, limits: Value) -> Value {
    json!({
        "name": name, "interval": "5s", "limits": limits,
        "prometheus": {"url": prometheus.url, "query": query, "condition": condition, "timeout": "3s"},
    })
}

/// Staging runs [`NEW`], passed its checks, and bakes for so long behind these gates.
pub async fn baking(s: &Scene, bake: &str, gates: Value) {
    bakes(s, NEW, bake, gates, "Restore").await;
}

/// The same with any tag, and with what becomes of a stage that is inconclusive.
pub async fn bakes(s: &Scene, tag: &str, bake: &str, gates: Value, on_inconclusive: &str) {
    let mut spec = s.release().await.spec;
    spec.image.tag = Some(tag.to_owned());
    let mut spec = serde_json::to_value(spec).unwrap();
    spec["stages"][0]["bake"] = json!(bake);
    spec["stages"][0]["metricGates"] = gates;
    spec["stages"][0]["rollback"]["onInconclusive"] = json!(on_inconclusive);
    s.apply(&spec).await;
    // The event stays, however short the bake is.
    until("it bakes", async || {
        let events = s.events().await;
        let baking =
            |e: &&Event| e.reason.as_deref() == Some("Baking") && e.note.as_deref().is_some_and(|n| n.contains(tag));
        is(events.iter().find(baking).is_some(), (), "not yet")
    })
    .await;
}

fn message(status: &ReleaseStatus) -> String {
    status.message.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_stage_whose_metrics_are_well_is_verified() {
    settled("gates-well", &[], async |s, _| {
        let (prometheus, _traffic) = (Prometheus::start(s).await, Traffic::on(s, "staging").await);
        let exactly = json!({"min": "2", "max": "2"});
        let gates = [
            gate("errors", &prometheus, ERRORS, json!({"max": "0.05"}), json!({})),
            gate("pods", &prometheus, PODS, exactly, json!({"fail": {"consecutive": 10, "total": 20}})),
            gate("number", &prometheus, "scalar(vector(0.5))", json!({"max": "0.5"}), json!({})),
        ];
        baking(s, "12s", json!(gates)).await;
        let until = s.status().await.rollout.unwrap().stages[0].bake_until.unwrap();
        let token = s.awaiting(NEW).await;
        let stage = s.status().await.rollout.unwrap().stages[0].clone();
        assert!(stage.verified_at.unwrap() >= until);
        assert!(stage.gates.iter().all(|g| g.at >= until), "the last word is from after the bake: {:?}", stage.gates);
        s.promote(&token).await;
        s.verified(NEW).await;
        let kept = s.status().await.history[0].stages[0].gates.clone();
        assert_eq!(
            kept.iter().map(|g| g.message.as_str()).collect::<Vec<_>>(),
            [
                "0, at most 0.05 is allowed",
                "2, at most 2 is allowed; 2, at least 2 is needed",
                "0.5, at most 0.5 is allowed",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn errors_that_rise_while_it_bakes_bring_the_old_version_back() {
    settled("gates-errors", &[], async |s, _| {
        let (prometheus, _traffic) = (Prometheus::start(s).await, Traffic::on(s, "staging").await);
        let limits = json!({"fail": {"consecutive": 2}});
        baking(s, "10m", json!([gate("errors", &prometheus, ERRORS, json!({"max": "0.05"}), limits)])).await;
        // Health checks still pass: only people notice.
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        let end = s.rolled_back(NEW, Reason::MetricGateFailed).await;
        let said = message(&end);
        assert!(said.contains("while it baked, errors failed for 2 rounds in a row: "), "{said}");
        assert!(said.contains(", is more than 0.05; sha-0000001 is restored and verified"), "{said}");
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 1));
        assert_eq!(s.tags("production").await, [OLD]);
        assert!(s.event(Reason::MetricGateFailed).await.contains("is being restored"));
        let kept = &end.history[0].stages[0].gates[0];
        assert!(kept.outcome == Outcome::Fail && kept.message.ends_with(", is more than 0.05"), "{kept:?}");
    })
    .await;
}

#[tokio::test]
async fn a_value_just_above_the_bound_fails_and_one_round_can_be_enough() {
    settled("gates-bound", &[], async |s, _| {
        let prometheus = Prometheus::start(s).await;
        let limits = json!({"fail": {"consecutive": 1}});
        baking(s, "10m", json!([gate("number", &prometheus, "vector(0.5)", json!({"max": "0.4999999"}), limits)]))
            .await;
        let said = message(&s.rolled_back(NEW, Reason::MetricGateFailed).await);
        assert!(said.contains("number failed for 1 round in a row: 0.5, is more than 0.4999999;"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn no_samples_are_no_pass_and_no_fault_of_the_image() {
    settled("gates-no-data", &[], async |s, _| {
        let prometheus = Prometheus::start(s).await;
        let limits = json!({"noData": {"consecutive": 2}});
        let nothing = "sum(rate(orders_total[1m]))";
        // The bake is over with the first round, which does not pass.
        baking(s, "5s", json!([gate("orders", &prometheus, nothing, json!({"min": "0"}), limits)])).await;
        let end = s.rolled_back(NEW, Reason::Inconclusive).await;
        let said = message(&end);
        assert!(said.contains("while it baked, orders had no data for 2 rounds in a row: no sample;"), "{said}");
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 0));
    })
    .await;
}

#[tokio::test]
async fn a_prometheus_that_is_gone_is_no_fault_of_the_image() {
    settled("gates-down", &[], async |s, _| {
        let prometheus = Prometheus::start(s).await;
        let (url, limits) = (prometheus.url.clone(), json!({"error": {"consecutive": 2}}));
        baking(s, "10m", json!([gate("number", &prometheus, "vector(0)", json!({"max": "0"}), limits)])).await;
        drop(prometheus);
        let end = s.rolled_back(NEW, Reason::Inconclusive).await;
        let said = message(&end);
        let expected = format!("number could not be asked for 2 rounds in a row: {url}: connection refused;");
        assert!(said.contains(&expected), "{said}");
        assert_eq!((end.quarantine.len(), end.phase), (0, Some(Phase::RolledBack)));
    })
    .await;
}

#[tokio::test]
async fn a_query_that_cannot_be_evaluated_can_wait_for_a_person() {
    settled("gates-hold", &[], async |s, _| {
        let prometheus = Prometheus::start(s).await;
        let limits = json!({"error": {"consecutive": 2}});
        let gates = json!([gate("typo", &prometheus, "sum(", json!({"max": "0"}), limits)]);
        bakes(s, NEW, "10m", gates, "Hold").await;
        let held = s.until_status("it is held", |s| message(s).contains("to accept staging as it is")).await;
        assert!(message(&held).contains("typo could not be asked for 2 rounds in a row"), "{}", message(&held));
        assert!(message(&held).contains("status 400 (bad_data)"), "{}", message(&held));
        assert_eq!(s.tags("staging").await, [OLD, NEW], "nothing is taken back");
        s.promote(&held.rollout.unwrap().promotion.unwrap().token).await;
        s.awaiting(NEW).await;
    })
    .await;
}

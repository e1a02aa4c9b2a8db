//! DaemonSets: a pod on each node that matches.

use crate::support::sets::{daemon_set, single_stage_of};
use crate::support::wait::{is, until};
use crate::support::{Scene, image, scene};
use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// DaemonSet `agent` on three nodes, and the Release that has adopted it.
async fn settled(s: &Scene) -> Value {
    s.daemons("agent", OLD).await;
    let spec = single_stage_of("DaemonSet", "agent", OLD);
    s.apply(&spec).await;
    s.verified(OLD).await;
    spec
}

#[tokio::test]
async fn a_good_version_is_brought_to_every_node_and_verified() {
    scene("ds-good", async |s| {
        settled(s).await;
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        s.all_run("agent", NEW, 3).await;
        let pods: BTreeSet<_> = s.row("agent").await.into_keys().collect();
        let asked: BTreeSet<_> = s.requests(NEW, "/health").await.into_iter().map(|r| r.pod).collect();
        assert_eq!(asked, pods, "each node was asked");
        assert_eq!((s.tags("agent").await, s.touched().await), (vec![OLD.into(), NEW.into()], vec!["agent".into()]));
    })
    .await;
}

async fn taken_back(name: &str, behaviour: Value, cause: Reason) {
    scene(name, async |s| {
        settled(s).await;
        s.behaves(NEW, behaviour.clone()).await;
        s.set_tag(NEW).await;
        s.rolled_back(NEW, cause).await;
        s.all_run("agent", OLD, 3).await;
        assert_eq!(s.tags("agent").await, [OLD, NEW, OLD]);
        assert_eq!(s.touched().await, ["agent", "agent"], "no pod was deleted");
    })
    .await;
}

#[tokio::test]
async fn a_version_that_crashes_is_taken_back() {
    taken_back("ds-crash", json!({"run": {"exitCode": 3}}), Reason::CrashLoop).await;
}

#[tokio::test]
async fn a_version_that_cannot_be_pulled_is_taken_back() {
    taken_back("ds-pull", json!({"pull": {"fail": "notFound"}}), Reason::ImagePullFailed).await;
}

#[tokio::test]
async fn a_version_that_answers_wrongly_is_taken_back() {
    taken_back("ds-unwell", json!({"http": [{"path": "/items", "status": 500}]}), Reason::SmokeTestFailed).await;
}

#[tokio::test]
async fn one_that_replaces_pods_only_when_they_are_deleted_is_not_written() {
    scene("ds-on-delete", async |s| {
        settled(s).await;
        let strategy = json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
        s.patch_set::<DaemonSet>("agent", strategy).await;
        s.set_tag(NEW).await;
        let message = s.blocked(Reason::UpdateStrategyUnsupported).await.message.unwrap_or_default();
        assert!(message.contains("DaemonSet") && message.contains("spec.updateStrategy.type"), "{message}");
        s.patch_set::<DaemonSet>("agent", json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}})).await;
        s.verified(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn one_that_no_node_matches_is_not_written() {
    scene("ds-no-node", async |s| {
        let mut agent = daemon_set("agent", &image(OLD));
        agent["spec"]["template"]["spec"]["nodeSelector"] = json!({"gpu": "yes"});
        s.apply_set::<DaemonSet>(&agent).await;
        s.serve("agent").await;
        s.apply(&single_stage_of("DaemonSet", "agent", NEW)).await;
        let message = s.blocked(Reason::TargetScaledToZero).await.message.unwrap_or_default();
        assert!(message.contains("no node matches DaemonSet"), "{message}");
        agent["spec"]["template"]["spec"].as_object_mut().unwrap().remove("nodeSelector");
        s.apply_set::<DaemonSet>(&agent).await;
        s.verified(NEW).await;
        s.all_run("agent", NEW, 3).await;
    })
    .await;
}

/// `kubectl rollout undo` in mid-rollout: somebody else's change is left as it is.
#[tokio::test]
async fn an_undo_in_mid_rollout_is_left_alone() {
    scene("ds-undo", async |s| {
        settled(s).await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        until("the new tag is written", async || is(s.tags("agent").await == [OLD, NEW], (), "not yet")).await;
        until("a node has it", async || {
            let row = s.row("agent").await;
            is(row.values().any(|(tag, _, _)| tag == NEW), (), row)
        })
        .await;
        s.cluster.kubectl(&["rollout", "undo", "daemonset/agent", "-n", &s.ns], None);
        s.ends(NEW, Phase::Failed, Reason::Contended).await;
        assert_eq!((s.tags("agent").await, s.touched().await.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 1));
    })
    .await;
}

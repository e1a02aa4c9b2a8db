//! The controller's rights are taken away in mid-work, and given back.

use crate::alone::alone;
use crate::support::Scene;
use crate::support::cluster::CONTROLLER;
use crate::support::wait::{is, until};
use futures::FutureExt as _;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use std::panic::{AssertUnwindSafe, resume_unwind};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// Until the API server has refused the controller something in this scene.
async fn refused(s: &Scene) {
    until("a request of the controller is refused", async || {
        let records = s.records(std::slice::from_ref(&s.ns)).await;
        is(records.iter().any(|r| r.by_controller() && r.response_status.code == 403), (), records.len())
    })
    .await;
}

/// Gives or takes the right to write Deployments.
async fn may_write(s: &Scene, may: bool) {
    let api: Api<ClusterRole> = Api::all(s.client.clone());
    let mut role = api.get("tidegate").await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        if rule.resources.as_ref().is_some_and(|r| r.contains(&"deployments".to_owned())) {
            rule.verbs.retain(|v| v != "patch");
            rule.verbs.extend(may.then(|| "patch".to_owned()));
        }
    }
    let rules = json!({"rules": role.rules});
    api.patch("tidegate", &PatchParams::default(), &Patch::Merge(rules)).await.unwrap();
    until("the right is as wanted", async || is(allowed(s, "patch").await == may, (), "it is not")).await;
}

/// Until the API server has refused the controller a look at something of this scene.
async fn blind(s: &Scene) {
    let here = format!("/namespaces/{}/", s.ns);
    until("a look of the controller is refused", async || {
        let log = std::fs::read_to_string(&s.cluster.audit_log).unwrap();
        let refused = |l: &&str| l.contains(&here) && l.contains(CONTROLLER) && l.contains("\"code\":403");
        is(log.lines().any(|l| refused(&l)), (), "none")
    })
    .await;
}

/// Plays while the controller has no right on Releases and workloads. They are given back however that ends.
async fn without_any(s: &Scene, play: impl AsyncFn()) {
    let api: Api<ClusterRoleBinding> = Api::all(s.client.clone());
    let mut binding = api.get("tidegate").await.unwrap();
    api.delete("tidegate", &DeleteParams::default()).await.unwrap();
    let whole = async {
        until("the rights are gone", async || is(!allowed(s, "get").await, (), "they are not")).await;
        play().await;
    };
    let ended = AssertUnwindSafe(whole).catch_unwind().await;
    binding.metadata.resource_version = None;
    binding.metadata.uid = None;
    api.create(&PostParams::default(), &binding).await.unwrap();
    ended.unwrap_or_else(|panic| resume_unwind(panic));
}

/// What the API server's authorizer says: it learns of a binding a moment after it was changed.
async fn allowed(s: &Scene, verb: &str) -> bool {
    let review = json!({"spec": {
        "user": CONTROLLER,
        "resourceAttributes": {"group": "apps", "resource": "deployments", "verb": verb, "namespace": s.ns},
    }});
    let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
    let api: Api<SubjectAccessReview> = Api::all(s.client.clone());
    api.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

#[tokio::test]
async fn before_the_first_write() {
    alone("rights-first", async |s, replicas| {
        replicas.start();
        s.settled().await;
        may_write(s, false).await;
        s.set_tag(NEW).await;
        refused(s).await;
        assert_eq!(s.tags("staging").await, [OLD]);
        may_write(s, true).await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn in_mid_rollout() {
    alone("rights-rollout", async |s, replicas| {
        replicas.start();
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        without_any(s, async || {
            s.behaves(NEW, json!({})).await;
            s.available("staging").await;
            blind(s).await;
            assert_eq!(s.status().await.phase, Some(Phase::Rolling), "what it could not see it does not say");
        })
        .await;
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn in_mid_restore() {
    alone("rights-restore", async |s, replicas| {
        replicas.start();
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 12, "interval": "1s"});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.asked(NEW, "/health", 1).await;
        may_write(s, false).await;
        s.phase(NEW, Phase::Restoring).await;
        refused(s).await;
        assert_eq!(s.runs("staging").await, NEW, "refused");
        may_write(s, true).await;
        s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// Blind and without hands while the old version comes back; what was owed is still known afterwards.
#[tokio::test]
async fn all_of_them_in_mid_restore() {
    alone("rights-restore-all", async |s, replicas| {
        replicas.start();
        s.settled().await;
        s.restoring().await;
        without_any(s, async || {
            s.behaves(OLD, json!({})).await;
            s.available("staging").await;
            blind(s).await;
            assert_eq!(s.status().await.phase, Some(Phase::Restoring), "nobody saw that it is well");
        })
        .await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

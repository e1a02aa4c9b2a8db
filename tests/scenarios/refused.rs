//! What the cluster's own rules refuse: admission that stops a write, on the way forward and on the way back.

use crate::support::wait::{is, until};
use crate::support::{Scene, image, scene};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tidegate::api::condition::{STALLED, find};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// From now on nobody may bring this tag to a Deployment of the scene; in force when this returns.
async fn forbid(s: &Scene, tag: &str) {
    let (name, other) = (s.ns.as_str(), image(tag));
    let policy = json!({
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]},
            ]},
            "validations": [{
                "expression": format!("object.spec.template.spec.containers.all(c, c.image != '{other}') || oldObject.spec.template.spec.containers.exists(c, c.image == '{other}')"),
                "message": format!("{tag} is not signed"),
            }],
        },
    });
    let binding = json!({
        "metadata": {"name": name},
        "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
        },
    });
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(s.client.clone());
    policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(s.client.clone());
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    until("the policy is in force", async || is(!admits(s, tag).await, (), "it is not")).await;
}

async fn permit(s: &Scene, tag: &str) {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(s.client.clone());
    bindings.delete(&s.ns, &DeleteParams::default()).await.unwrap();
    until("the policy is gone", async || is(admits(s, tag).await, (), "it is not")).await;
}

/// Whether a dry run of this tag on `staging` is let through.
async fn admits(s: &Scene, tag: &str) -> bool {
    let containers = json!([{"name": "app", "image": image(tag)}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let api: Api<Deployment> = s.api();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    api.patch("staging", &dry, &Patch::Strategic(patch)).await.is_ok()
}

#[tokio::test]
async fn a_first_write_that_admission_refuses_only_waits() {
    scene("admission", async |s| {
        s.settled().await;
        forbid(s, NEW).await;
        s.set_tag(NEW).await;
        let status = s.blocked(Reason::WriteRefused).await;
        assert!(status.message.as_deref().unwrap_or_default().contains("is not signed"), "{:?}", status.message);
        assert_eq!(s.tags("staging").await, [OLD]);
        permit(s, NEW).await;
        s.awaiting(NEW).await;
        assert!(s.status().await.quarantine.is_empty());
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

/// A restore does not give up: overdue it is said loudly, and done as soon as that is allowed.
#[tokio::test]
async fn a_way_back_that_admission_refuses_is_said_and_tried_on() {
    scene("admission-restore", async |s| {
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["stages"][0]["progressDeadline"] = json!("15s");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        forbid(s, OLD).await;
        let overdue = s.until_status("it is overdue", |status| {
            status.phase == Some(Phase::Restoring) && find(&status.conditions, STALLED).is_some()
        });
        let message = overdue.await.message.unwrap_or_default();
        assert!(message.contains("is not signed"), "{message}");
        s.event(Reason::RollbackFailed).await;
        assert_eq!(s.runs("staging").await, NEW);
        permit(s, OLD).await;
        s.rolled_back(NEW, Reason::ProgressDeadlineExceeded).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

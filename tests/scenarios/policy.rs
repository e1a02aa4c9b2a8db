//! The approval policy of the chart, as people meet it who may approve, configure, only edit, or lie.

use crate::support::wait::until;
use crate::support::{Scene, manifests, scene};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tidegate::api::{Phase, Release, annotation};

const NEW: &str = "sha-0000002";

/// eve edits, ann approves, con configures.
async fn people(s: &Scene) {
    let bindings: Api<RoleBinding> = s.api();
    for (user, role) in [("eve", "editor"), ("ann", "approver"), ("con", "configurer")] {
        let binding = json!({
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("tidegate-{role}")},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }
    for user in ["eve", "ann", "con"] {
        until("the API server heeds the binding", async || {
            let api: Api<Release> = Api::namespaced(s.cluster.client(user).await, &s.ns);
            api.get("checkout").await.map(drop).map_err(|e| e.to_string())
        })
        .await;
    }
}

async fn tries(s: &Scene, user: &str, patch: &Patch<Value>) -> Result<(), String> {
    let api: Api<Release> = Api::namespaced(s.cluster.client(user).await, &s.ns);
    let params =
        if matches!(patch, Patch::Apply(_)) { PatchParams::apply(user).force() } else { PatchParams::default() };
    api.patch("checkout", &params, patch).await.map(drop).map_err(|e| e.to_string())
}

fn order(key: &str, value: &str, by: &str) -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"annotations": {key: value, annotation::PROMOTED_BY: by}}}))
}

#[tokio::test]
async fn only_who_may_approve_approves_and_only_in_their_own_name() {
    scene("policy", async |s| {
        s.settled().await;
        people(s).await;
        // Who may edit brings a new version, and cannot approve it.
        tries(s, "eve", &Patch::Merge(json!({"spec": {"image": {"tag": NEW}}}))).await.unwrap();
        let token = s.awaiting(NEW).await;
        let refused = tries(s, "eve", &order(annotation::PROMOTE, &token, "eve")).await.unwrap_err();
        assert!(refused.contains("setting tidegate.dev/promote needs the verb approve"), "{refused}");
        // Who may approve cannot do it in somebody else's name.
        let forged = tries(s, "ann", &order(annotation::PROMOTE, &token, "eve")).await.unwrap_err();
        assert!(forged.contains("must be your own user name"), "{forged}");
        // Who has no rights here has none.
        assert!(tries(s, "mallory", &order(annotation::PROMOTE, &token, "mallory")).await.is_err());
        assert_eq!(s.runs("production").await, "sha-0000001");

        tries(s, "ann", &order(annotation::PROMOTE, &token, "ann")).await.unwrap();
        let end = s.verified(NEW).await;
        let rollout = end.rollout.unwrap();
        assert_eq!(rollout.approvals[0].by.as_deref(), Some("ann"));
        // The other orders bring images too.
        for (key, value) in [(annotation::ROLLBACK, rollout.id.to_string()), (annotation::RETRY, "again".to_owned())] {
            let refused = tries(s, "eve", &order(key, &value, "eve")).await.unwrap_err();
            assert!(refused.contains(&format!("setting {key} needs the verb approve")), "{refused}");
            assert!(tries(s, "ann", &order(key, &value, "eve")).await.is_err());
        }
        assert_eq!(s.tags("production").await.len(), 2, "nothing came of what was refused");
        tries(s, "ann", &order(annotation::ROLLBACK, &rollout.id.to_string(), "ann")).await.unwrap();
        s.phase(NEW, Phase::RolledBack).await;
    })
    .await;
}

#[tokio::test]
async fn there_is_no_way_round_it() {
    scene("policy-round", async |s| {
        s.settled().await;
        people(s).await;
        s.set_tag(NEW).await;
        let token = s.awaiting(NEW).await;
        let promote = json!([{"op": "add", "path": "/metadata/annotations", "value": {annotation::PROMOTE: token}}]);
        let automatic = json!([{"op": "add", "path": "/spec/stages/1/promotion", "value": {"mode": "Automatic"}}]);
        let json_patch = |ops: Value| Patch::<Value>::Json(serde_json::from_value(ops).unwrap());
        let mut turned = manifests::release(NEW);
        turned["stages"].as_array_mut().unwrap().reverse();
        turned["stages"][0]["promotion"] = json!({"mode": "Automatic"});
        let mut elsewhere = manifests::release(NEW);
        elsewhere["stages"][0]["targets"][0]["kubernetes"]["name"] = json!("production");
        let mut without = manifests::release(NEW);
        without["stages"].as_array_mut().unwrap().pop();
        without["stages"][0]["promotion"] = json!({"mode": "Automatic"});
        let whole = |spec: &Value| json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Release", "metadata": {"name": "checkout"}, "spec": spec});
        let applied = |annotations: Value| {
            let mut object = whole(&manifests::release(NEW));
            object["metadata"]["annotations"] = annotations;
            Patch::Apply(object)
        };
        let replaced = |spec: &Value| Patch::Merge(json!({"spec": spec}));
        for (how, patch) in [
            ("promote by JSON patch", json_patch(promote)),
            ("promote by server-side apply", applied(json!({annotation::PROMOTE: token, annotation::PROMOTED_BY: "eve"}))),
            ("an approver's name in advance", applied(json!({annotation::PROMOTED_BY: "ann"}))),
            ("an automatic stage", json_patch(automatic)),
            ("another order of stages", replaced(&turned)),
            ("another target", replaced(&elsewhere)),
            ("a stage less", replaced(&without)),
        ] {
            let refused = tries(s, "eve", &patch).await.expect_err(how);
            let by_us = refused.contains("needs the verb") || refused.contains("must be your own user name");
            assert!(by_us, "{how}: {refused}");
        }
        // A Release of their own at the same workloads, and the status, which holds what was approved.
        let own: Release = serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release", "metadata": {"generateName": "eve-"}, "spec": turned,
        }))
        .unwrap();
        let api: Api<Release> = Api::namespaced(s.cluster.client("eve").await, &s.ns);
        let refused = api.create(&PostParams::default(), &own).await.unwrap_err().to_string();
        assert!(refused.contains("creating a Release needs the verb configure"), "{refused}");
        let status = json!({"status": {"rollout": {"approvals": [{"stage": "production", "token": token}]}}});
        let forged = api.patch_status("checkout", &PatchParams::default(), &Patch::Merge(status)).await;
        assert!(forged.unwrap_err().to_string().contains("forbidden"));
        assert_eq!(s.runs("production").await, "sha-0000001");
        // What editors may do they still do; who configures may not approve.
        tries(s, "eve", &Patch::Merge(json!({"spec": {"suspend": true}}))).await.unwrap();
        tries(s, "con", &json_patch(json!([{"op": "add", "path": "/spec/historyLimit", "value": 5}]))).await.unwrap();
        assert!(tries(s, "con", &order(annotation::PROMOTE, &token, "con")).await.is_err());
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("tidegate.dev", "v1alpha1", "Release"));
        let mine: Api<DynamicObject> = Api::namespaced_with(s.cluster.client("con").await, &s.ns, &kind);
        let mut other = whole(&manifests::release(NEW));
        other["metadata"]["name"] = json!("second");
        let second = serde_json::from_value(other).unwrap();
        mine.create(&PostParams::default(), &second).await.unwrap();
        mine.delete("second", &Default::default()).await.unwrap();
    })
    .await;
}

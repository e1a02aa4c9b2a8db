//! The approval policy of the chart, as three people meet it.

use crate::support::scene;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tidegate::api::{Release, annotation};

const NEW: &str = "sha-0000002";

#[tokio::test]
async fn only_who_may_approve_approves_and_only_in_their_own_name() {
    scene("policy", async |s| {
        s.settled().await;
        let bindings: Api<RoleBinding> = s.api();
        for (user, role) in [("eve", "tidegate-editor"), ("ann", "tidegate-approver")] {
            let binding = json!({
                "metadata": {"name": user},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            });
            bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
        }
        let tries = async |user: &str, patch: Value| -> Result<(), String> {
            let api: Api<Release> = Api::namespaced(s.cluster.client(user).await, &s.ns);
            let done = api.patch("checkout", &PatchParams::default(), &Patch::Merge(patch)).await;
            done.map(drop).map_err(|e| e.to_string())
        };
        let approve = |token: &str, by: &str| {
            json!({"metadata": {"annotations": {annotation::PROMOTE: token, annotation::PROMOTED_BY: by}}})
        };

        // Who may edit brings a new version, and cannot approve it.
        tries("eve", json!({"spec": {"image": {"tag": NEW}}})).await.unwrap();
        let token = s.awaiting(NEW).await;
        let refused = tries("eve", approve(&token, "eve")).await.unwrap_err();
        assert!(refused.contains("needs the verb approve"), "{refused}");
        // Who may approve cannot do it in somebody else's name.
        let forged = tries("ann", approve(&token, "eve")).await.unwrap_err();
        assert!(forged.contains("must be your own user name"), "{forged}");
        // Who has no rights here has none.
        assert!(tries("mallory", approve(&token, "mallory")).await.is_err());
        assert_eq!(s.runs("production").await, "sha-0000001");

        tries("ann", approve(&token, "ann")).await.unwrap();
        let end = s.verified(NEW).await;
        assert_eq!(end.rollout.unwrap().approvals[0].by.as_deref(), Some("ann"));
    })
    .await;
}

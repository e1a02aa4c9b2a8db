//! What the cluster refuses is not the image's fault.

use crate::support::scene;
use crate::support::wait::{is, until};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{Api, PostParams};
use serde_json::json;
use tidegate::api::Reason;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn a_quota_that_refuses_the_new_pods() {
    scene("quota", async |s| {
        s.settled().await;
        let quota = json!({"metadata": {"name": "full"}, "spec": {"hard": {"pods": "4"}}});
        let api: Api<ResourceQuota> = s.api();
        api.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
        until("the quota is counted", async || {
            let status = api.get("full").await.unwrap().status.unwrap_or_default();
            is(status.used.is_some_and(|u| u["pods"].0 == "4"), (), "not yet")
        })
        .await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::PodsRefused).await;
        let message = end.rollout.unwrap().cause.unwrap().message;
        assert!(message.contains("quota"), "{message}");
        assert!(end.quarantine.is_empty());
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
    })
    .await;
}

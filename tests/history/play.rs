//! What really happens, before anything of it is damaged.

use crate::support::Scene;
use crate::support::jobs::inline;
use crate::support::manifests::{answers, release};
use crate::support::wait::{is, until};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use serde_json::json;
use tidegate::api::Reason;

pub(crate) const GOOD: &str = "sha-0000002";
pub(crate) const BAD: &str = "sha-0000003";
pub(crate) const SECRET: &str = "c4n4ry-of-the-history";

/// The old version is adopted, [`GOOD`] is released, and [`BAD`] is taken back from production.
pub(crate) async fn play(s: &Scene) {
    let secrets: Api<Secret> = s.api();
    let secret = json!({"metadata": {"name": "token"}, "stringData": {"token": SECRET}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    s.settled().await;
    let mut spec = release(GOOD);
    spec["stages"][0]["bake"] = json!("2s");
    spec["stages"][1]["hooks"] = json!([inline("migrate")]);
    s.apply(&spec).await;
    let token = s.awaiting(GOOD).await;
    s.promote(&token).await;
    s.verified(GOOD).await;
    until("the Release is let go", async || {
        let held = s.release().await.metadata.finalizers.unwrap_or_default();
        is(held.is_empty(), (), held)
    })
    .await;
    s.set_tag(BAD).await;
    let token = s.awaiting(BAD).await;
    s.behaves(BAD, answers("/items", 500)).await;
    s.promote(&token).await;
    s.rolled_back(BAD, Reason::SmokeTestFailed).await;
}

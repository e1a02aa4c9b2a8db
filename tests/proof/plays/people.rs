//! What people do, each when what they wait for has come.

pub(super) use super::deciders::*;
use super::{FOREIGN, NEW, NEWER, OLD};
use crate::support::Scene;
use crate::support::manifests::{deployment, image};
use crate::support::wait::{is, until};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tidegate::api::{Phase, ReleaseStatus};

/// Until this Deployment is told to run this tag.
pub(super) async fn runs(s: &Scene, deployment: &str, tag: &str) {
    until(&format!("{deployment} runs {tag}"), async || {
        let now = s.runs(deployment).await;
        is(now == tag, (), now)
    })
    .await;
}

/// Approves it, once asked to; before that, what `before` says of [`NEW`] comes true. Of what has ended already there
/// is nothing to approve: whether it may have ended so is judged at the end of the play.
pub(crate) async fn approve(s: &Scene, tag: &str, before: Option<Value>) {
    let of_tag = |status: &ReleaseStatus| status.rollout.as_ref().is_some_and(|r| r.image.short() == tag);
    let asks = |status: &ReleaseStatus| of_tag(status) && status.phase == Some(Phase::AwaitingPromotion);
    let ended = |status: &ReleaseStatus| of_tag(status) && status.running().is_none();
    let either = s.until_status(&format!("{tag} awaits promotion, or has ended"), |s| asks(s) || ended(s)).await;
    if ended(&either) {
        return;
    }
    let token = s.awaiting(tag).await;
    if let Some(behaviour) = before {
        s.behaves(NEW, behaviour).await;
    }
    s.promote(&token).await;
}

/// Until production runs [`NEW`], which never gets ready there.
pub(crate) async fn stuck_in_production(s: &Scene) {
    approve(s, NEW, Some(json!({"ready": {"never": true}}))).await;
    runs(s, "production", NEW).await;
}

pub(super) fn nobody(_: &Scene) -> LocalBoxFuture<'_, ()> {
    async {}.boxed_local()
}

pub(super) fn approves(s: &Scene) -> LocalBoxFuture<'_, ()> {
    approve(s, NEW, None).boxed_local()
}

pub(super) fn approves_what_is_ill_in_production(s: &Scene) -> LocalBoxFuture<'_, ()> {
    approve(s, NEW, Some(json!({"http": [{"path": "/health", "status": 503}]}))).boxed_local()
}

pub(super) fn approves_what_fails_its_smoke_test(s: &Scene) -> LocalBoxFuture<'_, ()> {
    approve(s, NEW, Some(json!({"http": [{"path": "/items", "status": 500}]}))).boxed_local()
}

pub(super) fn approves_what_fails_under_load(s: &Scene) -> LocalBoxFuture<'_, ()> {
    approve(s, NEW, Some(json!({"http": [{"path": "/load", "status": 500}]}))).boxed_local()
}

pub(super) fn approves_what_cannot_be_pulled(s: &Scene) -> LocalBoxFuture<'_, ()> {
    approve(s, NEW, Some(json!({"pull": {"fail": "notFound"}}))).boxed_local()
}

pub(super) fn approves_what_means_another_image_by_now(s: &Scene) -> LocalBoxFuture<'_, ()> {
    let another = format!("sha256:{}", "b".repeat(64));
    approve(s, NEW, Some(json!({"digest": another}))).boxed_local()
}

pub(super) fn abort_in_production(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        stuck_in_production(s).await;
        s.abort(s.status().await.rollout.unwrap().id).await;
    }
    .boxed_local()
}

pub(super) fn delete_in_production(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        stuck_in_production(s).await;
        s.delete().await;
    }
    .boxed_local()
}

pub(super) fn newer_while_staging_works(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        runs(s, "staging", NEW).await;
        s.set_tag(NEWER).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(super) fn newer_while_it_waits(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        s.awaiting(NEW).await;
        s.set_tag(NEWER).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(super) fn newer_while_production_works(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        stuck_in_production(s).await;
        s.set_tag(NEWER).await;
        s.behaves(NEW, json!({})).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

/// Production runs [`NEW`], is available, and its health check fails for as long as nobody mends it.
pub(super) fn newer_while_production_is_verified(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        approve(s, NEW, Some(json!({"http": [{"path": "/health", "status": 503}]}))).await;
        let asked = |s: &ReleaseStatus| {
            s.phase == Some(Phase::Verifying)
                && s.rollout.as_ref().is_some_and(|r| r.stage.as_deref() == Some("production"))
        };
        s.until_status("production is verified", asked).await;
        s.set_tag(NEWER).await;
        s.behaves(NEW, json!({})).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

/// It fails in production, and the version before does not get ready again: it is being restored.
pub(crate) async fn fails_and_does_not_come_back(s: &Scene) {
    let fails = json!([{"path": "/items", "status": 500}]);
    approve(s, NEW, Some(json!({"ready": {"never": true}, "http": fails}))).await;
    runs(s, "production", NEW).await;
    // In this order, so that nothing is restored before it is spoilt.
    s.behaves(OLD, json!({"ready": {"never": true}})).await;
    s.behaves(NEW, json!({"http": fails})).await;
    s.phase(NEW, Phase::Restoring).await;
    runs(s, "production", OLD).await;
}

pub(super) fn newer_while_production_comes_back(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        fails_and_does_not_come_back(s).await;
        s.set_tag(NEWER).await;
        s.behaves(OLD, json!({})).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(super) fn turns_ill_while_it_bakes(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        let bakes = |s: &ReleaseStatus| s.message.as_deref().unwrap_or_default().contains("bakes until");
        s.until_status("it bakes", bakes).await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
    }
    .boxed_local()
}

pub(super) fn person_changes_production(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        stuck_in_production(s).await;
        s.set_image("production", &image(FOREIGN)).await;
    }
    .boxed_local()
}

pub(super) fn gitops_reverts_production(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        stuck_in_production(s).await;
        s.apply_deployment(&deployment("production", &image(OLD), 1)).await;
    }
    .boxed_local()
}

pub(super) fn person_changes_the_image(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        runs(s, "staging", NEW).await;
        s.set_image("staging", &image(FOREIGN)).await;
    }
    .boxed_local()
}

/// The owner's manifest, with the old image in it, is applied again.
pub(super) fn gitops_reverts_the_workload(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        runs(s, "staging", NEW).await;
        s.apply_deployment(&deployment("staging", &image(OLD), 1)).await;
    }
    .boxed_local()
}

/// The edit itself is taken back in Git.
pub(super) fn git_reverts_the_release(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        runs(s, "staging", NEW).await;
        s.set_tag(OLD).await;
    }
    .boxed_local()
}

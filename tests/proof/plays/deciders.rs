//! People who decide on what has happened already: take back, accept, suspend, try again.

use super::people::{approve, runs};
use super::{NEW, NEWER, OLD, images};
use crate::support::Scene;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::json;
use tidegate::api::status::{HookStep, Step};
use tidegate::api::{Phase, Reason, ReleaseStatus, annotation};

pub(crate) fn approves_and_takes_it_back(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        approve(s, NEW, None).await;
        s.ended(NEW).await;
        take_back(s).await;
    }
    .boxed_local()
}

pub(crate) fn approves_and_takes_back_what_failed(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        approve(s, NEW, None).await;
        s.ends(NEW, Phase::Failed, Reason::RollbackAwaited).await;
        take_back(s).await;
    }
    .boxed_local()
}

/// Orders it, and waits until a rollout of its own has begun.
async fn take_back(s: &Scene) {
    let id = s.status().await.rollout.unwrap().id.to_string();
    let another = |s: &ReleaseStatus| s.rollout.as_ref().is_some_and(|r| r.id.to_string() != id);
    loop {
        s.annotate(json!({annotation::ROLLBACK: id, annotation::PROMOTED_BY: "admin"})).await;
        let heard = |s: &ReleaseStatus| another(s) || s.handled.rollback.as_ref() == Some(&id);
        if another(&s.until_status("the order is heard", heard).await) {
            return;
        }
        // It was refused, which is said: the order is taken back and given anew.
        s.annotate(json!({annotation::ROLLBACK: null})).await;
        s.until_status("the order is forgotten", |s| s.handled.rollback.is_none()).await;
    }
}

/// Waits until people must say what becomes of a stage; the token.
pub(crate) async fn held(s: &Scene) -> String {
    let waits =
        |s: &ReleaseStatus| s.conditions.iter().any(|c| c.type_ == "AwaitingPromotion" && c.reason == "Inconclusive");
    s.until_status("it is held", waits).await.rollout.unwrap().promotion.unwrap().token
}

pub(crate) fn accepts_what_could_not_be_asked(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        let token = held(s).await;
        s.promote(&token).await;
        let production = format!("production:{NEW}#");
        let asks = |s: &ReleaseStatus| {
            let promotion = s.rollout.as_ref().and_then(|r| r.promotion.as_ref());
            promotion.is_some_and(|p| p.token.starts_with(&production))
        };
        let status = s.until_status("production waits", asks).await;
        s.promote(&status.rollout.unwrap().promotion.unwrap().token).await;
    }
    .boxed_local()
}

pub(crate) fn aborts_what_could_not_be_asked(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        held(s).await;
        s.abort(s.status().await.rollout.unwrap().id).await;
    }
    .boxed_local()
}

pub(crate) fn suspends_and_goes_on(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        let token = s.awaiting(NEW).await;
        s.suspend(true).await;
        s.promote(&token).await;
        s.blocked(Reason::Suspended).await;
        s.suspend(false).await;
    }
    .boxed_local()
}

pub(crate) fn tries_again(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        s.ends(NEW, Phase::RolledBack, Reason::RolledBack).await;
        s.behaves(NEW, json!({})).await;
        s.retry("again").await;
        // Until then the rollout of this tag is the one that has ended.
        s.until_status("it is tried again", |s| s.running().is_some()).await;
        approve(s, NEW, None).await;
    }
    .boxed_local()
}

/// The old tag, then the bad one again, which nobody brings; then a newer one.
pub(crate) fn removes_the_tag_and_brings_it_again(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        s.ends(NEW, Phase::RolledBack, Reason::RolledBack).await;
        s.set_tag(OLD).await;
        s.verified(OLD).await;
        s.behaves(NEW, json!({})).await;
        s.set_tag(NEW).await;
        s.ends(NEW, Phase::Failed, Reason::Quarantined).await;
        s.set_tag(NEWER).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(crate) fn newer_while_suspended(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        runs(s, "staging", NEW).await;
        s.suspend(true).await;
        s.set_tag(NEWER).await;
        runs(s, "staging", OLD).await;
        s.suspend(false).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(crate) async fn migrates(s: &Scene) {
    let at_work = |s: &ReleaseStatus| {
        let stages = s.rollout.as_ref().filter(|r| r.step == Step::RunningHooks).map(|r| r.stages.as_slice());
        stages.into_iter().flatten().flat_map(|s| &s.hooks).any(|h| h.state == HookStep::Running)
    };
    s.until_status("a hook is at work", at_work).await;
}

pub(crate) fn aborts_the_migration(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        migrates(s).await;
        s.abort(s.status().await.rollout.unwrap().id).await;
    }
    .boxed_local()
}

pub(crate) fn newer_while_it_migrates(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        migrates(s).await;
        s.set_tag(NEWER).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

pub(crate) fn pushes_and_approves(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        s.blocked(Reason::ImageNotFound).await;
        images::push(s, NEW, "new").await;
        approve(s, NEW, None).await;
    }
    .boxed_local()
}

pub(crate) fn pushes_and_moves_the_tag(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        images::push(s, NEW, "new").await;
        let token = s.awaiting(NEW).await;
        images::move_tag(s, NEW).await;
        s.promote(&token).await;
    }
    .boxed_local()
}

pub(crate) fn pushes_a_newer_one(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        images::push_sick(s, NEW).await;
        runs(s, "staging", NEW).await;
        images::push(s, NEWER, "newer").await;
        s.set_tag_of(&images::repository(s), NEWER).await;
        approve(s, NEWER, None).await;
    }
    .boxed_local()
}

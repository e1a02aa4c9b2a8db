//! What may become of a status, of the stamps on workloads and of annotations while nobody looks.

use crate::support::Scene;
use crate::support::people::RELEASE;
use crate::support::workloads::owner;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tidegate::api::{Release, annotation};

pub(crate) struct Damage {
    pub(crate) name: &'static str,
    pub(crate) comes: Comes,
    pub(crate) does: for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, Hit>,
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Comes {
    /// The rollout goes on, or ends.
    On,
    /// The Release cannot be decoded any more.
    Unreadable,
    /// The schema of the Release does not let it happen.
    Refused,
}

/// What the API server said to it.
pub(crate) enum Hit {
    Done,
    Refused(String),
}

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

macro_rules! status {
    ($name:literal, $comes:ident, $change:expr) => {
        Damage { name: $name, comes: Comes::$comes, does: |s| status(s, $change).boxed_local() }
    };
}

macro_rules! stamp {
    ($name:literal, $change:expr) => {
        Damage { name: $name, comes: Comes::On, does: |s| stamps(s, $change).boxed_local() }
    };
}

pub(crate) const DAMAGES: &[Damage] = &[
    status!("status-deleted", On, |s| *s = json!({})),
    status!("targets-dropped", On, |s| each_stage(s, |stage| stage["targets"] = json!([]))),
    status!("ways-back-dropped", On, |s| each_target(s, |t| drop(t.as_object_mut().map(|t| t.remove("wayBack"))))),
    status!("ways-back-emptied", On, |s| each_target(s, |t| if t["wayBack"].is_object() {
        t["wayBack"]["images"] = json!([])
    })),
    status!("uids-wrong", On, |s| each_target(s, |t| t["uid"] = json!(NOBODY))),
    status!("effects-of-another", On, |s| each_target(s, |t| t["effect"] =
        json!(format!("{NOBODY}/9-9/staging/web/forward")))),
    status!("steps-reset", On, |s| each_target(s, |t| t["state"] = json!("Untouched"))),
    status!("older-version", On, |s| {
        for field in ["attempts", "stable", "handled", "announced", "announcements"] {
            s.as_object_mut().map(|s| s.remove(field));
        }
        each_stage(s, |stage| {
            for field in ["checks", "purpose", "baselines"] {
                stage.as_object_mut().map(|s| s.remove(field));
            }
        });
    }),
    status!("hash-of-a-newer-version", On, |s| if s["settled"].is_object() {
        s["settled"]["hash"] = json!("v99:0123456789abcdef")
    }),
    status!("spec-unreadable", On, |s| if s["rollout"]["spec"].is_object() {
        s["rollout"]["spec"] = json!({"stages": 7})
    }),
    status!("spec-emptied", On, |s| if s["rollout"]["spec"].is_object() {
        s["rollout"]["spec"] = json!({})
    }),
    status!("message-huge", On, |s| s["message"] = json!("x".repeat(200_000))),
    status!("rollout-forgotten", On, |s| drop(s.as_object_mut().map(|s| s.remove("rollout")))),
    status!("debts-forgotten", On, |s| drop(s.as_object_mut().map(|s| s.remove("debts")))),
    status!("phase-unknown", Unreadable, |s| s["phase"] = json!("Dancing")),
    status!("rollout-not-an-object", Refused, |s| s["rollout"] = json!("1-1")),
    status!("image-missing", Unreadable, |s| s["rollout"] =
        json!({"id": "1-1", "step": "Rolling", "startedAt": "2026-01-01T00:00:00Z"})),
    status!("stages-emptied", Unreadable, |s| s["rollout"] = json!({
        "id": "1-1", "image": "reg/app:sha-1", "step": "Rolling", "startedAt": "2026-01-01T00:00:00Z", "stages": []
    })),
    stamp!("stamps-garbage", |_| Some("{\"effect\": ".to_owned())),
    stamp!("stamps-huge", |_| Some("x".repeat(200_000))),
    stamp!("stamps-removed", |_| None),
    stamp!("stamps-of-another", |old| old.map(|mut stamp| {
        stamp["uid"] = json!(NOBODY);
        stamp.to_string()
    })),
    // Of the rollout that brought the version before this one.
    stamp!("stamps-older", |old| old.map(|mut stamp| {
        let effect = stamp["effect"].as_str().unwrap_or_default().replacen("/2-1/", "/1-1/", 1);
        stamp["effect"] = json!(effect);
        stamp.to_string()
    })),
    Damage { name: "annotations-deleted", comes: Comes::On, does: |s| no_annotations(s).boxed_local() },
    Damage { name: "approval-cut", comes: Comes::On, does: |s| cut_approval(s).boxed_local() },
    Damage { name: "annotations-huge", comes: Comes::On, does: |s| annotations(s).boxed_local() },
];

/// Changes the status as a careless `kubectl replace --subresource=status` does.
async fn status(s: &Scene, change: fn(&mut Value)) -> Hit {
    let kind = ApiResource::erase::<Release>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(s.client.clone(), &s.ns, &kind);
    let mut object = api.get(RELEASE).await.unwrap();
    change(&mut object.data["status"]);
    match api.replace_status(RELEASE, &PostParams::default(), &object).await {
        Ok(_) => Hit::Done,
        Err(kube::Error::Api(status)) => Hit::Refused(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// Changes the stamps on both workloads.
async fn stamps(s: &Scene, change: fn(Option<Value>) -> Option<String>) -> Hit {
    let api: Api<Deployment> = s.api();
    for name in ["staging", "production"] {
        let old = s.deployment(name).await.metadata.annotations.and_then(|a| a.get(annotation::STAMP).cloned());
        let new = change(old.and_then(|old| serde_json::from_str(&old).ok()));
        let patch = json!({"metadata": {"annotations": {annotation::STAMP: new}}});
        api.patch(
            name,
            &PatchParams { field_manager: owner().field_manager, ..PatchParams::default() },
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
    }
    Hit::Done
}

async fn annotations(s: &Scene) -> Hit {
    let long = "x".repeat(60_000);
    s.annotate(json!({annotation::ABORT: long, annotation::PROMOTE: long, annotation::ROLLBACK: long, annotation::PROMOTED_BY: "admin"}))
        .await;
    Hit::Done
}

async fn no_annotations(s: &Scene) -> Hit {
    let all =
        [annotation::ABORT, annotation::PROMOTE, annotation::PROMOTED_BY, annotation::RETRY, annotation::ROLLBACK];
    s.annotate(all.into_iter().map(|name| (name.to_owned(), Value::Null)).collect::<serde_json::Map<_, _>>().into())
        .await;
    Hit::Done
}

/// The approval that is there, or the one that is asked for, without its end.
async fn cut_approval(s: &Scene) -> Hit {
    let there = s.release().await.metadata.annotations.and_then(|a| a.get(annotation::PROMOTE).cloned());
    let asked = s.status().await.rollout.and_then(|r| r.promotion).map(|p| p.token);
    let whole = there.or(asked).unwrap_or_else(|| "production:sha-0000002".to_owned());
    let tag = whole.split('#').next().unwrap_or_default();
    s.annotate(json!({annotation::PROMOTE: tag[..tag.len() - 2], annotation::PROMOTED_BY: "admin"})).await;
    Hit::Done
}

fn each_stage(status: &mut Value, change: impl Fn(&mut Value)) {
    let stages = status["rollout"]["stages"].as_array_mut();
    stages.into_iter().flatten().for_each(change);
}

fn each_target(status: &mut Value, change: impl Fn(&mut Value)) {
    each_stage(status, |stage| stage["targets"].as_array_mut().into_iter().flatten().for_each(&change));
}

//! How a target stands: there, absent, ending, refused, held by another Release, or in a namespace that lets us in.

use crate::scene::{Scene, container_image, release, stamp, web, write};
use crate::support::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tidegate::api::effect::TargetWrite;
use tidegate::api::view::{LiveTarget, TargetView};
use tidegate::api::{NsName, Release};

const ONE: &str = "registry.test/app:1";

fn held(mut manifest: Value) -> Value {
    manifest["metadata"]["finalizers"] = json!(["test.example/hold"]);
    manifest
}

async fn let_go(scene: &Scene) {
    scene.merge(json!({"metadata": {"finalizers": null}})).await;
}

#[tokio::test]
async fn absent_ending_and_gone() {
    let scene = Scene::open("ends").await;
    assert_eq!(scene.seen().await, TargetView::Absent);
    scene.apply::<Deployment>("flux", &held(web(ONE))).await;
    assert!(matches!(scene.seen().await, TargetView::Live(_)));
    scene.api::<Deployment>().delete("web", &DeleteParams::background()).await.unwrap();
    assert_eq!(scene.seen().await, TargetView::Terminating);
    let_go(&scene).await;
    until("web to be gone", async || match scene.seen().await {
        TargetView::Absent => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    scene.judge().await;
}

#[tokio::test]
async fn a_target_of_an_ending_namespace_is_ending() {
    let scene = Scene::open("ns-ends").await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let hold = json!({"metadata": {"finalizers": ["test.example/hold"]}});
    namespaces.patch(&scene.ns, &PatchParams::default(), &Patch::Merge(hold)).await.unwrap();
    namespaces.delete(&scene.ns, &DeleteParams::default()).await.unwrap();
    assert_eq!(scene.seen().await, TargetView::Terminating, "absent, in a namespace that ends");
    let free = json!({"metadata": {"finalizers": null}});
    namespaces.patch(&scene.ns, &PatchParams::default(), &Patch::Merge(free)).await.unwrap();
    scene.judge().await;
}

#[tokio::test]
async fn whoever_may_not_read_is_told_the_servers_sentence() {
    let scene = Scene::open_as_stranger("read-denied").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let seen = scene.seen().await;
    let TargetView::Denied(message) = seen else { panic!("{seen:?}") };
    assert!(message.contains("\"mallory\" cannot get resource \"deployments\""), "{message}");
    let error = scene.observer.release(&NsName::new(&*scene.ns, "checkout")).await.unwrap_err();
    assert_eq!((error.category(), error.is_transient()), ("denied", false));
}

#[tokio::test]
async fn consent_of_a_namespace_is_read_only_for_strangers() {
    let scene = Scene::open("consent").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let allow = json!({"metadata": {"annotations": {"tidegate.dev/allow-from": "elsewhere/checkout"}}});
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces.patch(&scene.ns, &PatchParams::default(), &Patch::Merge(allow)).await.unwrap();
    let consents = async |from: &str| match scene.seen_by(&release(from, "u"), &scene.ns).await {
        TargetView::Live(live) => live.allow_from,
        other => panic!("{other:?}"),
    };
    assert_eq!(consents("elsewhere").await, ["elsewhere/checkout"]);
    assert!(consents(&scene.ns).await.is_empty(), "mallory asks for consent at home");
    let own = json!({"metadata": {"annotations": {"tidegate.dev/allow-from": "third/*"}}});
    scene.merge(own).await;
    assert_eq!(consents("third").await, ["third/*"], "the workload's own consent is enough");
    assert_eq!(consents("elsewhere").await, ["third/*", "elsewhere/checkout"]);
    scene.judge().await;
}

/// A Release `name` that lists Deployment `deployment`; its uid.
async fn make_release(scene: &Scene, name: &str, deployment: &str) -> String {
    let target =
        json!({"name": "web", "kubernetes": {"kind": "Deployment", "name": deployment, "containers": ["app"]}});
    let stage = json!({
        "name": "only", "promotion": {"mode": "Automatic"}, "targets": [target], "checks": "None",
    });
    let image = json!({"repository": "registry.test/app", "tag": "sha-1111111"});
    let object = json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Release", "metadata": {"name": name},
        "spec": {"image": image, "stages": [stage]},
    });
    let made: Release = serde_json::from_value(object).unwrap();
    scene.api::<Release>().create(&PostParams::default(), &made).await.unwrap().uid().unwrap()
}

#[tokio::test]
async fn a_workload_belongs_to_the_release_that_stamped_it_while_that_lists_it() {
    let scene = Scene::open("claim").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let uid = make_release(&scene, "first", "web").await;
    let first = NsName::new(&*scene.ns, "first");
    let stamped = stamp(&first, &uid, &[container_image("app", ONE)]);
    let stamping = |live: &LiveTarget| TargetWrite { stamp: stamped.clone(), ..write(live, &[("app", ONE)]) };
    scene.answer(stamping).await;
    let claimed = async |by: &str| match scene.seen_by(&release(&scene.ns, by), &scene.ns).await {
        TargetView::Live(live) => live.claimed_by,
        other => panic!("{other:?}"),
    };
    assert_eq!(claimed("another-uid").await, Some(first.clone()));
    assert_eq!(claimed(&uid).await, None, "its own");
    let releases = scene.api::<Release>();
    let other = json!([{"op": "replace", "path": "/spec/stages/0/targets/0/kubernetes/name", "value": "other"}]);
    let patch = Patch::Json::<()>(serde_json::from_value(other).unwrap());
    releases.patch("first", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(claimed("another-uid").await, None, "it lists the workload no more");
    let back = json!([{"op": "replace", "path": "/spec/stages/0/targets/0/kubernetes/name", "value": "web"}]);
    let patch = Patch::Json::<()>(serde_json::from_value(back).unwrap());
    releases.patch("first", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(claimed("another-uid").await, Some(first));
    releases.delete("first", &DeleteParams::default()).await.unwrap();
    assert_eq!(claimed("another-uid").await, None, "it is gone");
    make_release(&scene, "first", "web").await;
    assert_eq!(claimed("another-uid").await, None, "one of its name is another");
    scene.judge().await;
}

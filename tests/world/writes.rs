//! What a write does, and what each refusal is told as.

use crate::scene::{Scene, web, write};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use tidegate::api::effect::{Answer, Refused, TargetWrite};
use tidegate::api::view::LiveTarget;

const ONE: &str = "registry.test/app:1";
const TWO: &str = "registry.test/app:2";
const ELSEWHERE: &str = "00000000-0000-4000-8000-000000000000";

fn image(deployment: &Deployment, container: &str) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let init = pod.init_containers.iter().flatten();
    pod.containers.iter().chain(init).find(|c| c.name == container)?.image.clone()
}

fn refused(answer: &Answer) -> Refused {
    match answer {
        Answer::Refused { kind, .. } => *kind,
        other => panic!("{other:?}"),
    }
}

fn owned_by(deployment: &Deployment, manager: &str) -> Value {
    let entry = deployment.managed_fields().iter().find(|e| e.manager.as_deref() == Some(manager));
    entry.and_then(|e| e.fields_v1.clone()).map(|f| f.0).unwrap_or_default()
}

#[tokio::test]
async fn a_fresh_write_owns_the_image_and_the_stamp_alone() {
    let scene = Scene::open("fresh").await;
    let before = scene.apply::<Deployment>("flux", &web(ONE)).await;
    let answer = scene.answer(|live| write(live, &[("app", TWO)])).await;
    let after = scene.deployment().await;
    let Answer::Applied { generation, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((generation, after.metadata.generation), (2, Some(2)));
    assert_eq!(image(&after, "app").as_deref(), Some(TWO));
    let named = json!({"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}}}});
    let owned = json!({
        "f:metadata": {"f:annotations": {"f:tidegate.dev/stamp": {}}},
        "f:spec": {"f:template": {"f:spec": named}},
    });
    assert_eq!(owned_by(&after, "tidegate"), owned);
    let mut spec = before.spec.unwrap();
    spec.template.spec.as_mut().unwrap().containers[0].image = Some(TWO.into());
    assert_eq!(after.spec.unwrap(), spec, "nothing but the image is changed");
    let live = scene.live().await;
    assert_eq!(live.stamp, Some(write(&live, &[("app", TWO)]).stamp));
    scene.judge().await;
}

#[tokio::test]
async fn a_stale_write_changes_nothing() {
    let scene = Scene::open("stale").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let live = scene.live().await;
    scene.merge(json!({"metadata": {"labels": {"touched": "yes"}}})).await;
    assert_eq!(refused(&scene.write(&write(&live, &[("app", TWO)])).await), Refused::Conflict);
    assert_eq!(image(&scene.deployment().await, "app").as_deref(), Some(ONE));
    scene.judge().await;
}

#[tokio::test]
async fn a_write_meant_for_another_object_changes_nothing() {
    let scene = Scene::open("other").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let live = scene.live().await;
    let other = |live: &LiveTarget| TargetWrite { uid: ELSEWHERE.into(), ..write(live, &[("app", TWO)]) };
    assert_eq!(refused(&scene.answer(other).await), Refused::Gone, "fresh version, other uid");
    let api = scene.api::<Deployment>();
    api.delete("web", &DeleteParams::background()).await.unwrap();
    assert_eq!(refused(&scene.write(&write(&live, &[("app", TWO)])).await), Refused::Gone, "absent");
    assert!(api.get_opt("web").await.unwrap().is_none(), "a write creates nothing");
    let again: Deployment = serde_json::from_value(web(ONE)).unwrap();
    api.create(&PostParams::default(), &again).await.unwrap();
    let answer = scene.write(&write(&live, &[("app", TWO)])).await;
    assert_eq!(refused(&answer), Refused::Conflict, "made anew: its version is another, and that is looked at first");
    assert_eq!(image(&scene.deployment().await, "app").as_deref(), Some(ONE));
    scene.judge().await;
}

#[tokio::test]
async fn a_container_left_out_asks_to_remove_its_image() {
    let scene = Scene::open("left-out").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    scene.bring(&[("app", TWO)]).await;
    let answer = scene.answer(|live| write(live, &[("sidecar", "registry.test/proxy:2")])).await;
    let Answer::Refused { kind: Refused::Invalid, message } = answer else { panic!("{answer:?}") };
    assert!(message.contains("spec.template.spec.containers[0].image: Required value"), "{message}");
    scene.bring(&[("app", TWO), ("sidecar", "registry.test/proxy:2")]).await;
    scene.judge().await;
}

#[tokio::test]
async fn a_container_whose_owner_renamed_it_is_told_and_given_up() {
    let scene = Scene::open("orphan").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    scene.bring(&[("app", TWO)]).await;
    assert!(!scene.live().await.container("app").unwrap().orphaned);
    let mut renamed = web(ONE);
    renamed["spec"]["template"]["spec"]["containers"][0]["name"] = json!("api");
    scene.apply::<Deployment>("flux", &renamed).await;
    let live = scene.live().await;
    let orphans: Vec<_> = live.containers.iter().filter(|c| c.orphaned).map(|c| c.name.as_str()).collect();
    assert_eq!(orphans, ["app"], "it stays behind with our image alone");
    scene.bring(&[("api", TWO)]).await;
    let after = scene.deployment().await;
    assert_eq!((image(&after, "app"), image(&after, "api").as_deref()), (None, Some(TWO)));
    scene.judge().await;
}

#[tokio::test]
async fn init_containers_are_written_where_they_stand() {
    let scene = Scene::open("init").await;
    let mut manifest = web(ONE);
    manifest["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "prepare", "image": ONE}]);
    scene.apply::<Deployment>("flux", &manifest).await;
    let live = scene.live().await;
    assert!(live.container("prepare").unwrap().init);
    scene.bring(&[("app", TWO), ("prepare", TWO)]).await;
    let after = scene.deployment().await;
    assert_eq!((image(&after, "app").as_deref(), image(&after, "prepare").as_deref()), (Some(TWO), Some(TWO)));
    let pod = after.spec.unwrap().template.spec.unwrap();
    assert_eq!((pod.containers.len(), pod.init_containers.unwrap().len()), (2, 1));
    assert_eq!(scene.live().await.container("prepare").unwrap().owners, ["tidegate"]);
    scene.judge().await;
}

#[tokio::test]
async fn a_revert_by_a_gitops_tool_shows_in_the_owners() {
    let scene = Scene::open("revert").await;
    scene.apply::<Deployment>("kustomize-controller", &web(ONE)).await;
    let owners = |live: &LiveTarget| live.container("app").unwrap().owners.clone();
    let live = scene.live().await;
    assert_eq!(
        (owners(&live), live.gitops.as_deref()),
        (vec!["kustomize-controller".into()], Some("kustomize-controller"))
    );
    scene.bring(&[("app", TWO)]).await;
    let live = scene.live().await;
    assert_eq!((owners(&live), live.gitops.as_deref()), (vec!["tidegate".into()], Some("kustomize-controller")));
    scene.apply::<Deployment>("kustomize-controller", &web(ONE)).await;
    let live = scene.live().await;
    assert_eq!(owners(&live), ["kustomize-controller"]);
    assert_eq!(live.container("app").unwrap().image.as_str(), ONE);
    assert!(live.stamp.is_some(), "the stamp stays, so it counts only with the image");
    scene.judge().await;
}

#[tokio::test]
async fn whoever_may_not_write_is_told_the_servers_sentence() {
    let scene = Scene::open("write-denied").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let live = scene.live().await;
    let mallory = Scene::open_as_stranger("write-denied-mallory").await;
    let answer = mallory.write(&write(&live, &[("app", TWO)])).await;
    let Answer::Refused { kind: Refused::Forbidden, message } = answer else { panic!("{answer:?}") };
    assert!(message.contains("\"mallory\" cannot patch resource \"deployments\""), "{message}");
    scene.judge().await;
}

//! What a rollout looks like while it goes on, and when it cannot.

use crate::scene::{Scene, web};
use crate::support::wait::until;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ResourceQuota;
use serde_json::json;
use tidegate::api::view::{ContainerRun, LiveTarget};

const ONE: &str = "registry.test/app:1";
const TWO: &str = "registry.test/app:2";

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

#[tokio::test]
async fn revision_pods_and_digests_follow_the_rollout() {
    let scene = Scene::open("rollout").await;
    // status.image names another tag: only imageID counts.
    let entries = [
        json!({"image": ONE, "digest": digest("a")}),
        json!({"image": TWO, "digest": digest("b"), "reportedImage": ONE}),
    ];
    scene.images(&entries).await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let before = scene.settled().await;
    let told = |l: &LiveTarget| l.container("app").unwrap().digest.as_ref().map(ToString::to_string);
    assert_eq!(told(&before), Some(digest("a")));
    assert_eq!((before.pods.len(), before.pods.iter().all(|p| p.ready)), (2, true));
    scene.bring(&[("app", TWO)]).await;
    let after = scene.settled().await;
    assert!(after.revision.is_some() && after.revision != before.revision);
    assert_eq!(told(&after), Some(digest("b")));
    assert!(after.pods.iter().all(|new| before.pods.iter().all(|old| old.uid != new.uid)), "{:#?}", after.pods);
    let progressing = after.progressing.unwrap();
    assert_eq!((progressing.status.as_str(), progressing.reason.as_str()), ("True", "NewReplicaSetAvailable"));
    scene.bring(&[("app", ONE)]).await;
    let back = scene.settled().await;
    assert_eq!(
        (back.revision, told(&scene.live().await)),
        (before.revision, Some(digest("a"))),
        "the old set serves again"
    );
    scene.judge().await;
}

#[tokio::test]
async fn a_paused_deployment_has_no_revision_of_its_new_template() {
    let scene = Scene::open("paused").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    scene.settled().await;
    scene.merge(json!({"spec": {"paused": true}})).await;
    scene.bring(&[("app", TWO)]).await;
    let seen = scene.until("the change to be seen", |l| l.observed_generation >= l.generation).await;
    assert_eq!((seen.paused, seen.revision, seen.pods.len()), (true, None, 0));
    scene.judge().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_seen_in_the_new_pods_only() {
    let scene = Scene::open("pull").await;
    let entries = [json!({"image": TWO, "pull": {"fail": "notFound"}})];
    scene.images(&entries).await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    scene.settled().await;
    scene.bring(&[("app", TWO)]).await;
    let failing = |state: &ContainerRun| {
        matches!(state, ContainerRun::Waiting { reason, message }
            if reason == "ErrImagePull" && message.ends_with("not found"))
    };
    let waiting = |l: &LiveTarget| l.pods.iter().flat_map(|p| &p.containers).any(|c| failing(&c.state));
    let seen = scene.until("the pull to fail", waiting).await;
    assert!(seen.pods.iter().all(|p| !p.ready), "{:#?}", seen.pods);
    assert_eq!(seen.container("app").unwrap().digest, None);
    scene.judge().await;
}

#[tokio::test]
async fn a_quota_shows_as_replica_failure() {
    let scene = Scene::open("quota").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    scene.settled().await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
    });
    scene.apply::<ResourceQuota>("test", &quota).await;
    until("the quota to count", async || {
        let quota = scene.api::<ResourceQuota>().get("none").await.unwrap();
        let used = quota.status.and_then(|s| s.used).and_then(|u| u.get("pods").cloned());
        used.map(|_| ()).ok_or_else(|| "no use is counted".to_owned())
    })
    .await;
    scene.bring(&[("app", TWO)]).await;
    let seen = scene.until("the refusal to show", |l| l.replica_failure.is_some()).await;
    let message = seen.replica_failure.unwrap();
    assert!(message.contains("exceeded quota: none"), "{message}");
    scene.judge().await;
}

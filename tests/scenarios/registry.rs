//! Images resolved through a real registry before they are written, and held against what then runs.

use crate::support::controller::Controller;
use crate::support::registry::{PASSWORD, Pushed, Registry, USER};
use crate::support::{Scene, release, scene};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// The Release of every scene here, which asks `registry`.
fn resolving(registry: &Registry, tag: &str) -> Value {
    let mut spec = release(tag);
    let image = spec["image"].as_object_mut().unwrap();
    image.insert("repository".to_owned(), json!(registry.repository("shop")));
    image.insert("resolve".to_owned(), json!("Registry"));
    spec
}

fn image(registry: &Registry, tag: &str) -> String {
    format!("{}:{tag}", registry.repository("shop"))
}

/// Both Deployments run `OLD`, and the registry has it.
async fn old_runs(s: &Scene, registry: &Registry) {
    let pushed = registry.push("shop", OLD, "old").await;
    s.image_behaves(&image(registry, OLD), json!({"digest": pushed.index})).await;
    let old = image(registry, OLD);
    futures::join!(s.app_of("staging", &old), s.app_of("production", &old));
}

/// The same, adopted by the Release.
async fn settled(s: &Scene, registry: &Registry) {
    old_runs(s, registry).await;
    s.apply(&resolving(registry, OLD)).await;
    s.verified(OLD).await;
}

/// From now on pods of the new tag report this.
async fn reports(s: &Scene, registry: &Registry, digest: &str) {
    s.image_behaves(&image(registry, NEW), json!({ "digest": digest })).await;
}

async fn new_is_pushed(s: &Scene, registry: &Registry) -> Pushed {
    // The controller may ask at any time: pods report it before the tag is there.
    let same = registry.push("shop", "sha-00000ff", "new").await;
    reports(s, registry, &same.index).await;
    let pushed = registry.push("shop", NEW, "new").await;
    assert_eq!(pushed.index, same.index);
    pushed
}

async fn pull_secret(s: &Scene, registry: &Registry, password: &str) {
    let auths = json!({"auths": {registry.addr.to_string(): {"username": USER, "password": password}}});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": auths.to_string()},
    });
    let api: Api<Secret> = s.api();
    api.patch("pull", &PatchParams::apply("test").force(), &Patch::Apply(secret)).await.unwrap();
}

fn digest(status: &ReleaseStatus) -> Option<String> {
    status.rollout.as_ref().and_then(|r| r.digest.as_ref()).map(ToString::to_string)
}

/// Waits until it is blocked by this and the message says why.
async fn blocked(s: &Scene, reason: Reason, why: &str) {
    s.blocked(reason).await;
    s.until_status(why, |st| st.message.as_ref().is_some_and(|m| m.contains(why))).await;
}

/// Nodes of two platforms report two digests of one index, and kubelets may report the index itself.
#[tokio::test]
async fn platforms_of_one_index_are_one_image() {
    scene("registry-good", async |s| {
        let registry = Registry::start("none");
        settled(s, &registry).await;
        let pushed = registry.push("shop", NEW, "new").await;
        reports(s, &registry, &pushed.amd64).await;
        s.apply(&resolving(&registry, NEW)).await;
        let token = s.awaiting(NEW).await;
        reports(s, &registry, &pushed.arm64).await;
        s.promote(&token).await;
        let end = s.verified(NEW).await;
        assert_eq!(digest(&end), Some(pushed.index.clone()));
        let known = end.indexes.iter().find(|i| i.digest.as_str() == pushed.index).unwrap();
        assert_eq!(known.members.len(), 2, "{known:?}");
        assert!(s.event(Reason::RolloutStarted).await.contains(&pushed.index));
        assert_eq!(s.tags("staging").await, [OLD, NEW], "what is written is the tag");
        assert_eq!(s.tags("production").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_is_not_pushed_yet_is_waited_for() {
    scene("registry-late", async |s| {
        let registry = Registry::start("none");
        settled(s, &registry).await;
        s.apply(&resolving(&registry, NEW)).await;
        blocked(s, Reason::ImageNotFound, "is not in its registry").await;
        assert_eq!(s.tags("staging").await, [OLD]);
        new_is_pushed(s, &registry).await;
        s.awaiting(NEW).await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_moves_after_staging_never_reaches_production() {
    scene("registry-moved", async |s| {
        let registry = Registry::start("none");
        settled(s, &registry).await;
        let before = new_is_pushed(s, &registry).await;
        s.apply(&resolving(&registry, NEW)).await;
        let token = s.awaiting(NEW).await;
        let after = registry.push("shop", NEW, "another").await;
        s.promote(&token).await;
        let end = s.ends(NEW, Phase::Failed, Reason::DigestDiffers).await;
        let said = end.message.unwrap();
        assert!(said.contains(&before.index) && said.contains(&after.index) && said.contains("moved"), "{said}");
        assert!(end.quarantine.is_empty());
        assert_eq!(s.tags("production").await, [OLD]);
        assert_eq!(s.tags("staging").await, [OLD, NEW], "what was verified stays");
    })
    .await;
}

#[tokio::test]
async fn pods_that_run_something_else_are_taken_back() {
    scene("registry-foreign", async |s| {
        let registry = Registry::start("none");
        settled(s, &registry).await;
        let pushed = new_is_pushed(s, &registry).await;
        let foreign = format!("sha256:{}", "f".repeat(64));
        reports(s, &registry, &foreign).await;
        s.apply(&resolving(&registry, NEW)).await;
        let end = s.rolled_back(NEW, Reason::DigestDiffers).await;
        let said = end.rollout.unwrap().cause.unwrap().message;
        assert!(said.contains(&foreign) && said.contains(&pushed.index), "{said}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

/// With each way in which registries ask for credentials; they are seen nowhere.
#[tokio::test]
async fn credentials_come_from_the_named_secret() {
    for access in ["basic", "token"] {
        scene(&format!("registry-{access}"), async |s| {
            let registry = Registry::start(access);
            old_runs(s, &registry).await;
            let mut spec = resolving(&registry, OLD);
            spec["image"]["requireDigest"] = json!(true);
            s.apply(&spec).await;
            blocked(s, Reason::DigestUnknown, "without credentials: see image.pullSecret").await;
            spec["image"]["pullSecret"] = json!("pull");
            s.apply(&spec).await;
            blocked(s, Reason::DigestUnknown, "Secret pull does not exist").await;
            pull_secret(s, &registry, "guessed").await;
            blocked(s, Reason::DigestUnknown, "with the credentials of Secret pull").await;
            pull_secret(s, &registry, PASSWORD).await;
            s.verified(OLD).await;
            let events: Vec<_> = s.events().await.into_iter().filter_map(|e| e.note).collect();
            let told = format!("{:?} {events:?}", s.release().await);
            let log = std::fs::read_to_string(&Controller::shared().log).unwrap();
            for secret in [PASSWORD, "guessed", "cm9ib3Q6"] {
                assert!(!told.contains(secret) && !log.contains(secret), "{secret} was told");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_public_needs_no_credentials() {
    scene("registry-public", async |s| {
        let registry = Registry::start("token");
        let pushed = registry.push("public/shop", OLD, "old").await;
        let image = format!("{}:{OLD}", registry.repository("public/shop"));
        s.image_behaves(&image, json!({"digest": pushed.amd64})).await;
        futures::join!(s.app_of("staging", &image), s.app_of("production", &image));
        let mut spec = resolving(&registry, OLD);
        spec["image"]["repository"] = json!(registry.repository("public/shop"));
        spec["image"]["requireDigest"] = json!(true);
        s.apply(&spec).await;
        assert_eq!(digest(&s.verified(OLD).await), Some(pushed.index));
    })
    .await;
}

/// Unknown is not different: it is said, and what pods report decides; unless digests are required.
#[tokio::test]
async fn a_registry_that_is_down_stops_only_who_requires_digests() {
    scene("registry-down", async |s| {
        let registry = Registry::start("none");
        settled(s, &registry).await;
        let pushed = new_is_pushed(s, &registry).await;
        let address = registry.addr;
        let spec = |tag: &str| resolving(&registry, tag);
        let (new, mut next) = (spec(NEW), spec("sha-0000003"));
        drop(registry);
        s.apply(&new).await;
        let token = s.awaiting(NEW).await;
        assert!(s.event(Reason::DigestUnknown).await.contains("connection refused"));
        assert_eq!(digest(&s.status().await), Some(pushed.index.clone()), "as pods report it");
        s.promote(&token).await;
        s.verified(NEW).await;
        next["image"]["requireDigest"] = json!(true);
        s.apply(&next).await;
        blocked(s, Reason::DigestUnknown, "connection refused").await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
        let registry = Registry::start_at(&address.to_string(), "none");
        let pushed = registry.push("shop", "sha-0000003", "next").await;
        s.image_behaves(&image(&registry, "sha-0000003"), json!({"digest": pushed.index})).await;
        s.awaiting("sha-0000003").await;
    })
    .await;
}

/// Digests are those of contents, so that a faithful copy has the same.
#[tokio::test]
async fn a_mirror_must_hold_the_same_image() {
    scene("registry-mirror", async |s| {
        let (registry, mirror) = (Registry::start("none"), Registry::start("none"));
        let resolved = |tag: &str| {
            let mut spec = resolving(&registry, tag);
            spec["stages"][1]["targets"][0]["repository"] = json!(mirror.repository("shop"));
            spec
        };
        let old = registry.push("shop", OLD, "old").await;
        mirror.push("shop", OLD, "old").await;
        for at in [&registry, &mirror] {
            s.image_behaves(&image(at, OLD), json!({"digest": old.index})).await;
        }
        let (here, there) = (image(&registry, OLD), image(&mirror, OLD));
        futures::join!(s.app_of("staging", &here), s.app_of("production", &there));
        s.apply(&resolved(OLD)).await;
        s.verified(OLD).await;

        let new = new_is_pushed(s, &registry).await;
        let packed_anew = mirror.push_one("shop", NEW, "new, packed anew").await;
        s.apply(&resolved(NEW)).await;
        blocked(s, Reason::DigestDiffers, &packed_anew).await;
        assert_eq!(s.tags("staging").await, [OLD], "nothing is written");
        // One platform of the same index, copied as it is.
        let copied = mirror.push_one("shop", NEW, "new").await;
        assert_eq!(copied, new.amd64);
        reports(s, &mirror, &copied).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(s.tags("production").await, [OLD, NEW]);
    })
    .await;
}

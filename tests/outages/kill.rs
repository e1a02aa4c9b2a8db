//! Killed at any point and started again, it goes on from what it had written.

use crate::alone::alone;
use crate::support::registry::Registry;
use crate::support::release;
use crate::support::wait::{is, until};
use serde_json::json;
use std::time::{Duration, Instant};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn at_every_step_of_a_good_release() {
    alone("killed-good", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 10, "interval": "1s", "successes": 4});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        replicas.kill(&first);

        let second = replicas.start();
        s.behaves(NEW, json!({})).await;
        s.asked(NEW, "/health", 3).await;
        replicas.kill(&second);

        let third = replicas.start();
        let token = s.awaiting(NEW).await;
        replicas.kill(&third);
        // Approved while nobody listens.
        s.promote(&token).await;

        let fourth = replicas.start();
        until("production is written", async || is(s.runs("production").await == NEW, (), "not yet")).await;
        replicas.kill(&fourth);
        replicas.start();
        s.verified(NEW).await;
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into(), NEW.into()])
        );
    })
    .await;
}

#[tokio::test]
async fn at_every_step_of_a_bad_one() {
    alone("killed-bad", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        // Asked for longer than it takes to kill whoever asks.
        spec["stages"][1]["smokeTests"][0]["retry"] = json!({"attempts": 15, "interval": "1s"});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.promote(&token).await;
        s.asked(NEW, "/items", 2).await;
        replicas.kill(&first);

        s.behaves(OLD, json!({"ready": {"never": true}})).await;
        let second = replicas.start();
        s.phase(NEW, Phase::Restoring).await;
        until("the old tag is written", async || is(s.runs("production").await == OLD, (), "not yet")).await;
        replicas.kill(&second);

        s.behaves(OLD, json!({})).await;
        replicas.start();
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
    })
    .await;
}

/// A deadline that passed while nobody was there counts only after a look: the work may be done.
#[tokio::test]
async fn for_longer_than_a_deadline() {
    alone("killed-long", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        spec["stages"][0]["progressDeadline"] = json!("15s");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        replicas.kill(&first);
        let written = Instant::now();
        s.behaves(NEW, json!({})).await;
        s.available("staging").await;
        until("the deadline has passed", async || is(written.elapsed() > Duration::from_secs(15), (), written)).await;
        replicas.start();
        s.awaiting(NEW).await;
        assert_eq!(s.tags("staging").await, [OLD, NEW]);
    })
    .await;
}

/// Approved after it had expired, while nobody was there to say so: too late is too late.
#[tokio::test]
async fn for_longer_than_an_approval_may_take() {
    alone("killed-approval", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        spec["stages"][1]["promotion"]["timeout"] = json!("12s");
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        replicas.kill(&first);
        let since = Instant::now();
        until("the approval has expired", async || is(since.elapsed() > Duration::from_secs(13), (), since)).await;
        s.promote(&token).await;
        replicas.start();
        s.ends(NEW, Phase::Failed, Reason::PromotionExpired).await;
        s.marker("later").await;
        assert_eq!(s.tags("production").await, [OLD]);
    })
    .await;
}

/// What a registry said is asked for again by whoever comes next: the tag may have moved in between.
#[tokio::test]
async fn while_a_tag_is_pushed_and_moved() {
    alone("killed-registry", async |s, replicas| {
        let registry = Registry::start("none");
        let image = |tag: &str| format!("{}:{tag}", registry.repository("shop"));
        let old = registry.push("shop", OLD, "old").await;
        s.image_behaves(&image(OLD), json!({"digest": old.index})).await;
        let old = image(OLD);
        futures::join!(s.app_of("staging", &old), s.app_of("production", &old));
        let mut spec = release(NEW);
        spec["image"] = json!({"repository": registry.repository("shop"), "tag": NEW, "resolve": "Registry"});
        s.apply(&spec).await;

        let first = replicas.start();
        s.blocked(Reason::ImageNotFound).await;
        replicas.kill(&first);
        let new = registry.push("shop", NEW, "new").await;
        s.image_behaves(&image(NEW), json!({"digest": new.amd64})).await;

        let second = replicas.start();
        until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
        replicas.kill(&second);
        let third = replicas.start();
        let token = s.awaiting(NEW).await;
        replicas.kill(&third);
        s.promote(&token).await;
        registry.push("shop", NEW, "another").await;

        replicas.start();
        let end = s.ends(NEW, Phase::Failed, Reason::DigestDiffers).await;
        assert_eq!(end.rollout.unwrap().digest.unwrap().as_str(), new.index);
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into()])
        );
    })
    .await;
}

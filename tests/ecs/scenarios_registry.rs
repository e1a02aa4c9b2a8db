//! Images in ECR: one that is not there stops a rollout before its first write.

use crate::scenarios_stage::{ACCOUNT, CANARY, NEW, OLD, REGION, Stage, on_ecs, release};
use crate::sim::course::Course;
use crate::sim::ecr;
use crate::sim::faults::{Fault, On};
use serde_json::{Value, json};
use std::time::Duration;
use tidegate::api::Reason;

const ASKED: &str = "DescribeImages";
const SECOND: Duration = Duration::from_secs(1);

fn repository() -> String {
    ecr::repository(ACCOUNT, REGION, "team/shop")
}

fn image(tag: &str) -> String {
    format!("{}:{tag}", repository())
}

/// One more service, `shop`, whose image lies in ECR.
pub fn shop(s: &Stage) -> crate::sim::Handle {
    let text = format!(
        r#"{{"family":"shop","networkMode":"awsvpc","containerDefinitions":[{{"name":"app","image":"{}","essential":true,
"environment":[{{"name":"CANARY","value":"{CANARY}"}}]}}],"volumes":[],"placementConstraints":[]}}"#,
        image(OLD)
    );
    s.account.register(&text);
    s.account.service("prod", "shop", "shop:1").create()
}

/// One stage on it.
pub fn shop_release(tag: &str) -> Value {
    let mut spec = release(tag);
    spec["image"]["repository"] = json!(repository());
    spec["stages"][0]["targets"][0]["ecs"]["service"] = json!("shop");
    spec
}

#[tokio::test]
async fn an_image_that_is_not_there_is_waited_for() {
    // The image alone, and its whole repository.
    for (name, missing) in [("ecr-image", image(NEW)), ("ecr-repository", repository())] {
        on_ecs(
            name,
            |s| s,
            async |s| {
                let shop = shop(s);
                s.sim.delete_image(&missing);
                s.apply(&shop_release(NEW)).await;
                let status = s.blocked(Reason::ImageNotFound).await;
                let message = status.message.unwrap();
                assert!(message.contains(&format!("{} is not in its ECR repository", image(NEW))), "{message}");
                // It is asked again before anything is concluded from its silence.
                let asked = s.sim.calls().iter().filter(|c| c.op == ASKED).count();
                crate::support::wait::until("it is asked again", async || {
                    let now = s.sim.calls().iter().filter(|c| c.op == ASKED).count();
                    crate::support::wait::is(now > asked, (), now)
                })
                .await;
                assert_eq!((s.writes().as_str(), shop.task_definition().ends_with("shop:1")), ("", true));
                s.sim.push(&image(NEW), "built at last");
                s.verified(NEW).await;
                assert_eq!(s.writes(), "RU");
                assert!(shop.running().iter().all(|(running, _)| *running == image(NEW)), "{:?}", shop.running());
            },
        )
        .await;
    }
}

/// The digest is what is pulled: that its tag was taken away says nothing.
#[tokio::test]
async fn a_digest_is_looked_for_as_such() {
    on_ecs(
        "ecr-digest",
        |s| s,
        async |s| {
            let shop = shop(s);
            let digest = format!("sha256:{}", "0".repeat(64));
            let mut spec = shop_release(NEW);
            spec["image"]["digest"] = json!(digest);
            s.sim.delete_image(&format!("{}@{digest}", repository()));
            s.apply(&spec).await;
            s.blocked(Reason::ImageNotFound).await;
            let calls = s.sim.calls();
            let asked = calls.iter().rfind(|c| c.op == ASKED).unwrap().body();
            assert_eq!(asked["imageIds"], json!([{"imageDigest": digest}]));
            assert_eq!(
                (asked["registryId"].as_str(), asked["repositoryName"].as_str()),
                (Some(ACCOUNT), Some("team/shop"))
            );
            assert_eq!((s.writes().as_str(), shop.task_definition().ends_with("shop:1")), ("", true));
        },
    )
    .await;
}

#[tokio::test]
async fn who_may_not_look_does_without_and_says_so_once() {
    on_ecs(
        "ecr-denied",
        |s| s,
        async |s| {
            let shop = shop(s);
            s.sim.fault(On::op(ASKED), Fault::Deny);
            shop.plan([Course::lands().after(SECOND)]);
            s.apply(&shop_release(NEW)).await;
            s.verified(NEW).await;
            let note = s.event(Reason::LookupDenied).await;
            assert!(note.contains("ecr:DescribeImages"), "{note}");
            let events = s.events().await;
            let said = events.iter().filter(|e| e.reason.as_deref() == Some("LookupDenied"));
            assert_eq!(said.map(|e| e.note.clone()).collect::<Vec<_>>(), [Some(note)]);
            assert_eq!(s.writes(), "RU");
        },
    )
    .await;
}

/// What a registry does not tell will show when the image is pulled.
#[tokio::test]
async fn a_registry_that_does_not_answer_stops_nothing() {
    on_ecs(
        "ecr-silent",
        |s| s,
        async |s| {
            let shop = shop(s);
            s.sim.fault(On::op(ASKED), Fault::server_error());
            shop.plan([Course::lands().after(SECOND)]);
            s.apply(&shop_release(NEW)).await;
            s.verified(NEW).await;
            assert_eq!(s.writes(), "RU");
        },
    )
    .await;
}

/// What runs already needs no pull, and an image that is brought is not looked for again.
#[tokio::test]
async fn an_image_is_looked_for_only_before_it_is_brought() {
    on_ecs(
        "ecr-adopted",
        |s| s,
        async |s| {
            let shop = shop(s);
            s.sim.delete_image(&image(OLD));
            s.apply(&shop_release(OLD)).await;
            s.verified(OLD).await;
            assert!(s.sim.calls().iter().all(|c| c.op != ASKED), "it runs, so nobody needs to pull it");
            shop.plan([Course::lands().after(SECOND)]);
            s.apply(&shop_release(NEW)).await;
            s.verified(NEW).await;
            let calls = s.sim.calls();
            let write = calls.iter().position(|c| c.op == "UpdateService").unwrap();
            let looked = |c: &crate::sim::record::Call| c.op == ASKED;
            assert!(calls[..write].iter().any(looked) && !calls[write..].iter().any(looked));
        },
    )
    .await;
}

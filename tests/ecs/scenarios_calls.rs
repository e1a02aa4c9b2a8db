//! What the calls to AWS say, and what they do not.

use crate::scenarios_registry::{shop, shop_release};
use crate::scenarios_stage::{CANARY, NEW, OLD, on_ecs, release, settled_on_ecs};
use crate::sim::course::{Course, Failure};
use crate::sim::error::Refusal;
use crate::sim::faults::{Fault, On};
use crate::support::cluster::repository;
use crate::support::image;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::api::{Phase, Reason};

const SECOND: Duration = Duration::from_secs(1);

/// Fields that no type here knows, numbers as they were written, empty values.
#[tokio::test]
async fn a_task_definition_survives_byte_for_byte() {
    on_ecs("bytes", |s| s, async |s| {
        let old = image(OLD);
        let text = format!(
            r#"{{"family":"odd","networkMode":"awsvpc","future2027":{{"b":[1,2.50,1.10e2],"a":null}},"containerDefinitions":
[{{"name":"side","image":"proxy:1","futureKnob":"on","environment":[]}},{{"name":"app","image":"{old}","cpu":0,"essential":true,
"environment":[{{"name":"EMPTY","value":""}},{{"name":"CANARY","value":"{CANARY}"}}],"ulimits":[]}}],"volumes":[],
"tags":[{{"key":"team","value":"platform"}}]}}"#
        );
        s.account.register(&text);
        s.account.service("prod", "odd", "odd:1").create();
        let mut spec = release(NEW);
        spec["stages"][0]["targets"][0]["ecs"]["service"] = json!("odd");
        s.apply(&spec).await;
        s.verified(NEW).await;
        let (_, copy, tags) = s.account.revisions("odd").remove(1);
        let told = |text: &str| text.split_whitespace().collect::<String>();
        let wanted = text.split("\"tags\":").next().unwrap().trim_end().trim_end_matches(',');
        assert_eq!(told(&copy), told(&format!("{wanted}}}").replace(&old, &image(NEW))));
        let tags: Vec<Value> = serde_json::from_str(&tags).unwrap();
        let value = |key: &str| tags.iter().find(|t| t["key"] == key).map(|t| t["value"].clone());
        assert_eq!(value("team"), Some(json!("platform")));
        assert_eq!(value("tidegate.dev/release"), Some(json!(format!("{}/checkout", s.ns))));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_that_repeats_the_environment_is_cut() {
    on_ecs(
        "canary",
        |s| s,
        async |s| {
            let text = format!("Container.environment contains an invalid value: {CANARY}");
            s.sim.fault(On::op("RegisterTaskDefinition"), Fault::Refuse(Refusal::client(text)));
            s.apply(&release(NEW)).await;
            let status = s.blocked(Reason::WriteRefused).await;
            assert!(status.message.is_some_and(|m| m.contains("contains an invalid value: ***")));
        },
    )
    .await;
}

/// One release that is stopped, one that is restored from a task definition out of use, and one whose image lies in ECR:
/// every operation there is.
#[tokio::test]
async fn the_policy_in_the_guide_is_what_is_called() {
    let group = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/app/0123456789abcdef";
    on_ecs(
        "policy",
        |s| s.load_balancer(group, "app", 8080),
        async |s| {
            s.judged().await;
            let bad = Course::fails(Failure::Exits(1)).after(SECOND);
            s.service.plan([bad, Course::lands().after(SECOND), Course::lands().after(SECOND)]);
            s.set_tag("sha-0000003").await;
            s.rolled_back("sha-0000003", Reason::CrashLoop).await;
            s.judge(500).await;
            s.set_tag(NEW).await;
            s.phase(NEW, Phase::Verifying).await;
            s.account.deregister("app:1");
            s.phase(NEW, Phase::Restoring).await;
            s.judge(200).await;
            s.rolled_back(NEW, Reason::HealthCheckFailed).await;
            shop(s);
            s.apply(&shop_release("sha-0000004")).await;
            s.verified("sha-0000004").await;

            let calls = s.sim.calls();
            let called: BTreeSet<String> = calls.iter().map(|c| format!("{}:{}", c.service, c.op)).collect();
            assert_eq!(called, allowed());
            for call in calls.iter().filter(|c| c.op == "UpdateService") {
                let body = call.body();
                let fields: Vec<_> = body.as_object().unwrap().keys().collect();
                assert_eq!(fields, ["cluster", "service", "taskDefinition"]);
                assert!(body["taskDefinition"].as_str().unwrap().starts_with("arn:"), "{body}");
            }
        },
    )
    .await;
}

/// The actions of the policy in docs/ecs.md that are calls of their own.
fn allowed() -> BTreeSet<String> {
    let guide = std::fs::read_to_string(repository().join("docs/ecs.md")).unwrap();
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let policy: Value = serde_json::from_str(rest.split_once("```").unwrap().0).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|s| match &s["Action"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    });
    let named = actions.map(|a| a.as_str().unwrap().to_owned());
    // Alarms are asked by metric gates, whatever the target is; their tests see that call.
    let elsewhere = ["ecs:TagResource", "iam:PassRole", "cloudwatch:DescribeAlarms"];
    named.filter(|a| !elsewhere.contains(&a.as_str())).collect()
}

/// Nothing is asked of AWS for a Release at rest.
#[tokio::test]
async fn at_rest_nothing_is_asked() {
    settled_on_ecs("rest", async |s| {
        // The marker is looked at after it; it asks for nothing of AWS.
        let before = s.sim.calls().len();
        s.annotate(json!({"example.com/note": "seen"})).await;
        s.marker("marker").await;
        assert_eq!(s.sim.calls().len(), before);
    })
    .await;
}

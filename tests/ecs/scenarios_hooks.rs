//! Hooks as ECS tasks: what is run, when, and once.

use crate::scenarios_stage::{CANARY, NEW, OLD, REGION, Stage, on_ecs, settled_on_ecs};
use crate::sim::course::{Course, Failure};
use crate::sim::errands::Errand;
use crate::sim::faults::{Fault, On};
use crate::sim::record::Call;
use crate::support::manifests::{REPOSITORY, image};
use crate::support::wait::{is, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::api::status::{HookStep, Step};
use tidegate::api::{Phase, Reason, ReleaseStatus};

const SECOND: Duration = Duration::from_secs(1);

/// A hook that runs the service's own task definition.
pub fn migrate() -> Value {
    json!({"name": "migrate", "timeout": "60s", "ecsTask": {"container": "app", "command": ["/app", "migrate"]}})
}

/// The Release brings [`NEW`] with these hooks.
pub async fn brings(s: &Stage<'_>, hooks: Value, on_rollback: Value) {
    let mut spec = serde_json::to_value(s.release().await.spec).unwrap();
    spec["stages"][0]["hooks"] = hooks;
    spec["stages"][0]["onRollback"] = on_rollback;
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
}

/// The calls that were to run a task.
pub fn runs(s: &Stage<'_>) -> Vec<Call> {
    s.sim.calls().into_iter().filter(|c| c.op == "RunTask").collect()
}

/// By which they were told apart.
pub fn tokens(s: &Stage<'_>) -> BTreeSet<String> {
    runs(s).iter().map(|c| c.body()["clientToken"].as_str().unwrap().to_owned()).collect()
}

/// Waits until the first hook is at work, and ECS has shown it.
pub async fn at_work(s: &Stage<'_>) -> ReleaseStatus {
    let seen = |s: &ReleaseStatus| {
        let hooks = s.rollout.iter().flat_map(|r| &r.stages).flat_map(|s| &s.hooks);
        hooks.take(1).any(|h| h.state == HookStep::Running && h.task.as_ref().is_some_and(|t| t.seen))
    };
    s.until_status("a hook is at work", seen).await
}

/// A family of its own: beside the application a container that is none of its.
fn family(s: &Stage<'_>) -> String {
    s.account.register(&format!(
        r#"{{"family":"migrate","networkMode":"bridge","requiresCompatibilities":["EC2"],"volumes":[],"placementConstraints":[],
"containerDefinitions":[{{"name":"side","image":"proxy:1","memory":64,"essential":true,"environment":[]}},
{{"name":"app","image":"{REPOSITORY}:{OLD}","memory":64,"essential":true,"environment":[{{"name":"CANARY","value":"{CANARY}"}}]}}]}}"#
    ))
}

#[tokio::test]
async fn a_migration_runs_before_the_image_is_written() {
    settled_on_ecs("hook-good", async |s| {
        s.account.plan([Errand::Exits(0, 20 * SECOND)]);
        s.service.plan([Course::lands().after(SECOND)]);
        brings(s, json!([migrate()]), json!([])).await;
        let status = at_work(s).await;
        assert_eq!(status.rollout.unwrap().step, Step::RunningHooks);
        assert_eq!((s.tag().as_str(), s.writes().as_str()), (OLD, "RT"), "nothing is brought while it runs");
        let end = s.verified(NEW).await;
        assert_eq!((s.tag().as_str(), s.writes().as_str()), (NEW, "RTRU"));

        let task = s.account.errands().remove(0);
        let hook = &end.rollout.as_ref().unwrap().stages[0].hooks[0];
        assert_eq!(hook.task.as_ref().unwrap().arn.as_deref(), task["taskArn"].as_str());
        let body = runs(s).remove(0).body();
        assert_eq!(s.tag_of(body["taskDefinition"].as_str().unwrap()), NEW, "the new image is what migrates");
        assert_eq!(body["networkConfiguration"], s.service.shown()["networkConfiguration"]);
        assert_eq!(
            (&body["launchType"], &body["count"], &body["cluster"]),
            (&json!("FARGATE"), &json!(1), &json!("prod"))
        );
        let container = &body["overrides"]["containerOverrides"][0];
        assert_eq!((&container["name"], &container["command"]), (&json!("app"), &json!(["/app", "migrate"])));
        assert_eq!(container["environment"][0], json!({"name": "TIDEGATE_IMAGE", "value": image(NEW)}));
        assert_eq!(body["startedBy"], task["startedBy"]);
        s.event(Reason::HookStarted).await;
        s.event(Reason::HookSucceeded).await;
    })
    .await;
}

/// Its own family, network mode and launch type; and the container that is named decides, not the first.
#[tokio::test]
async fn the_named_container_decides_and_no_other() {
    for (container, exits, well) in [("app", 3, true), ("side", 3, false), ("side", 0, true)] {
        settled_on_ecs(&format!("hook-named-{container}-{exits}"), async |s| {
            family(s);
            // The first container exits so; the others are then stopped, and exit with 0.
            s.account.plan([Errand::Exits(exits, SECOND)]);
            let task = json!({"taskDefinition": "migrate", "container": container, "launchType": "EC2"});
            brings(s, json!([{"name": "migrate", "ecsTask": task}]), json!([])).await;
            if well {
                s.verified(NEW).await;
            } else {
                let end = s.ends(NEW, Phase::Failed, Reason::HookFailed).await;
                assert!(end.message.unwrap().contains("container side exited with 3"));
                assert_eq!(s.tag(), OLD);
            }
            let body = runs(s).remove(0).body();
            assert_eq!((&body["launchType"], body.get("networkConfiguration")), (&json!("EC2"), None));
            let (arn, copy, _) = s.account.revisions("migrate").remove(1);
            assert_eq!(body["taskDefinition"], json!(arn));
            let copy: Value = serde_json::from_str(&copy).unwrap();
            let images: Vec<_> = copy["containerDefinitions"].as_array().unwrap().iter().map(|c| &c["image"]).collect();
            assert_eq!(images, [&json!("proxy:1"), &json!(image(NEW))]);
        })
        .await;
    }
}

#[tokio::test]
async fn its_own_network_and_capacity_are_used() {
    settled_on_ecs("hook-network", async |s| {
        let mut hook = migrate();
        hook["ecsTask"]["networkConfiguration"] = json!({"subnets": ["subnet-9"], "securityGroups": ["sg-9"]});
        hook["ecsTask"]["capacityProvider"] = json!("FARGATE_SPOT");
        brings(s, json!([hook]), json!([])).await;
        s.verified(NEW).await;
        let body = runs(s).remove(0).body();
        let vpc = json!({"subnets": ["subnet-9"], "securityGroups": ["sg-9"], "assignPublicIp": "DISABLED"});
        assert_eq!(body["networkConfiguration"]["awsvpcConfiguration"], vpc);
        assert_eq!(body["capacityProviderStrategy"][0]["capacityProvider"], "FARGATE_SPOT");
        assert!(body.get("launchType").is_none(), "ECS takes one of the two");
    })
    .await;
}

/// Asked before anything is touched: ECS has no dry run, so what it is made from is looked at.
#[tokio::test]
async fn what_it_is_made_from_is_waited_for() {
    settled_on_ecs("hook-waits", async |s| {
        let task = json!({"taskDefinition": "migrate", "container": "app", "launchType": "EC2"});
        brings(s, json!([{"name": "migrate", "ecsTask": task}]), json!([])).await;
        let status = s.blocked(Reason::HookNotFound).await;
        assert!(
            status.message.unwrap().contains("hook migrate of production: the task definition migrate does not exist")
        );
        family(s);
        s.verified(NEW).await;
        assert_eq!(runs(s).len(), 1);

        let mut hook = migrate();
        hook["ecsTask"]["container"] = json!("nobody");
        let mut spec = serde_json::to_value(s.release().await.spec).unwrap();
        spec["stages"][0]["hooks"] = json!([hook]);
        spec["image"]["tag"] = json!("sha-0000003");
        s.apply(&spec).await;
        let status = s.blocked(Reason::HookRefused).await;
        assert!(status.message.unwrap().contains("has no container nobody"));
        assert_eq!((s.tag().as_str(), runs(s).len()), (NEW, 1));
    })
    .await;
}

#[tokio::test]
async fn where_there_is_no_room_it_is_tried_again() {
    settled_on_ecs("hook-room", async |s| {
        s.account.plan([Errand::NotPlaced("RESOURCE:MEMORY"), Errand::Exits(0, SECOND)]);
        brings(s, json!([migrate()]), json!([])).await;
        s.until_status("it says why", |s| s.message.as_ref().is_some_and(|m| m.contains("RESOURCE:MEMORY"))).await;
        s.verified(NEW).await;
        assert_eq!((runs(s).len(), tokens(s).len(), s.account.errands().len()), (2, 2, 1));
        assert_eq!(s.writes(), "RTTRU", "its task definition is registered once");
    })
    .await;
}

#[tokio::test]
async fn being_throttled_costs_time_and_nothing_else() {
    settled_on_ecs("hook-throttled", async |s| {
        s.sim.fault(On::op("RunTask").once(), Fault::throttle());
        s.sim.fault(On::op("RegisterTaskDefinition").once(), Fault::throttle());
        brings(s, json!([migrate()]), json!([])).await;
        s.verified(NEW).await;
        assert_eq!((s.tries().as_str(), s.account.errands().len()), ("rRtTRU", 1));
    })
    .await;
}

#[tokio::test]
async fn one_that_cannot_be_placed_at_all_says_why() {
    settled_on_ecs("hook-attribute", async |s| {
        s.account.plan([Errand::NotPlaced("ATTRIBUTE")]);
        brings(s, json!([migrate()]), json!([])).await;
        let end = s.ends(NEW, Phase::Failed, Reason::HookFailed).await;
        assert!(end.message.unwrap().contains("could not be run: ecs:RunTask: ATTRIBUTE"));
        assert_eq!((s.tag().as_str(), runs(s).len()), (OLD, 1));
    })
    .await;
}

#[tokio::test]
async fn after_an_irreversible_one_a_bad_image_stays() {
    on_ecs(
        "hook-irreversible",
        |s| s,
        async |s| {
            s.judged().await;
            s.judge(500).await;
            let mut hook = migrate();
            hook["irreversible"] = json!(true);
            brings(s, json!([hook]), json!([])).await;
            let end = s.ends(NEW, Phase::Failed, Reason::RollbackForbidden).await;
            assert_eq!((s.cause(&end), end.debts[0].irreversible), (Some(Reason::HealthCheckFailed), true));
            assert_eq!((s.tag().as_str(), s.writes().as_str()), (NEW, "RTRU"));
            let (_, _, tags) = s.account.revisions("app").pop().unwrap();
            assert!(tags.contains("tidegate.dev/irreversible"), "who loses the status still knows: {tags}");
        },
    )
    .await;
}

#[tokio::test]
async fn what_undoes_it_runs_once_the_old_version_is_back() {
    on_ecs(
        "hook-undo",
        |s| s,
        async |s| {
            s.judged().await;
            s.judge(500).await;
            s.account.plan([Errand::Exits(0, SECOND), Errand::Exits(0, 3 * SECOND)]);
            let mut undo = migrate();
            undo["name"] = json!("undo");
            brings(s, json!([migrate()]), json!([undo])).await;
            until("the old version is back", async || is(s.writes().starts_with("RTRUU"), (), s.writes())).await;
            s.judge(200).await;
            s.rolled_back(NEW, Reason::HealthCheckFailed).await;
            // The copy that undoes is registered anew: it is another effect.
            assert_eq!((s.tag().as_str(), s.writes().as_str()), (OLD, "RTRUURT"));
            let last = runs(s).pop().unwrap().body();
            assert_eq!(s.tag_of(last["taskDefinition"].as_str().unwrap()), NEW, "the new version knows what it did");
        },
    )
    .await;
}

/// It crashes before it is available: ECS's deployment is stopped, and then what undoes is run.
#[tokio::test]
async fn what_undoes_it_runs_after_a_deployment_that_was_stopped() {
    settled_on_ecs("hook-undo-stopped", async |s| {
        s.service.plan([Course::fails(Failure::Exits(1)).after(SECOND)]);
        let mut undo = migrate();
        undo["name"] = json!("undo");
        brings(s, json!([migrate()]), json!([undo])).await;
        s.rolled_back(NEW, Reason::CrashLoop).await;
        assert_eq!((s.tag().as_str(), s.writes().as_str()), (OLD, "RTRUSRT"));
    })
    .await;
}

/// A role that the namespace may not use is not used to look at a hook either.
#[tokio::test]
async fn a_role_that_is_not_allowed_is_asked_nothing() {
    settled_on_ecs("hook-role", async |s| {
        let role = format!("arn:aws:iam::{}:role/other", crate::scenarios_stage::ACCOUNT);
        s.sim.role(&role, None);
        let mut spec = s.asks_for(NEW);
        spec["stages"][0]["targets"][0]["ecs"]["roleArn"] = json!(role);
        spec["stages"][0]["hooks"] = json!([migrate()]);
        s.apply(&spec).await;
        s.blocked(Reason::PermissionDenied).await;
        let asked = s.sim.calls().into_iter().filter(|c| c.op == "AssumeRole" || c.caller.contains("other"));
        assert_eq!(asked.count(), 0, "{REGION}");
    })
    .await;
}

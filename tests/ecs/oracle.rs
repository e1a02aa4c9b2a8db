//! The oracle's rules on ECS: they find nothing wrong with what really happened, and see each promise when it is broken.
//!
//! One real history is recorded: adopted, released to a service in staging and to one in production, taken back from
//! production after it had landed, and an image taken back from staging while ECS was at work. Then it is damaged, for each
//! rule in every way that it speaks of.

use crate::scenarios_row::SECOND;
use crate::scenarios_stage::{NEW, OLD, OTHER, Stage, on_ecs};
use crate::sim::course::{Course, Failure};
use crate::support::manifests::REPOSITORY;
use crate::support::oracle::rules::{RULES, broken};
use crate::support::oracle::{Call, History, Moment, Sources, Standing};
use crate::support::wait::{is, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::status::{Rollout, Step, TargetStep};
use tidegate::api::{Phase, Reason};

/// Fails in staging.
const BAD: &str = "sha-0000003";

/// A rule, what it says of the damage, and the damage.
type Damage = (&'static str, &'static str, fn(&mut Sources));

const DAMAGES: [Damage; 33] = [
    ("ECS: intended first", "UpdateService of eu-west-1/prod/app", |s| updated(s, NEW).at -= 3600 * SECOND),
    ("ECS: intended first", "UpdateService of eu-west-1/prod/else", |s| updated(s, NEW).service = "else".into()),
    ("ECS: intended first", "UpdateService of us-east-1/prod/app", |s| updated(s, OLD).region = "us-east-1".into()),
    ("ECS: intended first", "StopServiceDeployment", |s| stopped(s).at -= 3600 * SECOND),
    ("ECS: intended first", "RegisterTaskDefinition", |s| {
        let call = s.calls.iter_mut().find(|c| c.op == "RegisterTaskDefinition").unwrap();
        effect_of(call, "another/1-1/staging/web/forward");
    }),
    ("ECS: once each way", "twice forward by UpdateService", |s| again(s, |s| updated(s, NEW))),
    ("ECS: once each way", "twice back by UpdateService", |s| again(s, |s| updated(s, OLD))),
    ("ECS: once each way", "twice back by StopServiceDeployment", |s| again(s, stopped)),
    ("ECS: stages in order", "before staging was verified", |s| {
        statuses(s, |_, r| r.stages[0].verified_at.is_some(), |r| remove(&mut r["stages"][0], "verifiedAt"));
    }),
    ("ECS: approved first", "which nobody had approved", |s| {
        statuses(s, |_, r| !r.approvals.is_empty(), |r| remove(r, "approvals"));
    }),
    ("ECS: the way back first", "before its way back was stored", |s| {
        statuses(s, |_, _| true, |r| remove(production(r), "wayBack"));
    }),
    ("ECS: the way back first", "with the intent", |s| {
        let writing = |_: &Moment, r: &Rollout| r.stages[1].targets[0].state == TargetStep::Writing;
        statuses(s, writing, |r| production(r)["effect"] = json!("another"));
    }),
    ("ECS: the way back is kept", "the way back of eu-west-1/prod/app went", |s| {
        statuses(s, |_, r| r.step == Step::Ended, |r| production(r)["wayBack"]["images"][0]["image"] = other());
    }),
    ("ECS: the way back is kept", "app:9", |s| {
        statuses(s, |_, r| r.step == Step::Ended, |r| production(r)["wayBack"]["taskDefinition"] = json!("app:9"));
    }),
    ("ECS: the way back is kept", "to None", |s| {
        statuses(s, |_, r| r.step == Step::Ended, |r| remove(production(r), "wayBack"));
    }),
    ("ECS: the way back is another version", "what it is to be saved from", |s| {
        let image = format!("{REPOSITORY}:{NEW}");
        let known = |_: &Moment, r: &Rollout| r.stages[1].targets[0].way_back.is_some();
        statuses(s, known, |r| production(r)["wayBack"]["images"] = json!([{"container": "app", "image": image}]));
    }),
    ("ECS: the image of the spec", "sha-0000009", |s| image(&mut updated(s, NEW).brings)),
    ("ECS: exactly the way back", "sha-0000009", |s| image(&mut updated(s, OLD).brings)),
    ("ECS: exactly the way back", "prod/staging", |s| image(&mut stopped(s).brings)),
    ("ECS: images and nothing else", "more than images", |s| updated(s, OLD).brings.as_mut().unwrap().rest += 1),
    ("ECS: images and nothing else", "desiredCount", |s| updated(s, NEW).parameters.push("desiredCount".into())),
    ("ECS: back over our own only", "by somebody else", |s| image(&mut updated(s, OLD).found)),
    ("ECS: nothing after the end", "came after the end", |s| {
        let mut late = updated(s, NEW).clone();
        late.at = s.now;
        s.calls.push(late);
    }),
    ("ECS: nothing after the end", "RegisterTaskDefinition", |s| {
        let mut late = s.calls.iter().find(|c| c.op == "RegisterTaskDefinition").unwrap().clone();
        late.at = s.now;
        s.calls.push(late);
    }),
    ("ECS: one at a time", "had it in work", another_release),
    ("ECS: available first", "production was called available", |s| standings(s, NEW, |s| s.landed = false)),
    ("ECS: available first", "prod/app was not", |s| standings(s, NEW, |s| s.desired += 1)),
    ("ECS: verified is what runs", "staging was called verified", |s| standings(s, NEW, |s| s.landed = false)),
    ("ECS: verified is what runs", "prod/staging did not run", |s| standings(s, NEW, |s| s.running = 0)),
    ("ECS: verified is what runs", "sha-0000002", |s| standings(s, NEW, |s| s.images = runs(OTHER))),
    ("ECS: restored is what runs", "prod/app was called restored", |s| standings(s, OLD, |s| s.landed = false)),
    ("ECS: restored is what runs", "sha-0000001", |s| standings(s, OLD, |s| s.images = runs(OTHER))),
    ("ECS: restored is what runs", "prod/staging was called restored", never_back),
];

#[tokio::test]
async fn each_promise_on_ecs_is_seen_to_be_broken() {
    on_ecs(
        "oracle",
        |s| s,
        async |s| {
            play(s).await;
            let mut recorded = s.sources(std::slice::from_ref(&s.ns)).await;
            (recorded.calls, recorded.standings) = (s.judged_calls(), Some(s.judged_standings()));
            let undamaged = broken(&History::new(recorded.clone()));
            assert!(undamaged.is_empty(), "{undamaged:#?}");
            let mut missed = Vec::new();
            for (rule, says, damage) in DAMAGES {
                let mut damaged = recorded.clone();
                damage(&mut damaged);
                let found = broken(&History::new(damaged));
                if !found.iter().any(|(name, violation)| *name == rule && violation.says.contains(says)) {
                    missed.push((rule, says, found));
                }
            }
            assert!(missed.is_empty(), "broken and not seen: {missed:#?}");
        },
    )
    .await;
}

#[test]
fn no_rule_on_ecs_is_without_its_damage() {
    let damaged: BTreeSet<_> = DAMAGES.iter().map(|(rule, ..)| *rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|r| r.name).filter(|r| r.starts_with("ECS")).collect();
    assert_eq!(damaged, rules);
}

/// What really happens, before anything of it is damaged.
async fn play(s: &Stage<'_>) {
    let staging = s.account.service("prod", "staging", "app:1").create();
    // For its health check and its workload.
    s.judged().await;
    let mut spec = serde_json::to_value(s.release().await.spec).unwrap();
    let mut production = spec["stages"][0].take();
    production["promotion"] = json!({"mode": "Manual"});
    let mut first = production.clone();
    first["name"] = json!("staging");
    first["promotion"] = json!({"mode": "Automatic"});
    first["checks"] = json!("None");
    first["targets"][0]["ecs"]["service"] = json!("staging");
    first.as_object_mut().unwrap().remove("healthChecks");
    spec["stages"] = json!([first, production]);
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    let token = s.awaiting(NEW).await;
    s.service.plan([Course::lands().after(SECOND), Course::lands().after(SECOND)]);
    s.judge(500).await;
    s.promote(&token).await;
    s.phase(NEW, Phase::Restoring).await;
    s.judge(200).await;
    s.rolled_back(NEW, Reason::HealthCheckFailed).await;
    until("nothing is under way", async || is(s.at_rest(), (), s.service.rollouts())).await;
    staging.plan([Course::fails(Failure::Exits(1))]);
    s.set_tag(BAD).await;
    s.rolled_back(BAD, Reason::CrashLoop).await;
}

/// The call that brought this tag to the service in production.
fn updated<'s>(s: &'s mut Sources, tag: &str) -> &'s mut Call {
    let brings = |c: &&mut Call| c.brings.as_ref().is_some_and(|d| d.images["app"].ends_with(tag));
    let mut updates = s.calls.iter_mut().filter(|c| c.op == "UpdateService" && c.service == "app");
    updates.find(brings).unwrap()
}

/// The call by which ECS was asked to go back.
fn stopped(s: &mut Sources) -> &mut Call {
    s.calls.iter_mut().find(|c| c.op == "StopServiceDeployment").unwrap()
}

/// The same call comes once more.
fn again(s: &mut Sources, call: fn(&mut Sources) -> &mut Call) {
    let twin = call(s).clone();
    s.calls.push(twin);
}

fn image(of: &mut Option<crate::support::oracle::Definition>) {
    of.as_mut().unwrap().images = runs(OTHER);
}

/// Changes how services stood while they ran this tag.
fn standings(s: &mut Sources, tag: &str, change: impl Fn(&mut Standing)) {
    let of_tag = |s: &&mut Standing| s.images["app"].ends_with(tag);
    let found = s.standings.iter_mut().flatten().filter(of_tag).map(change).count();
    assert!(found > 0, "nothing like this was recorded");
}

/// What was taken back last is still there.
fn never_back(s: &mut Sources) {
    let standings = s.standings.as_mut().unwrap();
    let last = standings.iter().rposition(|s| s.service == "staging" && s.images["app"].ends_with(BAD)).unwrap();
    let again = standings[last].at;
    standings.retain(|s| s.service != "staging" || s.at <= again);
}

fn runs(tag: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), format!("{REPOSITORY}:{tag}"))])
}

fn effect_of(call: &mut Call, effect: &str) {
    call.brings.as_mut().unwrap().tags.insert("tidegate.dev/effect".into(), effect.into());
}

/// Another Release that was told the same all the time.
fn another_release(s: &mut Sources) {
    let stored = std::mem::take(&mut s.stored);
    for version in stored {
        let mut twin = version.clone();
        s.stored.push(version);
        if twin.key.starts_with("tidegate.dev/releases/") && !twin.value.is_null() {
            twin.key = twin.key.replace("checkout", "other");
            twin.value["metadata"]["uid"] = json!("another");
            s.stored.push(twin);
        }
    }
}

/// Changes the rollout of [`NEW`] in all versions of the Release that are as wanted.
fn statuses(s: &mut Sources, wanted: impl Fn(&Moment, &Rollout) -> bool, change: impl Fn(&mut Value)) {
    let history = History::new(s.clone());
    let of_new = |m: &&Moment| m.status.rollout.as_ref().is_some_and(|r| r.image.short() == NEW && wanted(m, r));
    let found: BTreeSet<u64> = history.lives[0].moments.iter().filter(of_new).map(|m| m.revision).collect();
    assert!(!found.is_empty(), "nothing like this was recorded");
    let versions = s.stored.iter_mut().filter(|v| found.contains(&v.revision));
    versions.for_each(|v| change(&mut v.value["status"]["rollout"]));
}

fn production(rollout: &mut Value) -> &mut Value {
    &mut rollout["stages"][1]["targets"][0]
}

fn remove(from: &mut Value, key: &str) {
    from.as_object_mut().unwrap().remove(key);
}

fn other() -> Value {
    json!(format!("{REPOSITORY}:{OTHER}"))
}

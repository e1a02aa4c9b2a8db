//! What Tidegate remembers is damaged while it is away: it fails safe, whatever it finds.
//!
//! Safe: nothing is brought that nobody asked for, nothing is written that runs already, production stays as it is
//! without an approval, the Release comes to a defined state, others are served, and a newer version finds its way.

mod damage;
mod situations;

pub(crate) use damage::DAMAGES;
pub(crate) use situations::SITUATIONS;

use crate::campaign::{all, must_hold, sampled};
use crate::keeper::Keeper;
use crate::plan::Plan;
use crate::plays::{NEWER, OLD, Patience, application, release};
use crate::support::Scene;
use crate::support::audit::{Record, broken_shape};
use crate::support::people::RELEASE;
use crate::support::wait::{is, until};
use damage::{Comes, Hit};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::condition::{STALLED, find};
use tidegate::api::status::Step;
use tidegate::api::{Phase, Release, ReleaseStatus};

/// How such a run is named: `poison.rolling.status-deleted`.
const PREFIX: &str = "poison.";

/// The situation and the damage that a plan's name means.
pub(crate) fn named(play: &str) -> Option<(&'static situations::Situation, &'static damage::Damage)> {
    let (situation, damage) = play.strip_prefix(PREFIX)?.split_once('.')?;
    Some((SITUATIONS.iter().find(|s| s.name == situation)?, DAMAGES.iter().find(|d| d.name == damage)?))
}

#[test]
fn what_it_remembers_is_damaged() {
    let both = SITUATIONS.iter().flat_map(|s| DAMAGES.iter().map(move |d| format!("{PREFIX}{}.{}", s.name, d.name)));
    let plans: Vec<_> = both.map(|name| Plan::of(&name, &[])).collect();
    must_hold("8 Damaged memory", if all() { plans } else { sampled(plans, 20) });
}

/// Plays it; how it came out, in a line.
pub(crate) async fn perform(
    s: &Scene,
    keeper: &Keeper,
    situation: &situations::Situation,
    damage: &damage::Damage,
) -> String {
    // The judge's rules speak of what the controller remembers, which is taken from it here.
    s.shape_only.set(true);
    futures::join!(application(s, "staging"), application(s, "production"));
    keeper.start(&s.ns).await;
    let patience = Patience { attempts: 3 };
    s.apply(&release(OLD, patience)).await;
    s.verified(OLD).await;
    (situation.reach)(s).await;
    let production = s.runs("production").await;
    keeper.kill();
    let records = s.records(std::slice::from_ref(&s.ns)).await;
    let killed = records.into_iter().map(|r| r.at).max().unwrap_or_default();
    let hit = (damage.does)(s).await;
    if let Hit::Refused(said) = &hit {
        assert!(damage.comes == Comes::Refused, "the API server refused {}: {said}", damage.name);
        return "refused".to_owned();
    }
    assert!(damage.comes != Comes::Refused, "the API server stored {}", damage.name);
    keeper.revive();
    if damage.comes == Comes::Unreadable {
        left_alone(s, &killed).await;
    }
    (situation.mend)(s).await;
    s.marker_of("bystander", "sha-0000007").await;
    let status = until("a defined state", async || {
        let status = s.status().await;
        is(defined(&status), status.clone(), (status.phase, status.message))
    })
    .await;
    let records = s.records(std::slice::from_ref(&s.ns)).await;
    safe(&records);
    let now = s.runs("production").await;
    let may = situation.production.contains(&now.as_str()) || situation.production.is_empty() && now == production;
    assert!(may, "production ran {production}, and runs {now}");
    let how = format!("{:?}", status.phase.unwrap());
    s.apply(&release(NEWER, patience)).await;
    let token = s.awaiting(NEWER).await;
    s.promote(&token).await;
    s.verified(NEWER).await;
    how
}

/// The Release says that nothing is done about it, which is true; then a person empties its status.
async fn left_alone(s: &Scene, killed: &str) {
    let kind = ApiResource::erase::<Release>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(s.client.clone(), &s.ns, &kind);
    until("the Release says that it is left alone", async || {
        let status = api.get(RELEASE).await.unwrap().data["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let says = |c: &Value| c["type"] == STALLED && c["status"] == "True" && c["reason"] == "StatusUnreadable";
        is(conditions.iter().any(says), (), status)
    })
    .await;
    s.marker_of("witness", "sha-0000007").await;
    let records = s.records(std::slice::from_ref(&s.ns)).await;
    let wrote = records.iter().filter(|r| r.at.as_str() > killed && r.by_controller() && r.of("deployments", ""));
    let wrote: Vec<_> = wrote.filter(|r| ["staging", "production"].contains(&r.key().1.as_str())).collect();
    assert!(wrote.is_empty(), "{wrote:#?}");
    let mut object = api.get(RELEASE).await.unwrap();
    object.data["status"] = json!({});
    api.replace_status(RELEASE, &PostParams::default(), &object).await.unwrap();
}

fn defined(status: &ReleaseStatus) -> bool {
    // Without any, the last one is forgotten; it rests.
    let ended = status.rollout.as_ref().is_none_or(|r| r.step == Step::Ended);
    let stalled = find(&status.conditions, STALLED).is_some_and(|c| c.status == "True");
    match status.phase {
        Some(Phase::Verified | Phase::RolledBack | Phase::Failed) => ended,
        Some(Phase::AwaitingPromotion) => true,
        _ => stalled,
    }
}

/// What the controller wrote to workloads was asked for by somebody, and changed something.
fn safe(records: &[Record]) {
    let shape = broken_shape(records);
    assert!(shape.is_empty(), "{shape:#?}");
    let mut live = BTreeMap::new();
    let mut approved = BTreeSet::new();
    for r in records.iter().filter(|r| r.done()) {
        let rollout = &r.response["status"]["rollout"];
        let approvals = rollout["approvals"].as_array().into_iter().flatten();
        if r.object_ref.resource == "releases" && approvals.filter(|a| a["stage"] == "production").count() > 0 {
            approved.extend(rollout["image"].as_str().map(str::to_owned));
        }
        if r.object_ref.resource != "deployments" {
            continue;
        }
        let image = app_image(&r.response);
        if r.by_controller() && r.response["kind"] == "Deployment" {
            let agreed = r.key().1 != "production" || image.ends_with(OLD) || approved.contains(&image);
            assert!(agreed, "{r} brings {image}, and no stored status had an approval of it");
            let known = ["sha-0000001", "sha-0000002", "sha-0000003", "sha-0000007"].iter().any(|t| image.ends_with(t));
            assert!(known, "{r} brings {image}, which nobody asked for");
            assert_ne!(live.get(&r.key()), Some(&image), "{r} brings what runs there");
        }
        if r.response["kind"] == "Deployment" {
            live.insert(r.key(), image);
        }
    }
}

fn app_image(deployment: &Value) -> String {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    let app = containers.into_iter().flatten().find(|c| c["name"] == json!("app"));
    app.and_then(|c| c["image"].as_str()).unwrap_or_default().to_owned()
}

//! Releases on ECS: how often AWS is asked for one release, at rest, and with a hundred in flight.
//!
//! Against a scripted ECS that throttles as AWS documents it, with the poll that the controller ships with.

use crate::controller::Controller;
use crate::idle::at_rest;
use crate::rollouts::FIRST;
use crate::settings::Settings;
use crate::sim::course::Course;
use crate::sim::limits::{Quota, quota};
use crate::sim::record::Call;
use crate::sim::{Account, Sim};
use crate::support::manifests::REPOSITORY;
use crate::support::scene::Scene;
use anyhow::{Result, ensure};
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidegate::api::Release;
use tokio::time::sleep;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ecs {
    /// Calls of one release, by operation. Each is alone in its cluster.
    pub(crate) release: BTreeMap<String, f64>,
    /// Calls per minute with so many Releases at rest.
    pub(crate) idle: Vec<(usize, f64)>,
    pub(crate) in_flight: Vec<Family>,
    /// Calls that were one too many, in all of this.
    pub(crate) throttled: usize,
}

/// Operations that AWS limits together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) calls_per_minute: f64,
    /// What AWS documents for one account and region, once the burst is used up.
    pub(crate) limit_per_minute: f64,
}

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const SECOND: &str = "sha-0000002";
/// How long ECS takes for a good image where one release is counted.
pub(crate) const DEPLOYMENT: Duration = Duration::from_secs(45);
/// Releases that are counted one by one.
const ALONE: usize = 5;
pub(crate) const IN_FLIGHT: usize = 100;
/// While those are brought and measured they are to stay in flight.
const LONG: Duration = Duration::from_secs(3600);
/// Registrations alone are limited to one each two seconds.
const PATIENCE: Duration = Duration::from_secs(600);
const AT_ONCE: usize = 16;

pub(crate) async fn measure(scene: &Scene, settings: &Settings) -> Result<Ecs> {
    let sim = Sim::record(None).await;
    sim.enforce_limits();
    let account = sim.account(ACCOUNT, REGION);
    let controller = Controller::on_ecs(scene.cluster, &sim.endpoint()).await?;
    let (release, sample) = alone(scene, &sim, &account).await?;
    let mut idle = vec![];
    let mut there = 0;
    for &size in settings.sizes.iter().filter(|size| **size > 0) {
        let copies = stream::iter(there..size).map(|n| copy(scene, &account, &sample, n));
        copies.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        there = size;
        controller.calm().await?;
        eprintln!("{size} Releases on ECS at rest");
        let calls = during(&sim, settings.idle).await;
        idle.push((size, per_minute(calls.len(), settings.idle)));
    }
    let in_flight = in_flight(scene, &sim, &account, settings.idle).await?;
    controller.stop().await?;
    let throttled = sim.calls().iter().filter(|c| c.answer.contains("ThrottlingException")).count();
    Ok(Ecs { release, idle, in_flight, throttled })
}

/// Some services, each in a cluster of its own: an ordinary release of each, and what its Release looks like then.
async fn alone(scene: &Scene, sim: &Sim, account: &Account) -> Result<(BTreeMap<String, f64>, Release)> {
    let names: Vec<String> = (0..ALONE).map(|n| format!("alone-{n}")).collect();
    for name in &names {
        service(account, name, name, DEPLOYMENT);
        scene.apply_as(name, &spec(name, name, FIRST)).await;
    }
    join_all(names.iter().map(|name| scene.ended_of(name, FIRST))).await;
    eprintln!("{ALONE} releases on ECS, one minute");
    let before = sim.calls().len();
    for name in &names {
        scene.apply_as(name, &spec(name, name, SECOND)).await;
    }
    join_all(names.iter().map(|name| scene.ended_of(name, SECOND))).await;
    let mut calls = BTreeMap::new();
    for call in &sim.calls()[before..] {
        *calls.entry(call.op.clone()).or_insert(0.0) += 1.0 / ALONE as f64;
    }
    let releases: Api<Release> = scene.api();
    Ok((calls, releases.get(&names[0]).await?))
}

/// A hundred services of one cluster, all being rolled.
async fn in_flight(scene: &Scene, sim: &Sim, account: &Account, time: Duration) -> Result<Vec<Family>> {
    let names: Vec<String> = (0..IN_FLIGHT).map(|n| format!("busy-{n}")).collect();
    let brought = || sim.writes().iter().filter(|op| *op == "UpdateService").count();
    let before = brought();
    for name in &names {
        service(account, "busy", name, LONG);
        scene.apply_as(name, &spec("busy", name, SECOND)).await;
    }
    let began = Instant::now();
    while brought() < before + IN_FLIGHT {
        ensure!(began.elapsed() < PATIENCE, "only {} of {IN_FLIGHT} are in flight", brought() - before);
        sleep(Duration::from_secs(1)).await;
    }
    eprintln!("{IN_FLIGHT} in flight after {:.0} s", began.elapsed().as_secs_f64());
    let mut families: BTreeMap<&str, (Quota, usize)> = BTreeMap::new();
    for call in during(sim, time).await {
        let Some(limit) = quota(&call.op) else { continue };
        families.entry(limit.0).or_insert((limit, 0)).1 += 1;
    }
    sim.advance(LONG);
    join_all(names.iter().map(|name| scene.ended_of(name, SECOND))).await;
    let family = |((name, _, refill), calls): (Quota, usize)| Family {
        name,
        calls_per_minute: per_minute(calls, time),
        limit_per_minute: refill * 60.0,
    };
    Ok(families.into_values().map(family).collect())
}

async fn during(sim: &Sim, time: Duration) -> Vec<Call> {
    let before = sim.calls().len();
    sleep(time).await;
    sim.calls().split_off(before)
}

fn per_minute(calls: usize, time: Duration) -> f64 {
    (calls as f64 / time.as_secs_f64() * 60.0).round()
}

/// One more Release at rest, as the controller left the sample, with a service of its own.
async fn copy(scene: &Scene, account: &Account, sample: &Release, number: usize) -> Result<()> {
    let name = format!("idle-{number:05}");
    service(account, "idle", &name, DEPLOYMENT);
    let mut release: Value = serde_json::from_str(&at_rest(sample, &name)?)?;
    let status = release["status"].take();
    release["spec"] = spec("idle", &name, SECOND);
    let releases: Api<Release> = scene.api();
    releases.create(&PostParams::default(), &serde_json::from_value(release)?).await?;
    releases.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await?;
    Ok(())
}

/// A service that runs [`FIRST`], and takes so long for anything else.
fn service(account: &Account, cluster: &str, name: &str, takes: Duration) {
    let arn = account.register(&format!(
        r#"{{"family":"{name}","containerDefinitions":[{{"name":"app","image":"{REPOSITORY}:{FIRST}"}}]}}"#
    ));
    account.service(cluster, name, &arn).create().plan([Course::lands().after(takes)]);
}

fn spec(cluster: &str, name: &str, tag: &str) -> Value {
    let ecs = json!({"region": REGION, "cluster": cluster, "service": name, "containers": ["app"]});
    json!({
        "image": {"repository": REPOSITORY, "tag": tag},
        "stages": [{
            "name": "production", "checks": "None", "promotion": {"mode": "Automatic"}, "progressDeadline": "2h",
            "targets": [{"name": "web", "ecs": ecs}],
        }],
    })
}

//! Many rollouts at once: half of them bake while their health is asked every ten seconds, half wait for pods that never get ready.
//!
//! Every workload is real to the API server and to the cluster's own controllers, with a pod on a simulated node.

use crate::controller::Controller;
use crate::reaction::{self, Reaction};
use crate::requests::{Log, Requests};
use crate::rollouts::{FIRST, progress};
use crate::settings::Settings;
use crate::support::manifests;
use crate::support::scene::Scene;
use anyhow::{Result, ensure};
use futures::{StreamExt as _, stream};
use kube::api::{Api, ListParams};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tidegate::api::{Phase, Release};
use tokio::time::sleep;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flight {
    pub(crate) in_flight: usize,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    /// Per minute, once all are in flight.
    pub(crate) cpu_seconds: f64,
    pub(crate) requests: Requests<f64>,
    /// From the first Release until every image is written.
    pub(crate) launch_seconds: f64,
    /// A controller that is started anew among them: until it is ready, and what it used until all were known again.
    pub(crate) restart_seconds: f64,
    pub(crate) restart_cpu_seconds: f64,
    /// Before there was any of them, and among them.
    pub(crate) alone: Reaction,
    pub(crate) among: Reaction,
}

const BAKES: &str = "sha-0000002";
const NEVER_READY: &str = "sha-000000d";
const AT_ONCE: usize = 16;
/// The cluster's own controllers are slower than what is measured: for a thousand pods they take minutes.
const PATIENCE: Duration = Duration::from_secs(1800);
const LOOK: Duration = Duration::from_secs(5);

pub(crate) async fn measure(scene: &Scene, settings: &Settings) -> Result<Flight> {
    let (size, runs) = (settings.flight, settings.runs.div_ceil(3));
    scene.behaves(NEVER_READY, json!({"ready": {"never": true}})).await;
    let controller = Controller::start(scene.cluster).await?;
    let alone = reaction::measure(scene, "flight-alone", runs).await?;
    let began = Instant::now();
    launch(scene, size).await;
    in_flight(scene, size).await?;
    let launch_seconds = began.elapsed().as_secs_f64();
    let among = reaction::measure(scene, "flight-among", runs).await?;
    let (log, began, before) = (Log::begin(scene.cluster), Instant::now(), controller.usage()?);
    sleep(settings.idle).await;
    let after = controller.usage()?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let requests = log.end(scene).await?.per(minutes);
    controller.stop().await?;
    let again = Controller::start(scene.cluster).await?;
    let restart_seconds = again.ready.as_secs_f64();
    let restart_cpu_seconds = again.usage()?.cpu_seconds;
    again.stop().await?;
    Ok(Flight {
        in_flight: size,
        resident_mib: after.resident_mib,
        peak_mib: after.peak_mib,
        cpu_seconds: (after.cpu_seconds - before.cpu_seconds) / minutes,
        requests,
        launch_seconds,
        restart_seconds,
        restart_cpu_seconds,
        alone,
        among,
    })
}

async fn launch(scene: &Scene, size: usize) {
    let mut launches = stream::iter(0..size).map(|n| launched(scene, n)).buffer_unordered(AT_ONCE);
    let mut done = 0;
    while launches.next().await.is_some() {
        done += 1;
        progress("launched", done, size);
    }
}

/// A Deployment of one replica, and the Release that brings it another image and stays in work for longer than anybody looks.
async fn launched(scene: &Scene, number: usize) {
    let name = format!("flight-{number:05}");
    scene.apply_deployment(&manifests::deployment(&name, &manifests::image(FIRST), 1)).await;
    scene.apply_as(&name, &release(&name, if number.is_multiple_of(2) { BAKES } else { NEVER_READY })).await;
}

fn release(name: &str, tag: &str) -> Value {
    let mut health = manifests::stage(name, None)["healthChecks"][0].take();
    health["retry"] = json!({"attempts": 3, "interval": "10s"});
    json!({
        "image": {"repository": manifests::REPOSITORY, "tag": tag},
        "stages": [{"name": "only", "promotion": {"mode": "Automatic"}, "targets": [manifests::target("web", name)], "progressDeadline": "2h", "healthChecks": [health], "bake": "2h"}],
    })
}

/// Waits until every one is where it stays.
async fn in_flight(scene: &Scene, size: usize) -> Result<()> {
    let (releases, began): (Api<Release>, _) = (scene.api(), Instant::now());
    loop {
        let all = releases.list(&ListParams::default()).await?.items;
        let phases = |p: Phase| all.iter().filter(|r| r.status.as_ref().is_some_and(|s| s.phase == Some(p))).count();
        let (baking, waiting) = (phases(Phase::Verifying), phases(Phase::Rolling));
        eprintln!("in flight: {baking} bake, {waiting} wait for their pods, of {size}");
        if baking == size.div_ceil(2) && waiting == size / 2 {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "they do not come to where they stay");
        sleep(LOOK).await;
    }
}

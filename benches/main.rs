//! Measures the release build of the controller on a real control plane, under the chart's rights.
//!
//! It reports and asserts no times: how fast a machine is, is no fact about the controller. What the controller wrote
//! meanwhile is judged all the same, by the tests' own judge.
//!
//! Reading order: `settings` (what can be chosen), `rollouts`, `pulls`, `idle`, `ecs`, `flight`, `soak` (one file per part), `report`.

mod controller;
mod ecs;
mod flight;
mod idle;
mod numbers;
mod peers;
mod pulls;
mod reaction;
mod report;
mod requests;
mod rollouts;
mod settings;
mod sightings;
#[path = "../tests/ecs/sim/mod.rs"]
mod sim;
mod soak;
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the tests' support fails by panicking")]
#[path = "../tests/support/mod.rs"]
mod support;

use anyhow::{Context as _, Result};
use controller::Controller;
use report::Report;
use settings::{Part, Settings};
use std::cell::RefCell;
use support::Cluster;
use support::scene::{Scene, play_with};

fn main() -> Result<()> {
    let settings = Settings::read()?;
    tokio::runtime::Runtime::new()?.block_on(measure(&settings))
}

async fn measure(settings: &Settings) -> Result<()> {
    let cluster = Cluster::get();
    let mut report = Report::new(settings)?;
    if settings.parts.contains(&Part::Latency) {
        let controller = Controller::start(cluster).await?;
        let part = judged(cluster, "latency", async |scene| rollouts::measure(scene, settings.runs).await).await?;
        report.rollouts = Some(part);
        controller.stop().await?;
    }
    if settings.parts.contains(&Part::Pull) {
        let controller = Controller::start(cluster).await?;
        // A failure takes several times as long as a good release.
        let runs = settings.runs.div_ceil(3);
        report.pulls = Some(judged(cluster, "pull", async |scene| pulls::measure(scene, runs).await).await?);
        controller.stop().await?;
    }
    if settings.parts.contains(&Part::Idle) {
        report.idle = judged(cluster, "idle", async |scene| idle::measure(scene, settings).await).await?;
    }
    if settings.parts.contains(&Part::Ecs) {
        report.ecs = Some(judged(cluster, "ecs", async |scene| ecs::measure(scene, settings).await).await?);
    }
    if settings.parts.contains(&Part::Flight) {
        report.flight = Some(judged(cluster, "flight", async |scene| flight::measure(scene, settings).await).await?);
    }
    if settings.parts.contains(&Part::Soak) {
        report.soak = Some(soak::measure(cluster, settings).await?);
    }
    report.print()
}

/// Measures in a namespace of its own; at its end the controller's writes there are judged.
async fn judged<T>(cluster: &'static Cluster, name: &str, measure: impl AsyncFn(&Scene) -> Result<T>) -> Result<T> {
    let measured = RefCell::new(None);
    let play = async |scene: &Scene| drop(measured.replace(Some(measure(scene).await)));
    play_with(cluster, name, play, |_| String::new()).await;
    measured.into_inner().context("nothing was measured")?
}

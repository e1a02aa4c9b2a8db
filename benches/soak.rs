//! Hours of releases good and bad: does anything grow?
//!
//! Round after round of ten minutes, each in a namespace of its own that is deleted at its end, and judged like every test.

use crate::controller::Controller;
use crate::settings::Settings;
use crate::support::cluster::Cluster;
use crate::support::manifests;
use crate::support::scene::{Scene, play_with};
use anyhow::{Context as _, Result, ensure};
use futures::future::{join, join_all};
use serde::Serialize;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use tidegate::api::Phase;
use tokio::time::sleep;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Soak {
    pub(crate) minutes: f64,
    pub(crate) verified: usize,
    pub(crate) rolled_back: usize,
    /// One each minute.
    pub(crate) samples: Vec<Sample>,
}

/// What the process holds.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    pub(crate) minute: f64,
    pub(crate) resident_mib: f64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) tasks: usize,
    pub(crate) cpu_seconds: f64,
}

const WORKERS: usize = 8;
const ROUND: Duration = Duration::from_secs(600);
const EACH: Duration = Duration::from_secs(60);
/// Between two releases of one worker: a machine that does something else too.
const PAUSE: Duration = Duration::from_secs(8);
/// Good ones between two bad ones.
const GOOD: usize = 3;

pub(crate) async fn measure(cluster: &'static Cluster, settings: &Settings) -> Result<Soak> {
    let controller = Controller::start(cluster).await?;
    let (began, length) = (Instant::now(), settings.soak);
    let ends = RefCell::new([0, 0]);
    let over = Cell::new(false);
    let rounds = async {
        for round in 0.. {
            let left = length.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            let until = Instant::now() + left.min(ROUND);
            let play = async |s: &Scene| drop(join_all((0..WORKERS).map(|n| work(s, n, until, &ends))).await);
            play_with(cluster, &format!("soak-{round}"), play, |_| String::new()).await;
            eprintln!(
                "soak: {:.0} minutes, verified and rolled back: {:?}",
                began.elapsed().as_secs_f64() / 60.0,
                ends.borrow()
            );
        }
        over.set(true);
    };
    let ((), samples) = join(rounds, sampled(&controller, began, &over)).await;
    controller.stop().await?;
    let [verified, rolled_back] = ends.into_inner();
    Ok(Soak { minutes: began.elapsed().as_secs_f64() / 60.0, verified, rolled_back, samples: samples? })
}

/// One application of its own, release after release: good ones, then one that is ill, or that cannot be pulled.
async fn work(scene: &Scene, worker: usize, until: Instant, ends: &RefCell<[usize; 2]>) {
    if worker == 0 {
        scene.behaves("sha-111*", json!({"http": [{"path": "/health", "status": 503}]})).await;
        scene.behaves("sha-bad*", json!({"pull": {"fail": "notFound"}})).await;
    }
    let name = format!("soak-{worker}");
    let deployment = manifests::deployment(&name, &manifests::image("sha-0000001"), 1);
    scene.apply_deployment(&deployment).await;
    scene.available(&name).await;
    for number in 0.. {
        if Instant::now() > until {
            return;
        }
        let good = number % (GOOD + 1) != GOOD;
        let ill = if (number / (GOOD + 1)).is_multiple_of(2) { "bad" } else { "111" };
        let kind = if good { "000" } else { ill };
        let tag = format!("sha-{kind}{:04x}", number + 2);
        scene.apply_as(&name, &release(&name, &tag)).await;
        let ended = scene.ended_of(&name, &tag).await;
        let expected = if good { Phase::Verified } else { Phase::RolledBack };
        assert_eq!(ended.phase, Some(expected), "{name} {tag}: {:?}", ended.message);
        ends.borrow_mut()[usize::from(!good)] += 1;
        sleep(PAUSE).await;
    }
}

fn release(name: &str, tag: &str) -> Value {
    let mut stage = manifests::stage(name, Some("Automatic"));
    stage["healthChecks"][0]["retry"] = json!({"attempts": 2, "interval": "1s"});
    if let Some(stage) = stage.as_object_mut() {
        stage.remove("smokeTests");
    }
    json!({"image": {"repository": manifests::REPOSITORY, "tag": tag}, "stages": [stage]})
}

async fn sampled(controller: &Controller, began: Instant, over: &Cell<bool>) -> Result<Vec<Sample>> {
    let mut samples = vec![];
    while !over.get() {
        let usage = controller.usage()?;
        let (descriptors, threads) = controller.holds()?;
        let tasks = controller.metric("tidegate_tasks").await.context("no tasks")?;
        samples.push(Sample {
            minute: (began.elapsed().as_secs_f64() / 6.0).round() / 10.0,
            resident_mib: usage.resident_mib,
            descriptors,
            threads,
            tasks,
            cpu_seconds: usage.cpu_seconds,
        });
        sleep(EACH).await;
    }
    ensure!(!samples.is_empty(), "nothing was sampled");
    Ok(samples)
}

impl Soak {
    /// Medians of the quarters of the time: what is flat is the same in each.
    pub(crate) fn quarters(&self, of: fn(&Sample) -> f64) -> Vec<f64> {
        let quarters = self.samples.chunks(self.samples.len().div_ceil(4).max(1));
        let median = |chunk: &[Sample]| {
            let mut all: Vec<f64> = chunk.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        quarters.map(median).collect()
    }
}

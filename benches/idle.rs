//! Releases at rest: what the controller costs while nothing happens.
//!
//! One Release is really rolled out through both stages; the others are copies of it as the controller left it, with
//! workloads of their own that are scaled to zero and paused, so that ten thousand of them keep the cluster's own
//! controllers no longer busy than needed (Tidegate watches their metadata alone). Each is a Release of two stages with four checks, and two Deployments.
//!
//! They have a namespace of their own: that nothing is written there is seen in the requests, and ten thousand of them are
//! too many for the judge, who holds everything that happened in memory.

use crate::controller::Controller;
use crate::reaction::{self, Reaction};
use crate::requests::{Log, Requests};
use crate::rollouts::{FIRST, progress};
use crate::settings::Settings;
use crate::support::manifests;
use crate::support::scene::Scene;
use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;
use tidegate::api::{Phase, Release, annotation};
use tidegate::rollout::token;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Idle {
    pub(crate) releases: usize,
    /// From the start of the process until it is ready; CPU until then, and until it has come to rest.
    pub(crate) ready_seconds: f64,
    pub(crate) ready_cpu_seconds: f64,
    pub(crate) start_cpu_seconds: f64,
    pub(crate) start_requests: Requests<u64>,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
    /// The rest is per minute of rest.
    pub(crate) cpu_seconds: f64,
    pub(crate) requests: Requests<f64>,
    /// To one that is not at rest, among them.
    pub(crate) reaction: Reaction,
}

/// The name of the one that is really rolled out; also the length of all names.
const SAMPLE: &str = "idle-00000";
const STAGES: [&str; 2] = ["staging", "production"];
const SECOND: &str = "sha-0000002";
/// Objects that are created at once.
const AT_ONCE: usize = 16;

pub(crate) async fn measure(scene: &Scene, settings: &Settings) -> Result<Vec<Idle>> {
    let (mut all, mut there, mut sample) = (vec![], 0, None);
    let (home, namespaces): (_, Api<Namespace>) = (format!("{}-copies", scene.ns), Api::all(scene.client.clone()));
    let namespace = serde_json::from_value(json!({"metadata": {"name": home}}))?;
    namespaces.create(&PostParams::default(), &namespace).await?;
    for &size in &settings.sizes {
        if size > 0 && sample.is_none() {
            let controller = Controller::start(scene.cluster).await?;
            sample = Some(Sample::roll_out(scene).await?);
            controller.stop().await?;
            there = 1;
        }
        if let Some(sample) = sample.as_ref().filter(|_| size > there) {
            let mut copies = stream::iter(there..size).map(|n| sample.copy(scene, &home, n)).buffer_unordered(AT_ONCE);
            while copies.try_next().await?.is_some() {
                there += 1;
                progress("copies", there, size);
            }
        }
        all.push(watch(scene, size, settings).await?);
    }
    namespaces.delete(&home, &DeleteParams::background()).await?;
    Ok(all)
}

/// A fresh controller, from its start through a while of rest.
async fn watch(scene: &Scene, releases: usize, settings: &Settings) -> Result<Idle> {
    eprintln!("{releases} Releases at rest");
    // What was just created keeps the cluster's own controllers busy for minutes, and so whoever watches.
    let settles = Controller::start(scene.cluster).await?;
    settles.calm().await?;
    settles.stop().await?;
    let log = Log::begin(scene.cluster);
    let controller = Controller::start(scene.cluster).await?;
    let ready = controller.usage()?;
    let started = controller.calm().await?;
    let start_requests = log.end(scene).await?;
    let (log, began) = (Log::begin(scene.cluster), Instant::now());
    tokio::time::sleep(settings.idle).await;
    let ended = controller.usage()?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let requests = log.end(scene).await?.per(minutes);
    let reaction = reaction::measure(scene, &format!("idle-among-{releases}"), settings.runs.div_ceil(10)).await?;
    let idle = Idle {
        releases,
        reaction,
        ready_seconds: controller.ready.as_secs_f64(),
        ready_cpu_seconds: ready.cpu_seconds,
        start_cpu_seconds: started.cpu_seconds,
        start_requests,
        resident_mib: ended.resident_mib,
        peak_mib: ended.peak_mib,
        cpu_seconds: (ended.cpu_seconds - started.cpu_seconds) / minutes,
        requests,
    };
    controller.stop().await?;
    Ok(idle)
}

/// What a Release and its workloads look like after a rollout, as text that is copied with another name.
struct Sample {
    release: String,
    deployments: Vec<String>,
}

impl Sample {
    async fn roll_out(scene: &Scene) -> Result<Self> {
        let names = STAGES.map(|stage| format!("{SAMPLE}-{stage}"));
        for name in &names {
            scene.app(name, FIRST).await;
        }
        let mut spec = manifests::release(FIRST);
        for (i, name) in names.iter().enumerate() {
            let stage = &mut spec["stages"][i];
            stage["targets"][0] = manifests::target("web", name);
            stage["smokeTests"][0]["http"]["service"]["name"] = json!(name);
        }
        scene.apply_as(SAMPLE, &spec).await;
        scene.ended_of(SAMPLE, FIRST).await;
        spec["image"]["tag"] = json!(SECOND);
        scene.apply_as(SAMPLE, &spec).await;
        let waits = |s: &tidegate::api::ReleaseStatus| s.phase == Some(Phase::AwaitingPromotion);
        let status = scene.until_status_of(SAMPLE, "it waits for approval", waits).await;
        let rollout = status.rollout.context("no rollout")?;
        let approval = json!({"metadata": {"annotations": {
            annotation::PROMOTE: token("production", &rollout.image, rollout.id), annotation::PROMOTED_BY: "admin",
        }}});
        let releases: Api<Release> = scene.api();
        releases.patch(SAMPLE, &PatchParams::default(), &Patch::Merge(&approval)).await?;
        scene.ended_of(SAMPLE, SECOND).await;
        let mut deployments = vec![];
        for name in &names {
            deployments.push(workload(&scene.deployment(name).await)?);
        }
        Ok(Self { release: at_rest(&releases.get(SAMPLE).await?, SAMPLE)?, deployments })
    }

    async fn copy(&self, scene: &Scene, namespace: &str, number: usize) -> Result<()> {
        let name = format!("idle-{number:05}");
        let named = |text: &String| text.replace(SAMPLE, &name);
        let (releases, deployments): (Api<Release>, Api<Deployment>) =
            (Api::namespaced(scene.client.clone(), namespace), Api::namespaced(scene.client.clone(), namespace));
        let create = PostParams::default();
        for text in &self.deployments {
            deployments.create(&create, &serde_json::from_str(&named(text))?).await?;
        }
        let mut release: Value = serde_json::from_str(&named(&self.release))?;
        let status = release["status"].take();
        releases.create(&create, &serde_json::from_value(release)?).await?;
        releases.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await?;
        Ok(())
    }
}

/// The Release without what is its own alone, with a status that fits a first generation.
pub(crate) fn at_rest(release: &Release, name: &str) -> Result<String> {
    let mut copy = serde_json::to_value(release)?;
    copy["metadata"] = json!({"name": name, "annotations": copy["metadata"]["annotations"]});
    let status = &mut copy["status"];
    status["observedGeneration"] = json!(1);
    status["conditions"].as_array_mut().into_iter().flatten().for_each(|c| c["observedGeneration"] = json!(1));
    status["stable"].as_array_mut().into_iter().flatten().for_each(|s| s["generation"] = json!(1));
    // What the first one announced was long ago.
    if let Some(status) = status.as_object_mut() {
        status.remove("announced");
    }
    // It covers the workloads' names. One of a version that the controller does not know starts nothing.
    let hash = status["settled"]["hash"].as_str().context("nothing is settled")?.replacen("v1:", "copied:", 1);
    status["settled"]["hash"] = json!(hash);
    Ok(copy.to_string())
}

/// The Deployment without what is its own alone, scaled to zero and paused.
fn workload(deployment: &Deployment) -> Result<String> {
    let mut copy = serde_json::to_value(deployment)?;
    let metadata = &copy["metadata"];
    copy["metadata"] = json!({"name": metadata["name"], "annotations": metadata["annotations"]});
    copy["spec"]["replicas"] = json!(0);
    copy["spec"]["paused"] = json!(true);
    if let Some(copy) = copy.as_object_mut() {
        copy.remove("status");
    }
    Ok(copy.to_string())
}

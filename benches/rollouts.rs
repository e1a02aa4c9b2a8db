//! Good releases through both stages: how soon the controller acts, and what it asks of the API server.

use crate::numbers::Spread;
use crate::requests::{Log, Requests};
use crate::sightings::Sightings;
use crate::support::manifests;
use crate::support::scene::Scene;
use anyhow::Result;
use serde::Serialize;
use std::time::Instant;
use tidegate::api::Phase;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollouts {
    /// From sending the edit of the tag to seeing the image in staging.
    pub(crate) edit_to_patch: Spread,
    /// From sending the approval to seeing the image in production.
    pub(crate) approval_to_patch: Spread,
    /// From sending the edit until both stages are verified, approved as soon as it was asked for.
    pub(crate) edit_to_verified: Spread,
    /// Requests of the controller, per release.
    pub(crate) requests: Requests<f64>,
}

/// The tag of the version that is there before.
pub(crate) const FIRST: &str = "sha-0000001";
const REPLICAS: i32 = 3;

pub(crate) async fn measure(scene: &Scene, runs: usize) -> Result<Rollouts> {
    let began = Instant::now();
    settle(scene).await;
    let seen = Sightings::of(scene);
    seen.phase(FIRST, Phase::Verified, began).await?;
    let log = Log::begin(scene.cluster);
    let (mut edits, mut approvals, mut whole) = (vec![], vec![], vec![]);
    for run in 0..runs {
        let tag = format!("sha-{:07x}", run + 0x100);
        let edited = Instant::now();
        scene.set_tag(&tag).await;
        edits.push(seen.runs("staging", &tag, edited).await? - edited);
        seen.phase(&tag, Phase::AwaitingPromotion, edited).await?;
        let token = scene.awaiting(&tag).await;
        let approved = Instant::now();
        scene.promote(&token).await;
        approvals.push(seen.runs("production", &tag, approved).await? - approved);
        whole.push(seen.phase(&tag, Phase::Verified, edited).await? - edited);
        progress("releases", run + 1, runs);
    }
    Ok(Rollouts {
        edit_to_patch: Spread::of(edits),
        approval_to_patch: Spread::of(approvals),
        edit_to_verified: Spread::of(whole),
        requests: log.end(scene).await?.per(runs as f64),
    })
}

/// Both stages run [`FIRST`], verified.
pub(crate) async fn settle(scene: &Scene) {
    for name in ["staging", "production"] {
        scene.app(name, FIRST).await;
        scene.scale(name, REPLICAS).await;
        scene.available(name).await;
    }
    scene.apply(&manifests::release(FIRST)).await;
    scene.verified(FIRST).await;
}

/// A line now and then: this takes minutes.
pub(crate) fn progress(what: &str, done: usize, of: usize) {
    if done.is_multiple_of(25.max(of / 20)) || done == of {
        eprintln!("{what}: {done} of {of}");
    }
}

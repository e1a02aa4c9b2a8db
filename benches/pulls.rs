//! Releases whose image does not exist: how soon what was there before is back.

use crate::numbers::Spread;
use crate::requests::{Log, Requests};
use crate::rollouts::{FIRST, progress, settle};
use crate::sightings::Sightings;
use crate::support::scene::Scene;
use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use std::time::Instant;
use tidegate::api::Phase;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pulls {
    /// From seeing `ErrImagePull` with "not found" on a pod to seeing the old image in the Deployment.
    pub(crate) error_to_restore: Spread,
    /// From the same moment until the restored version has passed its checks.
    pub(crate) error_to_rolled_back: Spread,
    pub(crate) requests: Requests<f64>,
}

pub(crate) async fn measure(scene: &Scene, runs: usize) -> Result<Pulls> {
    scene.behaves("sha-bad*", json!({"pull": {"fail": "notFound"}})).await;
    let began = Instant::now();
    settle(scene).await;
    let seen = Sightings::of(scene);
    seen.phase(FIRST, Phase::Verified, began).await?;
    let log = Log::begin(scene.cluster);
    let (mut restores, mut ends) = (vec![], vec![]);
    for run in 0..runs {
        let tag = format!("sha-bad{run:04x}");
        let edited = Instant::now();
        scene.set_tag(&tag).await;
        let failed = seen.pull_error(&tag, edited).await?;
        seen.runs("staging", &tag, edited).await?;
        // Not `FIRST` as it stood before the edit: the watch saw the bad tag in between.
        restores.push(seen.runs("staging", FIRST, failed).await? - failed);
        ends.push(seen.phase(&tag, Phase::RolledBack, failed).await? - failed);
        progress("failures", run + 1, runs);
    }
    Ok(Pulls {
        error_to_restore: Spread::of(restores),
        error_to_rolled_back: Spread::of(ends),
        requests: log.end(scene).await?.per(runs as f64),
    })
}

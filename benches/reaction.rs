//! How soon the controller acts on one Release while something else is there: the same good releases, in a corner of their own.

use crate::numbers::Spread;
use crate::rollouts;
use crate::support::scene::{Scene, play_with};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::cell::RefCell;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reaction {
    pub(crate) edit_to_patch: Spread,
    pub(crate) approval_to_patch: Spread,
}

/// With the controller that is running now. `name` is new in this cluster.
pub(crate) async fn measure(beside: &Scene, name: &str, runs: usize) -> Result<Reaction> {
    let measured = RefCell::new(None);
    let play = async |scene: &Scene| drop(measured.replace(Some(rollouts::measure(scene, runs).await)));
    play_with(beside.cluster, name, play, |_| String::new()).await;
    let rollouts = measured.into_inner().context("nothing was measured")??;
    Ok(Reaction { edit_to_patch: rollouts.edit_to_patch, approval_to_patch: rollouts.approval_to_patch })
}

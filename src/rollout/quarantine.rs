//! The memory that an image failed here by its own fault.

use super::draft::{Draft, Work};
use crate::api::status::{ContainerImage, Phase, Quarantined};
use crate::api::{Digest, Image, Reason};

/// Entries that a status remembers.
const MAX: usize = 20;

/// The entry that holds `image`: the digest binds where both are known, else the tag.
pub(super) fn entry<'s>(d: &'s Draft, image: &Image, digest: Option<&Digest>) -> Option<&'s Quarantined> {
    d.status.quarantine.iter().find(|q| matches(q, image, digest))
}

pub(super) fn holds_any(d: &Draft, images: &[ContainerImage]) -> bool {
    images.iter().any(|i| entry(d, &i.image, i.digest.as_ref()).is_some())
}

/// Remembers the image that `w` brought. `digest`: what its pods ran, if they told.
pub(super) fn add(d: &mut Draft, w: &Work, reason: Reason) {
    let image = w.rollout.image.clone();
    let digest = w.rollout.digest.clone().or(w.spec.image.digest.clone());
    let before = d.status.history.iter().any(|h| h.phase == Phase::Verified && h.image == image);
    let (rollout, stage, at) = (w.rollout.id, w.stage_name(), d.now);
    d.status.quarantine.retain(|q| !matches(q, &image, digest.as_ref()));
    d.status.quarantine.push(Quarantined { image, digest, rollout, stage, reason, verified_before: before, at });
    let extra = d.status.quarantine.len().saturating_sub(MAX);
    d.status.quarantine.drain(..extra);
}

pub(super) fn lift(d: &mut Draft, image: &Image, digest: Option<&Digest>) {
    d.status.quarantine.retain(|q| !matches(q, image, digest));
}

fn matches(q: &Quarantined, image: &Image, digest: Option<&Digest>) -> bool {
    match (&q.digest, digest) {
        (Some(a), Some(b)) => a == b,
        _ => q.image == *image,
    }
}

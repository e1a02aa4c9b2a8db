//! The memory that an image failed here by its own fault.

use super::draft::{Draft, Work};
use crate::api::status::{ContainerImage, Phase, Quarantined, Stable, TargetStep};
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
    let known = d.status.history.iter().any(|h| h.phase == Phase::Verified && h.image == image);
    // A short history forgets; what every stage was last verified with does not.
    let stable = |stage: &str| {
        let runs = |s: &Stable| s.stage == stage && s.images.iter().all(|i| i.image == image);
        d.status.stable.iter().any(runs)
    };
    let held = d.status.quarantine.iter().any(|q| q.verified_before && matches(q, &image, digest.as_ref()));
    // One that was taken back by order has been there itself.
    let whole = w.rollout.stages.iter().all(|s| s.verified_at.is_some());
    let before = whole || known || held || w.spec.stages.iter().all(|s| stable(&s.name));
    let (rollout, stage, at) = (w.rollout.id, w.failed().to_owned(), d.now);
    d.status.quarantine.retain(|q| !matches(q, &image, digest.as_ref()));
    d.status.quarantine.push(Quarantined { image, digest, rollout, stage, reason, verified_before: before, at });
    let extra = d.status.quarantine.len().saturating_sub(MAX);
    d.status.quarantine.drain(..extra);
}

/// The digest that the written targets' pods report, if one does.
pub(super) fn digest_seen(d: &Draft, w: &Work) -> Option<Digest> {
    let stage = w.stage();
    let written = stage.targets.iter().zip(&w.state().targets).filter(|(_, s)| s.state == TargetStep::Written);
    written.into_iter().find_map(|(t, _)| {
        let live = d.live(&stage.name, &t.name)?;
        live.images(t.containers()).into_iter().find_map(|i| i.digest)
    })
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

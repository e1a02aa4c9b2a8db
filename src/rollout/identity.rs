//! Which image it is: what registries say before a stage is written, and whether what then runs is that.
//!
//! Two digests are one image if they are equal or members of one index. Unknown is not different; only with
//! `image.requireDigest` it stops too.

use super::draft::{Draft, Flow, Work, cause};
use super::entry;
use super::preflight::Blocked;
use super::restore;
use crate::api::spec::{ReleaseSpec, Resolve, Stage, Target};
use crate::api::status::{Cause, ResolvedImage, Step};
use crate::api::time::Duration;
use crate::api::view::{ImageQuery, LiveContainer, LiveTarget, Lookup, Manifest};
use crate::api::{Digest, Image, Reason};

/// Indexes that a status remembers.
const MAX_INDEXES: usize = 8;
/// Between two looks at what nobody tells of, at first and in the end.
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After which it is tried again where too much is asked at once.
const TURN: Duration = Duration::from_secs(1);

/// How two digests stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    Different,
    /// They may be members of an index that is not known in full.
    Unknown,
}

/// An index of nothing but members of the expected one is a copy of it for fewer platforms.
pub(super) fn compare(known: &[ResolvedImage], found: &Digest, expected: &Digest) -> Likeness {
    let one = |a: &Digest| a == expected || known.iter().any(|i| i.holds(a) && i.holds(expected));
    let copy =
        |i: &ResolvedImage| i.digest == *found && !i.members.is_empty() && !i.partial && i.members.iter().all(one);
    if one(found) || known.iter().any(copy) {
        return Likeness::Same;
    }
    let perhaps = known.iter().any(|i| i.partial && (i.holds(found) || i.holds(expected)));
    if perhaps { Likeness::Unknown } else { Likeness::Different }
}

/// Known to be different; unknown is not different.
pub(super) fn differ(known: &[ResolvedImage], found: Option<&Digest>, expected: Option<&Digest>) -> bool {
    found.zip(expected).is_some_and(|(f, e)| compare(known, f, e) == Likeness::Different)
}

/// Before anything is frozen: asks for the images of all stages, and takes what the first one is for the rollout's.
pub(super) fn begin(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stages = w.spec.stages.clone();
    look(d, w, &stages)
}

/// Before a stage is written: asks for its images once more, because tags move.
pub(super) fn confirm(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    if w.state().resolved_at.is_some() {
        return None;
    }
    let stage = w.stage().clone();
    look(d, w, std::slice::from_ref(&stage))
}

/// What the registry says that the image is.
pub(super) fn said(w: &Work) -> Option<&Digest> {
    w.rollout.digest.as_ref().filter(|_| w.spec.image.resolve == Resolve::Registry)
}

/// When to look again at what stops a rollout. Registries count what they are asked, and a push that did not come for
/// an hour will not come in the next ten seconds.
pub(super) fn pause(reason: Reason, stopped: Duration) -> Duration {
    if matches!(reason, Reason::ImageNotFound | Reason::DigestUnknown | Reason::DigestDiffers) {
        let sixth = i64::try_from(stopped.std().as_millis() / 6).unwrap_or(i64::MAX);
        return Duration::from_millis(sixth).clamp(PAUSE, LONGEST_PAUSE);
    }
    PAUSE
}

/// Whether what runs may count as the wanted image, as far as digests are known.
pub(super) fn agrees(d: &Draft, w: &Work, target: &Target, live: &LiveTarget) -> bool {
    let known = &d.status.indexes;
    let verified = w.rollout.digest.as_ref().filter(|_| comparable(&w.spec, target));
    let pinned = w.spec.image.digest.as_ref();
    let mut containers = target.containers().iter().filter_map(|name| live.container(name));
    containers.all(|c| c.reported().all(|f| !differ(known, Some(f), pinned) && !differ(known, Some(f), verified)))
}

/// Why what a stage runs may not count as the wanted image.
pub(super) enum Unfit {
    Different(Cause),
    /// Pods report their digest some time after they run: it may be told yet.
    Unknown(Cause),
}

/// Every stage must run what the registry says that the image is, or else what the first one was verified with.
pub(super) fn of_stage(d: &mut Draft, w: &mut Work) -> Option<Unfit> {
    let stage = w.stage().clone();
    for target in &stage.targets {
        if !comparable(&w.spec, target) {
            continue;
        }
        let live = d.live(&stage.name, &target.name)?;
        for container in target.containers().iter().filter_map(|name| live.container(name)) {
            let wrong = of_container(d, w, target, live, container);
            if wrong.is_some() {
                return wrong;
            }
        }
    }
    None
}

fn of_container(d: &mut Draft, w: &mut Work, at: &Target, live: &LiveTarget, found: &LiveContainer) -> Option<Unfit> {
    let mut known = found.digest.is_some();
    match w.rollout.digest.clone().or(w.spec.image.digest.clone()) {
        None => w.rollout.digest = found.digest.clone(),
        Some(expected) => {
            known = found.reported().next().is_some();
            for digest in found.reported() {
                match compare(&d.status.indexes, digest, &expected) {
                    Likeness::Same => {}
                    Likeness::Unknown => known = false,
                    Likeness::Different => {
                        let message = match &at.repository {
                            Some(other) if *other != w.spec.image.repository => {
                                format!("{} runs {digest} of {other}, not {expected}: {REPACKED}", live.workload)
                            }
                            _ => format!("{} runs {digest}, not {expected}, under the same tag", live.workload),
                        };
                        return Some(Unfit::Different(cause(Reason::DigestDiffers, message, false, d.now)));
                    }
                }
            }
        }
    }
    if known {
        return None;
    }
    let message = format!("the digest that {} runs in {} is not known", live.workload, found.name);
    if w.spec.image.require_digest {
        let message = format!("{message}, and image.requireDigest is true");
        return Some(Unfit::Unknown(cause(Reason::DigestUnknown, message, false, d.now)));
    }
    d.warning(Reason::DigestUnknown, message);
    None
}

/// What people do who see that a mirror's digest differs.
const REPACKED: &str =
    "that registry holds another image, or one that was packed anew; copy it there with its digest kept";

/// A registry that mirrors another may pack images anew. Whether it does is known only where it is asked.
fn comparable(spec: &ReleaseSpec, target: &Target) -> bool {
    let mirrored = target.repository.as_ref().is_some_and(|r| *r != spec.image.repository);
    !mirrored || spec.image.resolve == Resolve::Registry
}

/// `None`: the images of these stages are what they should be, as far as anybody knows.
fn look(d: &mut Draft, w: &mut Work, stages: &[Stage]) -> Option<Flow> {
    if w.spec.image.resolve == Resolve::Never {
        return None;
    }
    let images = images(&w.spec, stages);
    if let Some(flow) = wait(d, w, &images) {
        return Some(flow);
    }
    let said: Vec<(Image, Lookup<Manifest>)> =
        images.iter().filter_map(|i| Some((i.clone(), d.obs.images.get(i)?.clone()))).collect();
    if let Some(blocked) = said.iter().find_map(|(image, said)| stops(&w.spec, image, said)) {
        return Some(entry::block(d, w, blocked));
    }
    let found = |(image, said): &(Image, Lookup<Manifest>)| match said {
        Lookup::Known(Manifest::Found(found)) => Some((image.clone(), found.clone())),
        _ => None,
    };
    let all: Vec<(Image, ResolvedImage)> = said.iter().filter_map(found).collect();
    // The first stage's image is what this rollout brings; nothing is verified before it.
    let first = said.first().and_then(found).map(|(_, found)| found.digest);
    let expected = if w.at == 0 { w.spec.image.digest.clone().or(first) } else { w.rollout.digest.clone() };
    let known: Vec<ResolvedImage> = d.status.indexes.iter().chain(all.iter().map(|(_, r)| r)).cloned().collect();
    let other = all.iter().find(|(_, found)| differ(&known, Some(&found.digest), expected.as_ref()));
    if let (Some((image, other)), Some(expected)) = (other, &expected) {
        return Some(refuse(d, w, image, other, expected));
    }
    for (_, index) in all.iter().filter(|(_, found)| !found.members.is_empty()) {
        remember(d, index);
    }
    if w.at == 0 {
        w.rollout.digest = expected;
    }
    w.state_mut().resolved_at = Some(d.now);
    for (image, said) in &said {
        if let Some(why) = unknown(said) {
            d.warning(Reason::DigestUnknown, format!("{image}: its registry does not tell what it is: {why}"));
        }
    }
    None
}

/// Asks for what nobody has asked for yet. `None`: everything is answered.
fn wait(d: &mut Draft, w: &mut Work, images: &[Image]) -> Option<Flow> {
    let open: Vec<&Image> = images.iter().filter(|i| !d.obs.images.contains_key(i)).collect();
    let turned_away = images.iter().any(|i| d.obs.images.get(i) == Some(&Lookup::NotAsked));
    if open.is_empty() && !turned_away {
        return None;
    }
    if turned_away {
        d.look_again_in(TURN);
    } else {
        let pull_secret = &w.spec.image.pull_secret;
        let query = |image: &Image| ImageQuery { image: image.clone(), pull_secret: pull_secret.clone() };
        d.look_up = images.iter().map(query).collect();
    }
    w.rollout.step = Step::Preflight;
    Some(Flow::Stay)
}

/// Each once, in the order of their targets.
fn images(spec: &ReleaseSpec, stages: &[Stage]) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for target in stages.iter().flat_map(|s| &s.targets) {
        let image = spec.image.at(target.repository.as_deref());
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

/// What stops before a write and goes on by itself.
fn stops(spec: &ReleaseSpec, image: &Image, said: &Lookup<Manifest>) -> Option<Blocked> {
    if *said == Lookup::Known(Manifest::Missing) {
        let message = format!("{image} is not in its registry; push it");
        return Some(Blocked { reason: Reason::ImageNotFound, message });
    }
    let why = unknown(said).filter(|_| spec.image.require_digest)?;
    let message = format!("{image}: its registry does not tell what it is, and image.requireDigest is true: {why}");
    Some(Blocked { reason: Reason::DigestUnknown, message })
}

fn unknown(said: &Lookup<Manifest>) -> Option<&str> {
    match said {
        Lookup::Denied(why) | Lookup::Unanswered(why) => Some(why),
        Lookup::NotAsked | Lookup::Known(_) => None,
    }
}

/// Before the first write a person may still mend it. Later it is no longer what was verified.
fn refuse(d: &mut Draft, w: &mut Work, image: &Image, found: &ResolvedImage, expected: &Digest) -> Flow {
    let hint = if image.repository() == w.rollout.image.repository() { "the tag was moved" } else { REPACKED };
    if w.at == 0 {
        let message = format!("{image} is {}, but the first stage would run {expected}: {hint}", found.digest);
        return entry::block(d, w, Blocked { reason: Reason::DigestDiffers, message });
    }
    let stage = w.stage_name();
    let message = format!("{image} is {} now, not {expected} as before {stage}: {hint}", found.digest);
    let differs = cause(Reason::DigestDiffers, message, false, d.now);
    restore::fail_stage(d, w, differs)
}

/// One that nothing stable is made of makes room for the newest.
fn remember(d: &mut Draft, index: &ResolvedImage) {
    d.status.indexes.retain(|known| known.digest != index.digest);
    d.status.indexes.push(index.clone());
    while d.status.indexes.len() > MAX_INDEXES {
        let images = || d.status.stable.iter().flat_map(|s| &s.images);
        let unused = |i: &ResolvedImage| !images().any(|s| s.digest.as_ref().is_some_and(|digest| i.holds(digest)));
        let oldest = d.status.indexes.iter().take(MAX_INDEXES).position(unused).unwrap_or(0);
        d.status.indexes.remove(oldest);
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;

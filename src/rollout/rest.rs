//! A Release with no rollout in work: what starts one, and what must be tidied.

use super::draft::{Draft, Work, cause};
use super::{ReleaseView, end, lost, plan, quarantine, rollback, running};
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::status::{Attempts, Rollout, Step};
use crate::api::time::Duration;
use crate::api::{Reason, ReleaseSpec, RolloutId, annotation};

/// Between two tries to remove the finalizer.
const PAUSE: Duration = Duration::from_secs(10);

/// On a new Release the annotation values found there are not orders, and the stamps on its targets are all that is known.
/// On one that does not remember its last rollout they tell what that one took back.
pub(super) fn first_look(d: &mut Draft) {
    let begun = d.status.running().is_some_and(|r| r.spec.is_some());
    if d.status.settled.is_some() || begun {
        if d.status.rollout.is_none() {
            lost::recall_quarantine(d);
        }
        return;
    }
    if d.status.observed_generation < 0 {
        let value = |key: &str| d.rel.annotations.get(key).filter(|v| !v.is_empty()).cloned();
        d.status.handled.retry = value(annotation::RETRY);
        d.status.handled.abort = value(annotation::ABORT);
        d.status.handled.rollback = value(annotation::ROLLBACK);
    }
    // A target that could not be read at first is remembered of when it can.
    if lost::recall(d) && d.status.running().is_some() {
        d.status.rollout = None;
    }
}

/// Whether a rollout should start: another image or shape than the settled one, or a new retry.
pub(super) fn wants_rollout(release: &ReleaseView) -> bool {
    let status = &release.status;
    if release.deleting {
        return false;
    }
    let changed = status.settled.as_ref().is_none_or(|s| plan::differs(s, &release.spec));
    changed || new_retry(release, status.observed_generation >= 0)
}

fn new_retry(release: &ReleaseView, looked: bool) -> bool {
    let value = release.annotations.get(annotation::RETRY).filter(|v| !v.is_empty());
    looked && value.is_some() && value != release.status.handled.retry.as_ref()
}

/// Whether the last rollout may have to be taken back.
pub(super) fn wants_rollback(release: &ReleaseView) -> bool {
    let value = release.annotations.get(annotation::ROLLBACK).filter(|v| !v.is_empty());
    let looked = release.status.observed_generation >= 0 && !release.deleting;
    looked && value.is_some() && value != release.status.handled.rollback.as_ref()
}

/// A retry that nobody has acted on yet.
pub(super) fn retry_asked(d: &Draft) -> Option<String> {
    let value = d.rel.annotations.get(annotation::RETRY).filter(|v| !v.is_empty())?;
    (d.status.handled.retry.as_ref() != Some(value)).then(|| value.clone())
}

pub(super) fn advance(d: &mut Draft) {
    if d.rel.deleting {
        return leave(d);
    }
    if answer_late_verbs(d) {
        return;
    }
    let retry = retry_asked(d);
    let changed = d.status.settled.as_ref().is_none_or(|s| plan::differs(s, &d.rel.spec));
    if changed || retry.is_some() {
        return start(d, retry);
    }
    if d.rel.finalizer && d.status == d.rel.status {
        remove_finalizer(d);
    }
}

fn remove_finalizer(d: &mut Draft) {
    if matches!(
        d.obs.answer,
        Some(
            Answer::Ambiguous { .. }
                | Answer::Refused { kind: Refused::Forbidden | Refused::Invalid | Refused::Throttled, .. }
        )
    ) {
        return d.look_again_in(PAUSE);
    }
    d.effect = Some(Effect::RemoveFinalizer);
}

/// Deletion while nothing is owed removes the finalizer at once; with a lost status the stamps say what is owed.
fn leave(d: &mut Draft) {
    if !d.rel.finalizer {
        d.discard();
        return;
    }
    if d.rel.status.observed_generation < 0
        && let Some(rollout) = lost::rebuild(d)
    {
        d.status.rollout = Some(rollout);
        return running::advance(d);
    }
    if d.status == d.rel.status || d.rel.status.observed_generation < 0 {
        d.discard();
        remove_finalizer(d);
    }
}

fn start(d: &mut Draft, retry: Option<String>) {
    let spec = d.rel.spec.resolved();
    let image = spec.image.at(None);
    if let Some(value) = retry {
        d.status.handled.retry = Some(value);
        quarantine::lift(d, &image, spec.image.digest.as_ref());
    }
    let rollout = new_rollout(d, &spec);
    let held = quarantine::entry(d, &image, spec.image.digest.as_ref()).cloned();
    match held {
        Some(q) if !q.verified_before => refuse(d, rollout, spec, &q),
        held => {
            if let Some(q) = held {
                let note =
                    format!("{image} failed in {} ({}), but was verified in every stage before", q.stage, q.reason);
                d.warning(Reason::QuarantinedBefore, note);
                quarantine::lift(d, &image, spec.image.digest.as_ref());
            }
            d.status.rollout = Some(rollout);
            running::advance(d);
        }
    }
}

/// The next rollout, of `spec`, before anything is known of it. Its number is used up.
pub(super) fn new_rollout(d: &mut Draft, spec: &ReleaseSpec) -> Rollout {
    let id = next_id(d);
    d.status.attempts = Some(Attempts { generation: id.generation, highest: id.attempt });
    let stages = plan::stage_states(spec, &d.rel.name.namespace);
    Rollout {
        digest: spec.image.digest.clone(),
        promote_at_start: d.rel.annotations.get(annotation::PROMOTE).filter(|v| !v.is_empty()).cloned(),
        ..Rollout::begun(id, spec.image.at(None), Step::Preflight, stages, d.now)
    }
}

fn refuse(d: &mut Draft, rollout: Rollout, spec: ReleaseSpec, q: &crate::api::status::Quarantined) {
    let stable = d.status.stable.iter().flat_map(|s| &s.images).map(|i| i.image.short()).next();
    let back = stable.map_or_else(String::new, |tag| format!(", or go back to {tag}"));
    let message =
        format!("it failed here before, in {} of rollout {} ({}); mend the image{back}", q.stage, q.rollout, q.reason);
    let mut work = Work { rollout, spec, at: 0 };
    work.rollout.cause = Some(cause(Reason::Quarantined, message, false, d.now));
    end::finish(d, &mut work, Reason::Quarantined);
    d.status.rollout = Some(work.rollout);
}

/// One more than the highest attempt that status, an annotation or a stamp names for this generation.
pub(super) fn next_id(d: &Draft) -> RolloutId {
    let generation = d.rel.generation;
    let counted = d.status.attempts.filter(|a| a.generation == generation).map_or(0, |a| a.highest);
    let named = [annotation::PROMOTE, annotation::ABORT, annotation::ROLLBACK].into_iter().filter_map(|key| {
        let value = d.rel.annotations.get(key)?;
        value.rsplit('#').next()?.parse::<RolloutId>().ok().filter(|id| id.generation == generation)
    });
    // A forged annotation must not use the numbers up.
    let named = named.map(|id| id.attempt).filter(|n| (0..1_000_000).contains(n)).max().unwrap_or(0);
    let highest = counted.max(named).max(lost::highest_attempt(d));
    RolloutId { generation, attempt: highest.saturating_add(1) }
}

/// `abort` with nothing running is answered, once, by an event; `rollback` takes the last rollout back. Whether it does.
fn answer_late_verbs(d: &mut Draft) -> bool {
    let ended = d.status.rollout.as_ref().map(|r| r.id.to_string());
    let new = |value: Option<&String>, handled: &Option<String>| {
        value.filter(|v| !v.is_empty() && handled.as_ref() != Some(v)).cloned()
    };
    if let Some(value) = new(d.rel.annotations.get(annotation::ABORT), &d.status.handled.abort) {
        if ended.as_ref() != Some(&value) {
            d.warning(Reason::AbortRefused, format!("{value:?}: no rollout of that id is running"));
        }
        d.status.handled.abort = Some(value);
    }
    if d.rel.annotations.get(annotation::ROLLBACK).is_none_or(String::is_empty) {
        // Set again it is a new order.
        d.status.handled.rollback = None;
    }
    let rollback = new(d.rel.annotations.get(annotation::ROLLBACK), &d.status.handled.rollback);
    rollback.is_some_and(|value| rollback::asked(d, &value))
}

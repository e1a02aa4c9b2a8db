//! What a status says: true, short, and only when there is something new.

use crate::support::oracle::{History, Violation};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// A status in etcd is no larger.
const LARGEST: usize = 64 * 1024;
/// So often a status may be written while a rollout is in one step of one stage.
const OFTEN: usize = 120;
/// An edit is seen within so long, as long as the controller does anything at all.
const SOON: SignedDuration = SignedDuration::from_secs(45);

/// `observedGeneration` is one that was there, never goes back, and the spec is left to people.
pub(super) fn says_what_it_saw(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let (was, is) = (before.status.observed_generation, now.status.observed_generation);
            if is > now.generation || is < was {
                let says = format!("observedGeneration went from {was} to {is} at generation {}", now.generation);
                broken.push(Violation::at(now.revision, says));
            }
            if before.raw["spec"] != now.raw["spec"] {
                broken.push(Violation::at(now.revision, "the controller changed the spec"));
            }
        }
    }
    broken
}

/// A spec that was edited is looked at, however it was missed at first.
pub(super) fn edits_are_seen(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    let at_work = h.lives.iter().flat_map(|l| &l.moments).filter(|m| m.ours()).filter_map(|m| m.by.as_ref());
    let Some(at_work) = at_work.map(|b| b.begun).max() else { return broken };
    for life in h.lives.iter().filter(|l| l.gone.is_none() && l.damaged.is_none()) {
        let Some(last) = life.moments.last().filter(|m| m.status.observed_generation < m.generation) else { continue };
        let edit = life.moments.iter().find(|m| m.generation == last.generation);
        let Some(by) = edit.and_then(|m| m.by.as_ref()) else { continue };
        if at_work.duration_since(by.done) > SOON {
            broken.push(Violation::at(
                edit.map_or(0, |m| m.revision),
                format!("{} was edited, and nobody looked", life.key),
            ));
        }
    }
    broken
}

/// Statuses are small, lists are bounded, and none is written to say nothing new or again and again.
pub(super) fn short_and_rare(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        let mut counts = BTreeMap::new();
        for (_, now) in life.steps().filter(|(_, now)| now.ours()) {
            let size = now.raw["status"].to_string().len();
            let limit = now.spec.as_ref().map_or(10, |s| usize::try_from(s.history_limit).unwrap_or_default());
            let (history, indexes) = (now.status.history.len(), now.status.indexes.len());
            if size > LARGEST || history > limit || indexes > 8 {
                let says = format!("a status of {size} bytes, {history} ended rollouts and {indexes} indexes");
                broken.push(Violation::at(now.revision, says));
            }
            let step = now.status.rollout.as_ref().map(|r| (r.id, r.step, r.stage.clone()));
            let count = counts.entry(step).or_insert(0_usize);
            *count += 1;
            if *count == OFTEN {
                broken.push(Violation::at(now.revision, format!("the {OFTEN}th status in one step")));
            }
        }
    }
    broken.extend(nothing_new(h));
    broken
}

/// A status update that changes nothing is answered by the version that was there.
fn nothing_new(h: &History) -> Vec<Violation> {
    let mut known = BTreeSet::new();
    let mut broken = Vec::new();
    for r in h.sources.records.iter().filter(|r| r.done() && r.object_ref.resource == "releases") {
        let Some(version) = r.version() else { continue };
        if !known.insert(version) && r.by_controller() && r.of("releases", "status") {
            broken.push(Violation::at(version, "a status was written that says nothing new"));
        }
    }
    broken
}

/// A condition's lastTransitionTime changes when its status does, and only then.
pub(super) fn conditions_keep_time(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            for is in &now.status.conditions {
                let was = before.status.conditions.iter().find(|w| w.type_ == is.type_ && w.status == is.status);
                if was.is_some_and(|w| w.last_transition_time != is.last_transition_time) {
                    let says = format!("{} stayed {}, but its time changed", is.type_, is.status);
                    broken.push(Violation::at(now.revision, says));
                }
            }
        }
    }
    broken
}

//! What is remembered before anything is touched, and stays as it was.

use crate::support::oracle::{History, Violation};
use tidegate::api::status::Step;
use tidegate::api::{RolloutId, Verb};

/// Before a target is first written, a stored status says what a restore would bring, and of which object.
pub(super) fn way_back_first(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid).filter(|l| l.trusted(w.revision)) else { continue };
        let target = life.before(w.revision).and_then(|m| m.target(parts.rollout, &parts.target));
        let known = target.is_some_and(|t| {
            t.way_back.is_some() && t.uid.as_deref() == Some(w.uid()) && t.effect.as_ref() == Some(&stamp.effect)
        });
        if !known {
            let says = format!("{} was written before its way back was stored, with its uid and the intent", w.key);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// Once a target is written, its way back is not chosen anew in that rollout.
pub(super) fn way_back_kept(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid) else { continue };
        let target = |m: &crate::support::oracle::Moment| m.target(parts.rollout, &parts.target).cloned();
        let Some(chosen) = life.before(w.revision).and_then(target).and_then(|t| t.way_back) else { continue };
        for (moment, _) in life.of_rollout(parts.rollout).filter(|(m, _)| m.revision > w.revision) {
            let Some(now) = target(moment).map(|t| t.way_back) else { continue };
            if now.as_ref().is_none_or(|n| n.images != chosen.images) {
                let says = format!("the way back of {} went from {:?} to {now:?}", w.key, chosen.images);
                broken.push(Violation::at(moment.revision, says));
                break;
            }
        }
    }
    broken
}

/// A way back is neither what the rollout brings, nor what the one before it brought and nobody verified.
pub(super) fn way_back_differs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid).filter(|l| l.trusted(w.revision)) else { continue };
        let target = life.before(w.revision).and_then(|m| m.target(parts.rollout, &parts.target));
        let Some(back) = target.and_then(|t| t.way_back.as_ref()) else { continue };
        let inherited = target.and_then(|t| t.inherited.as_ref()).map(|i| i.written.images.as_slice());
        if back.images == stamp.images || inherited.is_some_and(|i| i == back.images) {
            let says = format!("the way back of {} is what it is to be saved from: {:?}", w.key, back.images);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// The spec that a rollout runs on is frozen before its first write and stays until its end; its image stays for ever.
pub(super) fn frozen_spec(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps() {
            let (Some(was), Some(is)) = (&before.status.rollout, &now.status.rollout) else { continue };
            if was.id != is.id {
                continue;
            }
            // One whose first write was refused chooses anew: nothing of it stands anywhere.
            let written = || wrote(h, &life.uid, is.id, now.revision);
            let goes_on = is.spec.is_some() || is.step != Step::Ended && written();
            let thawed = was.spec.is_some() && was.spec != is.spec && goes_on;
            if thawed || was.image != is.image {
                broken.push(Violation::at(now.revision, format!("rollout {} went on with another spec", is.id)));
            }
        }
    }
    for w in h.writes.iter().filter(|w| w.changed()) {
        let Some((uid, id)) = w.rollout() else { continue };
        let Some(life) = h.life(uid).filter(|l| l.trusted(w.revision)) else { continue };
        if life.before(w.revision).and_then(|m| m.rollout(id)).is_some_and(|r| r.spec.is_none()) {
            broken.push(Violation::at(w.revision, format!("rollout {id} wrote {} without a frozen spec", w.key)));
        }
    }
    broken
}

/// Whether this rollout had changed a workload by then.
fn wrote(h: &History, uid: &str, id: RolloutId, until: u64) -> bool {
    h.writes.iter().any(|w| w.changed() && w.rollout() == Some((uid, id)) && w.revision < until)
}

//! Which stage may be written when, and with what.

use crate::support::oracle::{History, Violation};
use tidegate::api::Verb;

/// A stage is written only after all stages before it were verified with the same image in the same rollout.
pub(super) fn stages_in_order(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid) else {
            broken.push(Violation::at(w.revision, format!("{} was written for a Release that never was", w.key)));
            continue;
        };
        if !life.trusted(w.revision) {
            continue;
        }
        let Some(rollout) = life.before(w.revision).and_then(|m| m.rollout(parts.rollout)) else {
            let says = format!("{} was written by rollout {}, which no stored status knew", w.key, parts.rollout);
            broken.push(Violation::at(w.revision, says));
            continue;
        };
        let before = rollout.stages.iter().take_while(|s| s.name != parts.target.stage);
        for open in before.filter(|s| s.verified_at.is_none()) {
            let says = format!("{} of {} was written before {} was verified", w.key, parts.target.stage, open.name);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// What is brought is the tag and digest that the rollout is for.
pub(super) fn image_of_the_spec(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid).filter(|l| l.trusted(w.revision)) else { continue };
        let Some(rollout) = life.before(w.revision).and_then(|m| m.rollout(parts.rollout)) else { continue };
        let name = |i: &tidegate::api::Image| (i.tag().map(str::to_owned), i.digest());
        for brought in stamp.images.iter().filter(|i| name(&i.image) != name(&rollout.image)) {
            let says = format!("{} got {} from a rollout of {}", w.key, brought.image, rollout.image);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

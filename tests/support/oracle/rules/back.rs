//! What a restore may touch, and what it brings.

use super::writes::last_forward;
use crate::support::oracle::write::{runs, runs_where_it_can};
use crate::support::oracle::{History, Violation};
use tidegate::api::Verb;

/// A restore changes only the object that was written, while it runs what was written.
pub(super) fn over_our_own(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Restore)) {
        let Some((forward, (stamp, _))) = last_forward(h, w).and_then(|f| Some((f, f.stamp.as_ref()?))) else {
            continue;
        };
        if forward.uid() != w.uid() {
            broken.push(Violation::at(w.revision, format!("{} is another object than the one written", w.key)));
        }
        if !runs(&w.was(), &stamp.images) {
            let says = format!("{} ran {:?} by somebody else, and was overwritten", w.key, w.was());
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// A restore brings the stored way back, for all containers at once.
pub(super) fn exactly_the_way_back(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Restore)) {
        let Some((stamp, parts)) = &w.stamp else { continue };
        let Some(life) = h.life(&stamp.uid).filter(|l| l.trusted(w.revision)) else { continue };
        let target = life.before(w.revision).and_then(|m| m.target(parts.rollout, &parts.target));
        let Some(back) = target.and_then(|t| t.way_back.as_ref()) else {
            broken.push(Violation::at(w.revision, format!("{} was taken back to what no status had stored", w.key)));
            continue;
        };
        if !runs_where_it_can(&w.is(), &back.images) {
            let says = format!("{} was brought to {:?}, not to {:?}", w.key, w.is(), back.images);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

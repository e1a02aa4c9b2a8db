//! When the status is lost, the world decides.

use crate::support::oracle::write::stamp;
use crate::support::oracle::{History, Life, Violation};
use tidegate::api::Verb;
use tidegate::api::annotation::RETRY;

/// After the status was lost no image is brought again that a stamp on the workload names as taken back, unless a person
/// asks for it anew.
pub(super) fn brings_nothing_back(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let Some((brought, _)) = &w.stamp else { continue };
        let Some(life) = h.life(&brought.uid).filter(|l| !l.trusted(w.revision)) else { continue };
        let Some((found, parts)) = stamp(&w.before) else { continue };
        let took = parts.verb == Verb::Restore && brought.images.iter().any(|i| found.took.contains(&i.image));
        if took && !asked_anew(life, w.revision) {
            let says = format!("{} got {:?} again, which had been taken back", w.key, brought.images);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// Whether the spec or the retry annotation changed between the loss and `revision`.
fn asked_anew(life: &Life, revision: u64) -> bool {
    let Some(lost) = life.damaged else { return false };
    let at = |r: u64| life.moments.iter().rfind(|m| m.revision <= r);
    let said = |m: &crate::support::oracle::Moment| (m.generation, m.annotations.get(RETRY).cloned());
    at(lost).map(said) != at(revision).map(said)
}

//! Other writers: people, GitOps tools, other Releases.

use crate::support::oracle::{History, Violation, images, workload_key};
use tidegate::api::Verb;
use tidegate::api::status::{Step, TargetStep};

/// Whoever changes an image while a rollout has it written has the last word in that rollout: it writes no second time.
pub(super) fn no_fight(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for foreign in h.image_changes().filter(|v| !v.ours()) {
        let of_it = || h.writes.iter().filter(|w| w.key == foreign.key && w.changed());
        let Some(last) = of_it().rfind(|w| w.revision < foreign.revision) else { continue };
        if last.verb() != Some(Verb::Forward) || images(&foreign.value) == last.is() {
            continue;
        }
        let again = |w: &&crate::support::oracle::Write| {
            w.revision > foreign.revision && w.rollout() == last.rollout() && w.verb() == Some(Verb::Forward)
        };
        let says = format!("{} was changed by somebody else, and written forward again", foreign.key);
        broken.extend(of_it().find(again).map(|w| Violation::at(w.revision, says)));
    }
    broken
}

/// A workload that one Release has written and neither verified nor taken back is written by no other.
pub(super) fn one_at_a_time(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed()) {
        let Some((uid, _)) = w.rollout() else { continue };
        for other in h.lives.iter().filter(|l| l.uid != uid && l.trusted(w.revision)) {
            let there = other.gone.is_none_or(|gone| gone > w.revision);
            let Some(moment) = other.before(w.revision).filter(|_| there) else { continue };
            let running = moment.status.rollout.iter().filter(|r| r.step != Step::Ended);
            let targets = running.flat_map(|r| r.stages.iter().flat_map(|s| &s.targets));
            let busy = targets.filter(|t| workload_key(&t.workload).as_ref() == Some(&w.key)).any(|t| {
                matches!(
                    t.state,
                    TargetStep::Writing | TargetStep::Written | TargetStep::Restoring | TargetStep::Inherited
                )
            });
            if busy {
                let says = format!("{} was written while {} had it in work", w.key, other.key);
                broken.push(Violation::at(w.revision, says));
            }
        }
    }
    broken
}

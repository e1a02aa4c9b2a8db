//! How rollouts end, and what is left.

use super::verified::keys;
use super::{jobs, overdue};
use crate::support::oracle::{History, Life, Moment, Violation, workload_key};
use std::collections::BTreeMap;
use tidegate::api::Verb;
use tidegate::api::status::{Step, TargetStep};

/// A rollout that has ended writes nothing more, and does not go on.
pub(super) fn nothing_after_the_end(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut ends = BTreeMap::new();
    for life in &h.lives {
        for (moment, rollout) in life.ids().into_iter().flat_map(|id| life.of_rollout(id)) {
            let key = (life.uid.as_str(), rollout.id);
            if rollout.step == Step::Ended && moment.ours() {
                ends.entry(key).or_insert(moment.revision);
            } else if rollout.step != Step::Ended && ends.contains_key(&key) {
                broken.push(Violation::at(moment.revision, format!("rollout {} had ended, and went on", rollout.id)));
            }
        }
    }
    for (job, of) in jobs::created(h) {
        if ends.get(&(of.uid.as_str(), of.rollout)).is_some_and(|end| *end < job.revision) {
            broken.push(Violation::at(job.revision, format!("{} began after the end of its rollout", of.effect)));
        }
    }
    for w in &h.writes {
        let ended = w.rollout().and_then(|r| ends.get(&r)).is_some_and(|end| *end < w.revision);
        if ended {
            broken.push(Violation::at(w.revision, format!("{} was written by a rollout that had ended", w.key)));
        }
    }
    broken
}

/// A rollout makes room only once it has ended; none is becoming available for longer than its deadline, and what is not
/// restored by then says so.
pub(super) fn every_rollout_ends(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps() {
            let (Some(was), Some(is)) = (&before.status.rollout, &now.status.rollout) else { continue };
            let remembered = now.status.history.iter().any(|e| e.id == was.id);
            // One that only looked whether everything is there has touched nothing, and makes room without a word.
            let begun = was.spec.is_some();
            if was.id != is.id && was.step != Step::Ended && begun && !remembered && history_kept(now) {
                let says = format!("rollout {} took the place of {}, which had not ended", is.id, was.id);
                broken.push(Violation::at(now.revision, says));
            }
        }
        broken.extend(overdue::rolling(h, life));
        broken.extend(overdue::restoring(h, life));
    }
    broken
}

fn history_kept(now: &Moment) -> bool {
    now.spec.as_ref().is_some_and(|s| s.history_limit > 0)
}

/// What a rollout wrote and neither saw verified nor took back is owed by name when it ends, unless others changed it.
pub(super) fn no_debt_forgotten(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(_, now)| now.ours()) {
            let Some(was) = before.status.rollout.as_ref().filter(|r| r.step != Step::Ended) else { continue };
            let ended = now.status.rollout.as_ref().is_none_or(|is| is.id != was.id || is.step == Step::Ended);
            if !ended {
                continue;
            }
            let forward = h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward));
            for w in forward.filter(|w| w.rollout() == Some((&life.uid, was.id)) && w.revision < now.revision) {
                let settled =
                    |v: &&crate::support::oracle::Version| v.revision > w.revision && v.revision < now.revision;
                let touched = h.image_changes().filter(settled).any(|v| v.key == w.key);
                if !touched && !accounted_for(now, w) {
                    let says = format!("{} runs what rollout {} brought, and nothing says so", w.key, was.id);
                    broken.push(Violation::at(now.revision, says));
                }
            }
        }
    }
    broken
}

/// Whether the status says what became of a forward write: verified, owed, handed over, or no longer ours.
fn accounted_for(now: &Moment, w: &crate::support::oracle::Write) -> bool {
    let Some((stamp, _)) = &w.stamp else { return true };
    let owed = now.status.debts.iter().any(|d| d.effect == stamp.effect);
    let Some(rollout) = &now.status.rollout else { return owed };
    let stage = |s: &&tidegate::api::status::StageState| keys(s).contains(&w.key);
    let here = now.status.stable.iter().filter(|s| workload_key(&s.workload).as_ref() == Some(&w.key));
    let verified = here.into_iter().any(|s| s.images.iter().all(|i| stamp.images.contains(i)) && !s.images.is_empty());
    let target = rollout.stages.iter().filter(stage).flat_map(|s| &s.targets);
    let said = target.into_iter().any(|t| {
        let handed = t.inherited.as_ref().is_some_and(|i| i.effect == stamp.effect);
        handed || matches!(t.state, TargetStep::Foreign | TargetStep::Gone | TargetStep::Verified)
    });
    owed || said || verified
}

/// A Release is held before anything of it is written, is let go only when nothing of it is in work, and is let go then.
pub(super) fn deleted_in_order(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward)) {
        let life = w.rollout().and_then(|(uid, _)| h.life(uid));
        let held = life.and_then(|l| l.before(w.revision)).is_none_or(|m| m.held);
        if !held {
            broken.push(Violation::at(w.revision, format!("{} was written for a Release that was not held", w.key)));
        }
    }
    for life in &h.lives {
        for (before, now) in life.steps().filter(|(b, n)| n.ours() && b.held && !n.held) {
            let working = before.status.rollout.as_ref().filter(|r| r.step != Step::Ended && r.spec.is_some());
            if let Some(rollout) = working {
                broken.push(Violation::at(now.revision, format!("let go while rollout {} was in work", rollout.id)));
            }
        }
        let Some(last) = life.moments.last().filter(|m| life.gone.is_none() && m.deleting && m.held) else { continue };
        let ended = last.status.rollout.as_ref().is_none_or(|r| r.step == Step::Ended);
        let since = last.by.as_ref().map(|b| h.sources.now.duration_since(b.done));
        if ended && since.is_some_and(|s| s > overdue::LATE) {
            broken.push(Violation::at(last.revision, format!("{} is being deleted, and never let go", life.key)));
        }
    }
    broken
}

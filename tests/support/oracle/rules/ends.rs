//! How rollouts end, and what is left.

use super::verified::keys;
use crate::support::oracle::{History, Life, Moment, Violation};
use crate::support::wait::patience;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tidegate::api::Verb;
use tidegate::api::status::{Step, TargetStep};

/// How much later than a deadline something may come on a machine that is busy, or after a crash.
const LATE: SignedDuration = SignedDuration::from_secs(60);

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
    for w in &h.writes {
        let ended = w.rollout().and_then(|r| ends.get(&r)).is_some_and(|end| *end < w.revision);
        if ended {
            broken.push(Violation::at(w.revision, format!("{} was written by a rollout that had ended", w.key)));
        }
    }
    broken
}

/// A rollout makes room only once it has ended, and none is becoming available for longer than its deadline.
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
        broken.extend(overdue(h, life));
    }
    broken
}

fn history_kept(now: &Moment) -> bool {
    now.spec.as_ref().is_some_and(|s| s.history_limit > 0)
}

fn overdue(h: &History, life: &Life) -> Vec<Violation> {
    let mut broken = Vec::new();
    for id in life.ids() {
        let mut since: Option<(String, Timestamp)> = None;
        for (moment, rollout) in life.of_rollout(id) {
            let stage = rollout.stage.as_ref().and_then(|s| rollout.stage_state(s));
            let rolling = stage.filter(|s| rollout.step == Step::Rolling && s.first_write_at.is_some());
            let (Some(stage), Some(by)) = (rolling, &moment.by) else {
                since = None;
                continue;
            };
            let (name, begun) = since.get_or_insert((stage.name.clone(), by.begun)).clone();
            if name != stage.name {
                since = Some((stage.name.clone(), by.begun));
                continue;
            }
            let last = life.moments.last().is_some_and(|m| m.revision == moment.revision) && life.gone.is_none();
            let until = if last { h.sources.now } else { by.done };
            let spec = life.spec_of(id, moment.revision);
            let Some((_, stage)) = spec.as_ref().and_then(|s| s.stage(&name)) else { continue };
            let deadline = SignedDuration::from_millis(stage.progress_deadline.millis());
            if until.duration_since(begun) > deadline + LATE * i32::try_from(patience()).unwrap_or(1) {
                broken.push(Violation::at(moment.revision, format!("{name} is overdue, and rolls on")));
            }
        }
    }
    broken
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
    let verified =
        now.status.stable.iter().any(|s| s.images.iter().all(|i| stamp.images.contains(i)) && !s.images.is_empty());
    let target = rollout.stages.iter().filter(stage).flat_map(|s| &s.targets);
    let said = target.into_iter().any(|t| {
        let handed = t.inherited.as_ref().is_some_and(|i| i.effect == stamp.effect);
        handed || matches!(t.state, TargetStep::Foreign | TargetStep::Gone | TargetStep::Verified)
    });
    owed || said || verified
}

/// A Release is let go only when nothing of it is in work, and is let go then.
pub(super) fn deleted_in_order(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
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
        if ended && since.is_some_and(|s| s > LATE) {
            broken.push(Violation::at(last.revision, format!("{} is being deleted, and never let go", life.key)));
        }
    }
    broken
}

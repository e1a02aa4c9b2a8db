//! Proving that what was restored is well: it is asked what it was asked before, and must be the very same image.
//!
//! Nothing is written here. Without proof a restored target has failed.

use super::back::bring_back;
use super::checks::{self, Asked, Question};
use super::draft::{Draft, Flow, Work};
use super::restore::{done, give_up, in_hope};
use super::verify::NOT_AVAILABLE;
use super::{ecs, identity, sight, verify};
use crate::api::Reason;
use crate::api::status::{CheckState, Purpose, Step, Verdict};

/// Asks the restored version what it was asked before, and ends the rollout with the answer.
pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    if ecs::doubted(d, w) {
        d.hold = true;
        return Flow::Stay;
    }
    if bring_back(d, w) {
        // A write that was given up on came late.
        void(w);
        return w.go(Step::Restoring);
    }
    let moved = moved(d, w, &in_hope(w));
    let restored = in_hope(w);
    if restored.is_empty() {
        return done(d, w, Reason::RolledBack);
    }
    if moved {
        void(w);
        return w.go(Step::Restoring);
    }
    let stage = w.stage_name();
    if restored.iter().any(|i| sight::comparable(d, &stage, &w.state().targets[*i]).is_none()) {
        return unseen(d, w, &restored);
    }
    w.state_mut().unseen_since = None;
    let base = w.state().available_at.unwrap_or(d.now);
    let (questions, changed) = judges(w, &restored);
    let failed = match checks::ask(d, w, Purpose::Restore, &questions, base) {
        Asked::Waiting => return Flow::Stay,
        Asked::Passed => None,
        Asked::Failed(check) | Asked::Inconclusive(check) => Some(check),
    };
    let lacking = if failed.is_none() { verify::lacking(d, w, &restored) } else { vec![] };
    if !lacking.is_empty() && !verify::lacked_too_long(d, w) {
        return Flow::Stay;
    }
    report_newer(d, w);
    for (i, why) in lacking {
        give_up(d, w, i, format!("{NOT_AVAILABLE}: {why}"));
    }
    let restored = in_hope(w);
    if let Some(check) = failed {
        let hint = if changed { " (the checks changed with the image: the old version never passed them)" } else { "" };
        let message = format!("the restored version is not well: {}{hint}", verify::said(&check));
        for i in restored {
            give_up(d, w, i, message.clone());
        }
    } else {
        compare_digests(d, w, &restored);
    }
    done(d, w, Reason::RolledBack)
}

/// What was asked, or waited for, says nothing of what comes now.
fn void(w: &mut Work) {
    checks::void(w);
    w.state_mut().unavailable_since = None;
}

/// Not knowing is no answer: the checks wait, but not for ever.
fn unseen(d: &mut Draft, w: &mut Work, restored: &[usize]) -> Flow {
    w.state_mut().unavailable_since = None;
    if !verify::unseen_too_long(d, w) {
        return Flow::Stay;
    }
    for i in restored {
        give_up(d, w, *i, "the restored version could not be read while its checks were asked".into());
    }
    done(d, w, Reason::RolledBack)
}

/// The same tag may bring something else than it did: then the old version is not back.
fn compare_digests(d: &Draft, w: &mut Work, restored: &[usize]) {
    let stage = w.stage_name();
    for i in restored {
        let state = &w.state().targets[*i];
        let (Some(live), Some(back)) = (d.live(&stage, &state.name), &state.way_back) else { continue };
        let other = back.images.iter().find_map(|b| {
            let found = live.container(&b.container)?.digest.clone();
            identity::differ(&d.status.indexes, found.as_ref(), b.digest.as_ref())
                .then(|| (found, b.digest.clone(), b.image.clone()))
        });
        if let Some((Some(found), Some(expected), image)) = other {
            give_up(d, w, *i, format!("{image} is {found} now, not {expected} as before: the tag was moved"));
        }
    }
}

/// Whether a restored target got another revision while it was asked.
fn moved(d: &Draft, w: &Work, restored: &[usize]) -> bool {
    let stage = w.stage_name();
    let states = restored.iter().map(|i| &w.state().targets[*i]);
    states.into_iter().any(|t| sight::comparable(d, &stage, t).is_some_and(|l| sight::other_revision(l, t)))
}

/// The checks that judge a restore: those that the way back has passed before. The others are asked once and reported.
/// The flag: none was passed before, so all decide.
fn judges(w: &Work, restored: &[usize]) -> (Vec<Question>, bool) {
    let passed = |q: &Question| {
        let hash = q.hash();
        restored.iter().all(|i| w.state().targets[*i].way_back.as_ref().is_some_and(|b| b.passed.contains(&hash)))
    };
    // The pods of a target that is not restored are not asked.
    let others = |q: &Question| match q.query.pods() {
        Some(pods) => {
            let targets = &w.state().targets;
            let asked = pods.target.as_ref().and_then(|n| targets.iter().position(|t| t.name == *n)).unwrap_or(0);
            !restored.contains(&asked)
        }
        None => false,
    };
    let all: Vec<Question> = checks::questions(w.stage()).into_iter().filter(|q| !others(q)).collect();
    let known = all.iter().filter(|q| passed(q)).count();
    let changed = known == 0 && !all.is_empty();
    let judged = all.into_iter().map(|q| {
        let informative = !changed && !passed(&q);
        Question { informative, ..q }
    });
    (judged.collect(), changed)
}

fn report_newer(d: &mut Draft, w: &Work) {
    let newer: Vec<CheckState> = w.state().checks.iter().filter(|c| c.informative).cloned().collect();
    for check in newer {
        let outcome = if check.verdict == Some(Verdict::Passed) { "passes" } else { "does not pass" };
        let note = format!("the restored version {outcome} {}, a check that came with the new image", check.name);
        d.normal(Reason::CheckNewerThanWayBack, note);
    }
}

//! After everything else passed: the health checks again, and metrics, for as long as the stage bakes.

use super::checks;
use super::draft::{Draft, Flow, Work, cause};
use super::gates::{self, Told};
use super::watching::{self, Grid, Word};
use super::{hold, restore, supersede, verify};
use crate::api::Reason;
use crate::api::status::{CheckKind, Purpose};
use crate::api::time::Duration;

/// A bake asks so often at most, but never more rarely than [`RARELY`].
const ROUNDS: i64 = 120;
const RARELY: Duration = Duration::from_secs(60);

/// `None`: the stage has baked, or need not.
pub(super) fn bake(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage().clone();
    let length = stage.bake?;
    let now = d.now;
    let state = w.state_mut();
    if state.bake_until.is_none() {
        state.bake_until = Some(now.plus(length));
        d.normal(
            Reason::Baking,
            format!("{} passed its checks in {}, and bakes for {length}", w.rollout.image, stage.name),
        );
    }
    // Of a clock that was ahead, it would be longer.
    let until = w.state().bake_until.unwrap_or(now).min(now.plus(length));
    w.state_mut().bake_until = Some(until);
    let since = until.minus(length);
    let seldom = Duration::from_millis(length.millis() / ROUNDS).min(RARELY);
    let questions = checks::questions(&stage).into_iter().filter(|q| q.kind == CheckKind::Health);
    let questions: Vec<_> = questions
        .map(|q| {
            let every = q.retry.interval.max(seldom);
            (q, Grid { since, every, until: Some(until) })
        })
        .collect();
    let words = watching::ask(d, w.rollout.id, &stage, Purpose::Bake, &questions);
    if let Some(failing) = words.iter().find_map(|w| if let Word::Bad(f) = w { Some(f.clone()) } else { None }) {
        let reason = watching::reason(&failing);
        let message = format!("while it baked, {}", watching::told(&failing));
        let failure = cause(reason, message, reason != Reason::Inconclusive, now);
        return Some(match reason {
            Reason::Inconclusive => hold::inconclusive(d, w, failure),
            _ => restore::fail_stage(d, w, failure),
        });
    }
    let told = gates::ask(d, w, since, until);
    match &told {
        Told::Failed(why) => {
            let failure = cause(Reason::MetricGateFailed, format!("while it baked, {why}"), true, now);
            return Some(restore::fail_stage(d, w, failure));
        }
        Told::Inconclusive(why) => {
            let failure = cause(Reason::Inconclusive, format!("while it baked, {why}"), false, now);
            return Some(hold::inconclusive(d, w, failure));
        }
        Told::Waiting | Told::Passed => {}
    }
    let well = words.iter().all(|w| matches!(w, Word::Well(true))) && matches!(told, Told::Passed);
    if d.due(until) && well {
        return None;
    }
    let waited_for = w.state().unavailable_since;
    if d.due(until.max(waited_for.unwrap_or(until)).plus(stage.progress_deadline)) {
        let message = match stage.metric_gates.is_empty() {
            _ if waited_for.is_some() => verify::NOT_AVAILABLE,
            true => "when it had baked its health checks did not all pass at once",
            false => "when it had baked its health checks and metric gates did not all pass at once",
        };
        let failure = cause(Reason::Inconclusive, message, false, now);
        return Some(hold::inconclusive(d, w, failure));
    }
    Some(supersede::make_room(d, w).unwrap_or(Flow::Stay))
}

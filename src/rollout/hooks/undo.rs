//! What undoes the hooks of a stage that is taken back: when it may be run, and what is to be said when it did not.

use super::{Turn, all_done, begun, follow, note};
use crate::api::Reason;
use crate::api::status::{HookState, HookStep, StageState, Step, TargetState, TargetStep};
use crate::api::time::Time;
use crate::rollout::draft::{Draft, Flow, Work};
use crate::rollout::restore;

/// Runs what undoes the hooks of the stage in work, then looks at what is restored again: it was not looked at meanwhile.
pub(in crate::rollout) fn undo(d: &mut Draft, w: &mut Work) -> Flow {
    match follow::next(d, w, true) {
        Turn::Wait => Flow::Stay,
        Turn::Next => Flow::Go,
        // It could not even be begun: nothing of it is on record.
        Turn::Over(why) if not_undone(w.state()).is_none() => restore::not_undone(d, w, &why.message),
        Turn::Over(_) | Turn::Done => {
            d.look_again(d.now);
            w.rollout.step = Step::Restoring;
            Flow::Stay
        }
    }
}

/// Whether something is there to be undone, and something to undo it.
pub(in crate::rollout) fn to_be_undone(w: &Work) -> bool {
    let touched = begun(w.state()) || w.wrote();
    touched && !w.stage().on_rollback.is_empty() && !all_done(w, true) && not_undone(w.state()).is_none()
}

/// When the last hook that undoes something was over.
pub(in crate::rollout) fn undone_at(state: &StageState) -> Option<Time> {
    state.on_rollback.iter().filter_map(|h| h.ended_at).max()
}

/// Only where nothing of the new version runs any more, nor a hook for all we know; else it is said.
pub(in crate::rollout) fn may_be_undone(d: &mut Draft, w: &Work) -> bool {
    let back = |t: &TargetState| {
        t.trouble.is_none()
            && !matches!(
                t.state,
                TargetStep::Foreign | TargetStep::Inherited | TargetStep::Writing | TargetStep::Written
            )
    };
    let stage = w.stage_name();
    let why = if w.state().hooks.iter().any(|h| h.at_work) {
        format!("a hook of {stage} may be at work still")
    } else if !w.state().targets.iter().all(back) {
        format!("{stage} was not brought back in full")
    } else {
        return true;
    };
    d.warning(Reason::HookSkipped, format!("{why}, so its onRollback hooks are not run"));
    false
}

/// What is to be said of a hook that was to undo something and did not.
pub(in crate::rollout) fn not_undone(state: &StageState) -> Option<String> {
    let bad = |h: &&HookState| !h.under_way() && h.state != HookStep::Succeeded;
    let hook = state.on_rollback.iter().find(bad)?;
    Some(note(&hook.name, &state.name, hook.message.as_deref().unwrap_or_default()))
}

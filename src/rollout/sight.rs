//! What one look at a target can say. What is older than something known before, or leaves out what was asked, accuses
//! nobody and proves nothing: it is looked at again. Nothing is judged here.

use super::draft::Draft;
use crate::api::status::TargetState;
use crate::api::time::Duration;
use crate::api::view::LiveTarget;

/// When it is looked at again after a look that says nothing.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// A target in a look that is not [older] than what is known.
pub(super) fn current<'a>(d: &Draft<'a>, stage: &str, state: &TargetState) -> Option<&'a LiveTarget> {
    d.live(stage, &state.name).filter(|l| !older(l, state))
}

/// The same once its controller has seen its newest generation: before, nobody knows which revision it will run.
pub(super) fn observed<'a>(d: &Draft<'a>, stage: &str, state: &TargetState) -> Option<&'a LiveTarget> {
    current(d, stage, state).filter(|l| l.observed_generation >= l.generation)
}

/// A target of which it can be told whether it still runs the revision that was written.
pub(super) fn comparable<'a>(d: &Draft<'a>, stage: &str, state: &TargetState) -> Option<&'a LiveTarget> {
    let tells = |l: &&LiveTarget| revision(state).is_none() || !revision_unknown(l);
    observed(d, stage, state).filter(tells)
}

/// Whether another revision than the one that was written is there.
pub(super) fn other_revision(live: &LiveTarget, state: &TargetState) -> bool {
    live.revision.as_ref() != revision(state)
}

/// Whether this look says less than is known already. Nothing may happen that would tell more, so it is to be repeated.
pub(super) fn says_less(live: &LiveTarget, state: &TargetState) -> bool {
    revision_unknown(live) || older(live, state)
}

/// Whether this look is older than a write of ours, inherited or not, or than what the last intent was decided on: it says
/// nothing of what anybody did since.
pub(super) fn older(live: &LiveTarget, state: &TargetState) -> bool {
    let same = state.uid.as_ref().is_none_or(|uid| *uid == live.uid);
    let written = state.written.iter().chain(state.inherited.iter().map(|i| &i.written)).map(|x| x.generation);
    let known = written.chain(state.intent_generation).max();
    live.ecs.is_none() && same && known.is_some_and(|known| live.generation < known)
}

/// Whether this look at a target of `stage` is older than what was verified there, or taken back, before this rollout.
pub(super) fn before_stable(d: &Draft, stage: &str, target: &str, live: &LiveTarget) -> bool {
    let mut here = d.status.stable.iter().filter(|s| s.stage == stage && s.target == target);
    live.ecs.is_none() && here.any(|s| s.uid.as_ref() == Some(&live.uid) && live.generation < s.generation)
}

/// Whether the revision of what is there could not be told, although its controller has seen it.
pub(super) fn revision_unknown(live: &LiveTarget) -> bool {
    live.revision.is_none() && !live.paused && live.ecs.is_none() && live.observed_generation >= live.generation
}

fn revision(state: &TargetState) -> Option<&String> {
    state.written.as_ref()?.revision.as_ref()
}

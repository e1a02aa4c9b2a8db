//! Writes whose answer nobody heard, because who asked was ended before: they are not repeated too soon.

use super::doubt::DOUBT;
use crate::api::status::TargetState;
use crate::api::view::LiveTarget;
use crate::rollout::draft::{Draft, Work};

/// Whatever was answered: it is known now what came of the last write.
pub(in crate::rollout) fn heard(d: &Draft, w: &mut Work) {
    if d.obs.answer.is_some() {
        w.state_mut().targets.iter_mut().for_each(|t| t.unanswered = None);
    }
}

/// Whether a write may have been made that no read shows yet: who intended it was ended before it heard the answer. To
/// write again so soon would be a second write.
pub(in crate::rollout) fn unheard(d: &mut Draft, state: &mut TargetState, live: &LiveTarget) -> bool {
    let (Some(asked), Some(ecs)) = (&mut state.unanswered, &live.ecs) else { return false };
    let since = *asked.unheard_since.get_or_insert(d.now);
    let waits = d.now < since.plus(ecs.look_again.times(DOUBT));
    if waits {
        d.look_again_in(ecs.look_again.half());
    }
    waits
}

//! Reads that contradict what is known: AWS may answer with what was true a while ago.

use super::took_back;
use crate::api::status::{TargetState, TargetStep};
use crate::api::time::Duration;
use crate::api::view::{EcsView, LiveTarget};
use crate::rollout::draft::{Draft, Work};

/// So many pauses long reads must contradict what is known before they are believed.
pub(super) const DOUBT: i64 = 3;

/// Whether a target of the stage is read as what it cannot be, for all we know, and that has not lasted yet.
pub(in crate::rollout) fn doubted(d: &mut Draft, w: &mut Work) -> bool {
    let (stage, now) = (w.stage_name(), d.now);
    let mut soon = None;
    for state in &mut w.state_mut().targets {
        let Some((live, ecs)) = d.live(&stage, &state.name).and_then(|l| Some((l, l.ecs.as_ref()?))) else { continue };
        if !contradicts(live, ecs, state) {
            state.doubted_since = None;
            continue;
        }
        let pause = ecs.look_again;
        let since = *state.doubted_since.get_or_insert(now);
        if now < since.plus(pause.times(DOUBT)) {
            soon = Some(soon.map_or(pause, |s: Duration| s.min(pause)).half());
        }
    }
    if let Some(soon) = soon {
        d.look_again_in(soon);
    }
    soon.is_some()
}

fn contradicts(live: &LiveTarget, ecs: &EcsView, state: &TargetState) -> bool {
    let newest = ecs.newest.as_ref();
    let told = newest.is_some_and(|n| live.revision.as_ref() == Some(&n.brings));
    let inherited = state.inherited.as_ref().map(|i| &i.written);
    let written = state.written.as_ref().or(inherited.filter(|_| state.state == TargetStep::Inherited));
    let known = [
        inherited.and_then(|x| x.revision.as_ref()),
        state.way_back.as_ref().and_then(|b| b.revision.as_ref()),
        written.and_then(|x| x.revision.as_ref()),
        state.accepted.as_ref().and_then(|a| a.revision.as_ref()),
        state.accepted.as_ref().and_then(|a| a.forward.as_ref()),
    ];
    // The service deployments name a later one than ours and the one before it.
    let later = told && newest.is_some_and(|n| !known.contains(&Some(&n.brings)));
    match state.state {
        TargetStep::Inherited
        | TargetStep::Written
        | TargetStep::Adopted
        | TargetStep::Verified
        | TargetStep::Restoring
        | TargetStep::Writing => {
            let Some(written) = written.filter(|x| x.revision.is_some()) else { return false };
            !live.runs(&written.images) && !later && !took_back(live, ecs, state)
        }
        TargetStep::Restored => state.way_back.as_ref().is_some_and(|b| !live.runs(&b.images)) && !later,
        _ => false,
    }
}

//! Changes that others make to a target while it is in work. They are seen, named, and never overwritten.

use super::draft::{Draft, Flow, Work, cause};
use super::{ecs, plan, restore, sight, write};
use crate::api::status::{ContainerImage, TargetStep};
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{MANAGER, Reason};

/// A target that was deleted, replaced, or given another image by somebody else while the stage was in work.
pub(super) fn changed_by_others(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage_name();
    let mut why = None;
    for i in 0..w.state().targets.len() {
        let state = w.state().targets[i].clone();
        let workload = state.workload.to_string();
        let found = match d.view(&stage, &state.name) {
            TargetView::Absent | TargetView::Terminating => {
                Some((TargetStep::Gone, Reason::TargetGone, format!("{workload} is gone")))
            }
            TargetView::Live(l) if state.uid.as_ref().is_some_and(|u| *u != l.uid) => {
                Some((TargetStep::Gone, Reason::TargetGone, format!("{workload} was replaced by another object")))
            }
            TargetView::Live(l) => taken(w, i, &l).map(|m| (TargetStep::Foreign, Reason::Contended, m)),
            _ => None,
        };
        if let Some((step, reason, message)) = found {
            w.state_mut().targets[i].state = step;
            why = why.or(Some(cause(reason, message, false, d.now)));
        }
    }
    why.map(|why| restore::fail_stage(d, w, why))
}

/// Who took the image back, if a target that was written or adopted no longer runs it.
fn taken(w: &Work, i: usize, live: &LiveTarget) -> Option<String> {
    let state = &w.state().targets[i];
    if sight::older(live, state) {
        return None;
    }
    let expected = match state.state {
        TargetStep::Written | TargetStep::Adopted => {
            if live.ecs.as_ref().is_some_and(|e| ecs::took_back(live, e, state)) {
                return None;
            }
            state.written.as_ref()?.images.clone()
        }
        TargetStep::Inherited => {
            let inherited = state.inherited.as_ref()?;
            if live.runs(&plan::wanted(&w.spec, &w.stage().targets[i])) {
                return None;
            }
            inherited.written.images.clone()
        }
        // Not written yet for all we know: neither what it was nor what it shall be.
        TargetStep::Writing => {
            // Our stamp with another image: the write was made, and taken back before we looked.
            let made = live.stamp.as_ref().map(|s| &s.effect) == state.effect.as_ref();
            if !made && live.runs(&write::writable(live, state.found.clone())) {
                return None;
            }
            plan::wanted(&w.spec, &w.stage().targets[i])
        }
        _ => return None,
    };
    let expected = write::writable(live, expected);
    if live.runs(&expected) {
        return None;
    }
    difference(live, &expected)
}

/// Which of `expected` it does not run, and who is to be asked.
pub(super) fn difference(live: &LiveTarget, expected: &[ContainerImage]) -> Option<String> {
    expected.iter().find_map(|e| match live.container(&e.container) {
        Some(c) => (c.image != e.image).then(|| contention(live, &c.name, c.image.as_str(), &c.owners)),
        None => Some(format!(
            "container {} of {} was removed by its owner; it is left as it is",
            e.container, live.workload
        )),
    })
}

fn contention(live: &LiveTarget, container: &str, image: &str, owners: &[String]) -> String {
    let manager = owners.iter().find(|o| *o != MANAGER).map_or("somebody", String::as_str);
    format!("{manager} set container {container} of {} to {image}; it is left as it is", live.workload)
}

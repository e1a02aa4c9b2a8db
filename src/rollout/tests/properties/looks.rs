//! The law of looks that are older than our own write: they accuse nobody and prove nothing.

use super::super::play::Fate;
use super::super::world::World;
use super::laws::{Law, Laws, gone, law};
use crate::api::effect::Effect;
use crate::api::status::{Rollout, StageState, TargetState};
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{Reason, TargetId};
use crate::rollout::Decision;

impl Laws {
    /// One decision on a look in which one workload, with its pods, is as it was before our last write to it. What it
    /// writes names the version that it saw; what it says is held against what is there. Each write has one such look.
    pub(in crate::rollout::tests) fn look_back(&mut self, w: &mut World, id: &TargetId) -> Law {
        let Some(old) = old_look(w, id) else { return Ok(()) };
        let decision = old.decide();
        if let Some(Effect::Write(write)) = &decision.effect {
            self.of_write(&old, &decision, write)?;
        }
        let past = w.past.remove(id);
        past.map_or(Ok(()), |past| says_nothing(w, &decision, id, &past))?;
        self.carry(w, decision, Fate::Done).map(drop)
    }
}

/// The world as such a look shows it. `None`: there was no write, or nothing is there to be looked at.
pub(in crate::rollout::tests) fn old_look(w: &World, id: &TargetId) -> Option<World> {
    let past = w.past.get(id).cloned().filter(|_| !gone(w))?;
    matches!(w.targets.get(id), Some(TargetView::Live(_))).then(|| {
        let mut old = w.clone();
        old.targets.insert(id.clone(), TargetView::Live(Box::new(past)));
        old
    })
}

/// What is known to be written is not found changed, gone, restored or well by a look that is older.
fn says_nothing(w: &World, decision: &Decision, id: &TargetId, past: &LiveTarget) -> Law {
    let (Some(old), Some(new)) = (w.rel.status.running(), &decision.status.rollout) else { return Ok(()) };
    let (Some((stage, was)), Some((after, is))) = (part(old, id), part(new, id)) else { return Ok(()) };
    let older = was.written.as_ref().is_some_and(|x| x.generation > past.generation);
    if !older || old.id != new.id || old.stage.as_ref() != Some(&id.stage) {
        return Ok(());
    }
    let what = |of: &str| format!("a look at {id} from before our write says that it is {of}");
    law(was.state == is.state, || what(&format!("{:?}", is.state)))?;
    law(stage.verified_at == after.verified_at, || what("verified"))?;
    let accused = new.cause.as_ref().filter(|_| old.cause.is_none());
    let accused = accused.filter(|c| c.fault || matches!(c.reason, Reason::Contended | Reason::TargetGone));
    let Some(accused) = accused else { return Ok(()) };
    // Of another target it may be true.
    let fresh = w.decide().status.rollout.and_then(|r| r.cause);
    law(fresh.is_some_and(|c| c.reason == accused.reason), || what(&format!("{accused:?}")))
}

fn part<'a>(rollout: &'a Rollout, id: &TargetId) -> Option<(&'a StageState, &'a TargetState)> {
    let stage = rollout.stage_state(&id.stage)?;
    Some((stage, stage.targets.iter().find(|t| t.name == id.target)?))
}

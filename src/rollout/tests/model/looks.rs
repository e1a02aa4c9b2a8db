//! What follows from a look that is older than what is there; worked out once for what it depends on.

use super::super::properties::adversary;
use super::super::properties::looks::old_look;
use super::acts::Act;
use super::parts::{Ids, PAST};
use super::search::Search;
use super::steps::{Seen, guarded, visible};
use crate::api::ReleaseStatus;

impl Search {
    /// A decision is taken on such a look at the `t`-th target, and carried out in the world as it is.
    pub(super) fn looked_back(&self, ids: &Ids, t: u8) -> Result<Ids, String> {
        let act = Act::LookBack(t);
        let mut key = visible(ids);
        key[PAST] = ids[PAST];
        let seen = self.looked.get(&(key, t), || self.old_sight(ids, t))?;
        let mut depends = seen.depends(ids);
        depends[PAST] = ids[PAST];
        let made = self.carried.get(&(depends, act), || {
            let mut play = self.parts.play(ids);
            guarded(|| {
                play.make(act, None).map_err(|e| e.to_string())?;
                Ok(self.parts.take(play.clone(), ids, &self.all()))
            })
        })?;
        let mut after = seen.apply(ids, made);
        after[PAST] = made[PAST];
        Ok(after)
    }

    fn old_sight(&self, ids: &Ids, t: u8) -> Result<Seen, String> {
        let play = self.parts.play(ids);
        let Some(old) = old_look(&play.w, &adversary::id(t)) else { return Ok(Seen::default()) };
        let decision = guarded(|| Ok(old.decide()))?;
        let id = |s: &ReleaseStatus| s.rollout.as_ref().map(|r| r.id);
        let mut seen = Seen::default();
        (seen.asks, seen.acts) = (!decision.asks.is_empty(), decision.effect.is_some());
        seen.renews = id(&decision.status) != id(&play.w.rel.status);
        Ok(seen)
    }
}

//! What may happen next in a world: the controller, the cluster, the clock, and the adversary.

use super::super::play::Fate;
use super::super::properties::adversary::{self, Move};
use super::super::properties::laws::{Law, Laws, expiry, gone};
use super::super::workloads::{Behaviour, settle};
use super::super::world::World;
use crate::api::effect::{Effect, TargetWrite};
use crate::api::time::Time;
use crate::api::view::TargetView;
use crate::rollout::Decision;

/// A world, what the laws remember of it, and a write that nobody waits for any more.
#[derive(Clone)]
pub(super) struct Play {
    pub w: World,
    pub laws: Laws,
    pub late: Option<TargetWrite>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// A decision is stored and carried out; or what goes wrong with it.
    Decide(Fate),
    /// Its write is under way for longer than the controller waits.
    DecideLate,
    /// That write comes to the API server after all.
    Land,
    /// The controller ends, and another begins.
    Restart,
    /// All workloads do what they were told.
    Converge,
    /// One does.
    Grow(u8),
    /// The pods of one are there, and not available yet.
    Lag(u8),
    /// A decision is taken on a look in which one workload is as it was before our last write.
    LookBack(u8),
    /// It is the time that the last decision wanted to look again at.
    Tick,
    Do(Move),
}

/// What the adversary has left, by what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Crashes, lost answers, refused writes, what cannot be read.
    pub faults: u8,
    /// People and tools that change workloads.
    pub hands: u8,
    /// What people order of the Release.
    pub orders: u8,
    /// Images that turn out to be bad, or good again.
    pub images: u8,
    /// Time during which nobody decides.
    pub naps: u8,
}

impl Budget {
    /// What is left after `act`; `None`: it is too dear.
    pub(super) fn after(mut self, act: Act) -> Option<Self> {
        let purse = match act {
            Act::Decide(Fate::Done) | Act::Land | Act::Converge | Act::Grow(_) | Act::Tick => return Some(self),
            Act::Do(Move::Approve) => return Some(self),
            Act::Decide(_) | Act::DecideLate | Act::Restart | Act::Lag(_) | Act::LookBack(_) => &mut self.faults,
            Act::Do(m) => match m {
                Move::Person(..) | Move::GitOps(_) | Move::Edit(_) | Move::Scale(_) | Move::Zero(_) => &mut self.hands,
                Move::Pause(_) | Move::Away(_) | Move::Replace(_) | Move::Claim(_) => &mut self.hands,
                Move::Token(_) | Move::Tag(_) | Move::OtherEdit | Move::Suspend | Move::Abort => &mut self.orders,
                Move::ForgedAbort | Move::Rollback(_) | Move::Delete | Move::Retry(_) => &mut self.orders,
                Move::Behave(..) | Move::Hook(..) | Move::Unfit(_) => &mut self.images,
                Move::Seconds(_) => &mut self.naps,
                _ => &mut self.faults,
            },
        };
        *purse = purse.checked_sub(1)?;
        Some(self)
    }
}

impl Play {
    /// Nothing can happen any more.
    pub(super) fn over(&self) -> bool {
        gone(&self.w)
    }

    /// What is to be done now. The decision is taken anew unless it is known.
    pub(super) fn make(&mut self, act: Act, known: Option<&Decision>) -> Law {
        let decision = |play: &Self| known.cloned().unwrap_or_else(|| play.w.decide());
        match act {
            Act::Decide(fate) => {
                let decision = decision(self);
                self.laws.follow(&mut self.w, decision, fate).map(drop)
            }
            Act::DecideLate => {
                let decision = decision(self);
                if let Some(Effect::Write(write)) = &decision.effect {
                    self.late = Some((**write).clone());
                }
                self.laws.follow(&mut self.w, decision, Fate::NotDone)?;
                Ok(())
            }
            Act::Land => match self.late.take() {
                Some(write) => self.laws.land(&mut self.w, write),
                None => Ok(()),
            },
            Act::Restart => {
                self.w.results.clear();
                self.w.last_result = None;
                self.w.answer = None;
                Ok(())
            }
            Act::Converge => {
                self.w.converge();
                Ok(())
            }
            Act::Grow(t) => {
                let before = self.w.targets.clone();
                self.w.converge();
                let grown = self.w.targets.remove_entry(&adversary::id(t));
                self.w.targets = before;
                self.w.targets.extend(grown);
                Ok(())
            }
            Act::Lag(t) => {
                if let Some(TargetView::Live(live)) = self.w.targets.get_mut(&adversary::id(t)) {
                    settle(live, Behaviour::NeverReady);
                }
                Ok(())
            }
            Act::LookBack(t) => self.laws.look_back(&mut self.w, &adversary::id(t)),
            Act::Tick => {
                let again = known.map_or_else(|| self.w.decide().again, |d| d.again);
                self.w.now = self.until(again).unwrap_or(self.w.now);
                Ok(())
            }
            Act::Do(m) => m.make(&mut self.w, &mut self.laws),
        }
    }

    /// When something happens by itself. While it waits for a person that is when it stops waiting, however often
    /// verified stages are asked.
    pub(super) fn until(&self, again: Option<Time>) -> Option<Time> {
        again.map(|at| expiry(&self.w).unwrap_or(at).max(at))
    }

    /// Whether a write may still come to the API server. What comes after its rollout has ended is not promised to be
    /// taken back.
    pub(super) fn lands(&self) -> bool {
        let of = |w: &TargetWrite| w.stamp.effect.parts().map(|p| p.rollout);
        self.late.as_ref().and_then(of).is_some_and(|r| self.w.rel.status.running().is_some_and(|now| now.id == r))
    }
}

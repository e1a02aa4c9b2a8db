//! What follows from a world, worked out once, whatever the adversary has left.

use super::super::play::Fate;
use super::super::properties::adversary::{self, Move};
use super::acts::{Act, Budget, Play};
use super::normal::NOW;
use super::parts::{ENV, FRONT, GHOST, Ids, JOBS, PAST, STATUS, TALK};
use super::search::Search;
use crate::api::ReleaseStatus;
use crate::api::effect::Effect;
use crate::api::time::Duration;
use crate::rollout::Decision;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The act that breaks a law, if one is known, and which law.
pub(super) type Wrong = (Option<Act>, String);
/// What was done, the world that it led to, and what is left.
type Followed = (Act, u32, Budget);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the controller, the cluster and the clock make of a world.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// It is decided, carried out and not the same any more.
    Decided(u32),
    Converged(u32),
    /// So many milliseconds pass.
    Ticked(u32, i64),
    /// Nothing happens any more.
    Rest,
}

#[derive(Clone, Copy)]
pub(super) struct Expanded {
    done: Option<u32>,
    converged: Option<u32>,
    seen: Seen,
    next: Next,
}

/// What a decision is like.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// The Release is gone: none is taken.
    over: bool,
    pub(super) asks: bool,
    pub(super) acts: bool,
    writes: bool,
    deletes: bool,
    /// Another rollout begins.
    pub(super) renews: bool,
    /// A write is under way already.
    late: bool,
    /// In so many milliseconds something happens by itself.
    until: Option<i64>,
}

impl Seen {
    /// What the outcome depends on: what the adversary has arranged only if somebody is asked or something is done.
    pub(super) fn depends(self, ids: &Ids) -> Ids {
        let mut key = visible(ids);
        if self.asks || self.acts {
            key[ENV] = ids[ENV];
        }
        if self.acts || self.renews {
            (key[GHOST], key[PAST]) = (ids[GHOST], ids[PAST]);
        }
        key
    }
    /// The outcome, with what it does not depend on.
    pub(super) fn apply(self, ids: &Ids, mut made: Ids) -> Ids {
        if !(self.asks || self.acts) {
            made[ENV] = ids[ENV];
        }
        if !(self.acts || self.renews) {
            (made[GHOST], made[PAST]) = (ids[GHOST], ids[PAST]);
        }
        made
    }
}

/// What the controller can see of a world.
pub(super) fn visible(ids: &Ids) -> Ids {
    let mut key = *ids;
    (key[ENV], key[GHOST], key[PAST]) = (u32::MAX, u32::MAX, u32::MAX);
    key
}

impl Search {
    /// What may follow from a world, the controller's own steps first.
    pub(super) fn successors(&self, world: u32, budget: Budget) -> Result<Vec<Followed>, Wrong> {
        let expanded = self.expand(world)?;
        let mut all = Vec::new();
        if expanded.seen.over {
            return Ok(all);
        }
        all.extend(expanded.done.map(|w| (Act::Decide(Fate::Done), w, budget)));
        all.extend(expanded.converged.map(|w| (Act::Converge, w, budget)));
        if let Next::Ticked(w, _) = expanded.next {
            all.push((Act::Tick, w, budget));
        }
        if let Some(left) = budget.after(Act::DecideLate) {
            let fates = self.fates.get(&world, || self.fates_of(world, expanded.seen))?;
            all.extend(fates.into_iter().map(|(act, w)| (act, w, left)));
        }
        let ids = self.worlds.value(world);
        for act in self.config.acts.iter().copied() {
            let Some(left) = budget.after(act) else { continue };
            let moved = match act {
                Act::LookBack(_) if self.parts.unwritten(&ids) => continue,
                Act::LookBack(t) => self.looked_back(&ids, t),
                _ => self.moved(&ids, act),
            };
            let moved = moved.map_err(|e| (Some(act), e))?;
            if moved != ids {
                all.push((act, self.worlds.number(moved), left));
            }
        }
        Ok(all)
    }

    /// What the controller, the cluster and the clock do by themselves.
    pub(super) fn next(&self, world: u32) -> Result<Next, Wrong> {
        Ok(self.expand(world)?.next)
    }

    fn expand(&self, world: u32) -> Result<Expanded, Wrong> {
        self.expanded.get(&world, || {
            let ids = self.worlds.value(world);
            let act = Act::Decide(Fate::Done);
            let seen = self.seen(&ids).map_err(|e| (Some(act), e))?;
            if seen.over {
                return Ok(Expanded { done: None, converged: None, seen, next: Next::Rest });
            }
            let done = self.carried(&ids, seen, act).map_err(|e| (Some(act), e))?;
            let grown = self.moved(&ids, Act::Converge).map_err(|e| (Some(Act::Converge), e))?;
            let done = (done != ids).then(|| self.worlds.number(done));
            let converged = (grown != ids).then(|| self.worlds.number(grown));
            let next = match (done, converged, seen.until) {
                (Some(w), ..) => Next::Decided(w),
                (None, Some(w), _) => Next::Converged(w),
                (None, None, Some(past)) if past > 0 => Next::Ticked(self.worlds.number(self.ticked(&ids, past)), past),
                (None, None, Some(_)) => return Err((Some(Act::Tick), "woken in the past".into())),
                (None, None, None) => Next::Rest,
            };
            Ok(Expanded { done, converged, seen, next })
        })
    }

    /// What the controller makes of what it can see.
    fn seen(&self, ids: &Ids) -> Result<Seen, String> {
        self.seen.get(&visible(ids), || {
            let play = self.parts.play(ids);
            if play.over() {
                return Ok(Seen { over: true, ..Seen::default() });
            }
            let decision = guarded(|| Ok(play.w.decide()))?;
            let until = play.until(decision.again);
            let rests = until.is_none_or(|at| play.w.rel.status.running().is_none() && at > play.w.now.plus(DAY));
            let id = |s: &ReleaseStatus| s.rollout.as_ref().map(|r| r.id);
            let seen = Seen {
                over: false,
                asks: !decision.asks.is_empty(),
                acts: decision.effect.is_some(),
                writes: matches!(decision.effect, Some(Effect::Write(_))),
                deletes: matches!(decision.effect, Some(Effect::DeletePod(_) | Effect::RunHook(_))),
                renews: id(&decision.status) != id(&play.w.rel.status),
                late: play.late.is_some(),
                until: until.filter(|_| !rests).map(|at| at.timestamp().as_millisecond() - NOW),
            };
            // Most often it is carried out right after.
            self.carry(ids, seen, Act::Decide(Fate::Done), play, &decision)?;
            Ok(seen)
        })
    }

    /// A decision is carried out, or what goes wrong with it. Worked out once for what the decision depends on.
    fn carried(&self, ids: &Ids, seen: Seen, act: Act) -> Result<Ids, String> {
        let made = self.carried.get(&(seen.depends(ids), act), || {
            let play = self.parts.play(ids);
            let decision = guarded(|| Ok(play.w.decide()))?;
            self.carry(ids, seen, act, play, &decision)
        })?;
        Ok(seen.apply(ids, made))
    }

    fn carry(&self, ids: &Ids, seen: Seen, act: Act, mut play: Play, decision: &Decision) -> Result<Ids, String> {
        guarded(|| {
            self.carried.get(&(seen.depends(ids), act), || {
                play.make(act, Some(decision)).map_err(|e| e.to_string())?;
                Ok(self.parts.take(play, ids, &self.all()))
            })
        })
    }

    fn ticked(&self, ids: &Ids, past: i64) -> Ids {
        let made: Result<Ids, ()> = self.carried.get(&(visible(ids), Act::Tick), || {
            let mut play = self.parts.play(ids);
            play.w.now = play.w.now.plus(Duration::from_millis(past));
            Ok(self.parts.take(play, ids, &[STATUS, TALK]))
        });
        let mut ticked = *ids;
        made.into_iter().for_each(|made| (ticked[STATUS], ticked[TALK]) = (made[STATUS], made[TALK]));
        ticked
    }

    /// The same decision, when something goes wrong with it.
    fn fates_of(&self, world: u32, seen: Seen) -> Result<Vec<(Act, u32)>, Wrong> {
        let ids = self.worlds.value(world);
        let mut acts = vec![Act::Decide(Fate::Crash)];
        if seen.writes || seen.deletes {
            acts.extend([Fate::CrashAfter, Fate::AnswerLost, Fate::NotDone].map(Act::Decide));
        }
        if seen.writes && !seen.late {
            acts.push(Act::DecideLate);
        }
        let mut all = Vec::new();
        for act in acts {
            let made = self.carried(&ids, seen, act).map_err(|e| (Some(act), e))?;
            if made != ids {
                all.push((act, self.worlds.number(made)));
            }
        }
        Ok(all)
    }

    /// What an act of anybody but the controller makes of a world; it is worked out once for those parts that it touches.
    fn moved(&self, ids: &Ids, act: Act) -> Result<Ids, String> {
        let touched = self.touched(act);
        let mut key = [u32::MAX; 6];
        touched.iter().zip(&mut key).for_each(|(part, k)| *k = ids[*part]);
        let made = self.moves.get(&(act, key), || {
            let mut play = self.parts.play(ids);
            guarded(|| {
                play.make(act, None).map_err(|e| e.to_string())?;
                let made = self.parts.take(play.clone(), ids, &touched);
                Ok(touched.iter().map(|p| made[*p]).collect())
            })
        })?;
        let mut moved = *ids;
        touched.iter().zip(made).for_each(|(part, id)| moved[*part] = id);
        Ok(moved)
    }

    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.parts.places().end).collect()
    }

    /// The parts that an act reads or changes, six at most.
    fn touched(&self, act: Act) -> Vec<usize> {
        let place = |t: u8| self.parts.place(&adversary::id(t));
        match act {
            Act::Converge => [ENV, JOBS].into_iter().chain(self.parts.places()).collect(),
            Act::Grow(t) => vec![ENV, JOBS, place(t)],
            Act::Lag(t) => vec![place(t)],
            Act::Restart => vec![TALK],
            Act::Land => {
                let mut all = vec![TALK, GHOST, PAST];
                all.extend(self.parts.places());
                all
            }
            Act::Do(m) => match m {
                Move::Person(t, _) | Move::GitOps(t) | Move::Replace(t) | Move::Away(t) => vec![place(t), GHOST, TALK],
                Move::Edit(t) | Move::Scale(t) | Move::Zero(t) | Move::Pause(t) => vec![place(t), TALK],
                Move::Unread(t) | Move::Denied(t) | Move::Claim(t) => vec![place(t), TALK],
                Move::Approve | Move::Abort | Move::Rollback(_) => vec![STATUS, FRONT],
                Move::Token(_) | Move::Tag(_) | Move::OtherEdit | Move::Suspend | Move::ForgedAbort => vec![FRONT],
                Move::Delete | Move::Retry(_) => vec![FRONT],
                Move::StatusLost => vec![STATUS, GHOST, TALK],
                Move::Behave(..) | Move::Refuse(_) | Move::Hook(..) => vec![ENV],
                Move::JobsVanish | Move::Unfit(_) => vec![JOBS],
                Move::LoseResults | Move::DuplicateResult | Move::StaleResult => vec![TALK],
                Move::Seconds(_) => vec![STATUS, TALK],
                other => panic!("{other:?} is not of the model"),
            },
            other => panic!("{other:?} is the controller's"),
        }
    }
}

/// A panic of the core is a violation like any other.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

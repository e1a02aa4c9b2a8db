//! A decision in the making: the status being changed, and what goes with it.

use super::{Decision, Observed, ReleaseView};
use crate::api::ask::{Ask, AskId};
use crate::api::effect::Effect;
use crate::api::spec::{ReleaseSpec, Stage};
use crate::api::status::{Announcement, Cause, CheckState, Rollout, StageState, Step};
use crate::api::time::{Duration, Time};
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{Reason, ReleaseStatus, TargetId};

/// Events that one transition may announce.
const MAX_ANNOUNCED: usize = 8;
/// Longest note of an event, in characters.
const MAX_NOTE: usize = 900;
/// So long a round that passed may wait for the next answer before it is stored and shown.
const UNTOLD: Duration = Duration::from_secs(1);

pub(super) struct Draft<'a> {
    pub rel: &'a ReleaseView,
    pub obs: &'a Observed,
    pub now: Time,
    pub status: ReleaseStatus,
    pub effect: Option<Effect>,
    pub asks: Vec<Ask>,
    /// See [`Decision::hold`].
    pub hold: bool,
    pub counted: Vec<AskId>,
    /// Answers that still say something: they are neither counted nor asked again.
    pub kept: Vec<AskId>,
    /// Every change was taken back: only the effect remains.
    pub discarded: bool,
    again: Option<Time>,
    notes: Vec<(bool, Reason, String)>,
}

/// Whether the rollout moved on within this decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Decide again at once, on the changed draft.
    Go,
    /// Wait for an event or a timer.
    Stay,
}

/// The rollout in work, with the spec that it runs on. `spec.stages`, `rollout.stages` and their targets correspond.
pub(super) struct Work {
    pub rollout: Rollout,
    pub spec: ReleaseSpec,
    /// Index of the stage in work.
    pub at: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rel: &'a ReleaseView, obs: &'a Observed, now: Time) -> Self {
        let status = rel.status.clone();
        Self {
            rel,
            obs,
            now,
            status,
            effect: None,
            asks: vec![],
            hold: false,
            counted: vec![],
            kept: vec![],
            discarded: false,
            again: None,
            notes: vec![],
        }
    }

    pub(super) fn view(&self, stage: &str, target: &str) -> TargetView {
        let id = TargetId::new(stage, target);
        let unknown = || TargetView::Unreachable("it has not been looked at yet".into());
        self.obs.targets.get(&id).cloned().unwrap_or_else(unknown)
    }

    pub(super) fn live(&self, stage: &str, target: &str) -> Option<&'a LiveTarget> {
        match self.obs.targets.get(&TargetId::new(stage, target)) {
            Some(TargetView::Live(live)) => Some(live),
            _ => None,
        }
    }

    pub(super) fn normal(&mut self, reason: Reason, note: impl Into<String>) {
        self.notes.push((false, reason, note.into()));
    }
    pub(super) fn warning(&mut self, reason: Reason, note: impl Into<String>) {
        self.notes.push((true, reason, note.into()));
    }

    /// Whether nothing is to be announced so far.
    pub(super) fn silent(&self) -> bool {
        self.notes.is_empty()
    }

    /// Asks to be woken at `at`, or earlier.
    pub(super) fn look_again(&mut self, at: Time) {
        self.again = Some(self.again.map_or(at, |a| a.min(at)));
    }
    pub(super) fn look_again_in(&mut self, d: Duration) {
        self.look_again(self.now.plus(d));
    }
    /// Whether `at` has come; if not, asks to be woken then.
    pub(super) fn due(&mut self, at: Time) -> bool {
        if self.now < at {
            self.look_again(at);
        }
        self.now >= at
    }

    /// Takes back every change: nothing is stored before the effect of this decision.
    pub(super) fn discard(&mut self) {
        self.discarded = true;
        self.status = self.rel.status.clone();
        self.notes.clear();
        self.counted.clear();
        self.asks.clear();
    }

    /// Whether nothing is new but rounds that passed, and the next question is asked at once.
    ///
    /// They are counted and stored together with its answer, if that comes soon. If the process dies before, they are
    /// asked again.
    fn only_passes(&self) -> bool {
        let (Some(old), Some(new)) = (self.rel.status.running(), self.status.running()) else { return false };
        let rounds = |r: &Rollout| r.stages.iter().flat_map(|s| s.checks.clone()).collect::<Vec<_>>();
        let (before, after) = (rounds(old), rounds(new));
        let passed =
            |(b, a): (&CheckState, &CheckState)| b.name == a.name && a.number - b.number == a.passes - b.passes;
        let apart = |status: &ReleaseStatus| {
            let mut status = status.clone();
            let stages = status.rollout.iter_mut().flat_map(|r| &mut r.stages);
            stages.for_each(|s| s.checks.clear());
            status
        };
        let free = self.effect.is_none() && self.notes.is_empty() && !self.asks.is_empty();
        free && before != after
            && before.len() == after.len()
            && before.iter().zip(&after).all(passed)
            && apart(&self.rel.status) == apart(&self.status)
    }

    /// Leaves rounds that passed for the next decision, unless they have waited long enough.
    pub(super) fn put_off_passes(&mut self) {
        if self.only_passes() {
            let first = self.obs.results.iter().map(|r| r.at).min().unwrap_or(self.now);
            if !self.due(first.plus(UNTOLD)) {
                let asks = std::mem::take(&mut self.asks);
                self.discard();
                self.asks = asks;
            }
        }
    }

    pub(super) fn finish(mut self) -> Decision {
        self.announce();
        if !self.discarded && !self.hold {
            // A round that was not counted now is answered for something that is over.
            let over = self.obs.results.iter().filter(|r| !self.kept.contains(&r.id));
            self.counted = over.map(|r| r.id.clone()).collect();
        }
        let Self { status, effect, asks, hold, counted, again, .. } = self;
        Decision { status, effect, asks, hold, counted, again }
    }

    fn announce(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        let rollout = self.status.rollout.as_ref().map_or_else(|| "0-0".to_owned(), |r| r.id.to_string());
        let (first, at, release) = (self.status.announcements, self.now, &self.rel.name.name);
        let mut notes = std::mem::take(&mut self.notes);
        // The first and the last say what happened and how it ended; what is too much lies between.
        if let Some(extra) = notes.len().checked_sub(MAX_ANNOUNCED) {
            notes.drain(MAX_ANNOUNCED / 2..MAX_ANNOUNCED / 2 + extra);
        }
        let announced = notes.into_iter().enumerate();
        self.status.announced = announced
            .map(|(i, (warning, reason, note))| Announcement {
                // With the time: a Release that is made again, or whose status was lost, counts from one again.
                name: format!("{release}.{rollout}.{}.{:x}", first + 1 + i as i64, at.timestamp().as_millisecond()),
                at,
                warning,
                reason,
                note: note.chars().take(MAX_NOTE).collect(),
            })
            .collect();
        self.status.announcements = first + self.status.announced.len() as i64;
    }
}

impl Work {
    pub(super) fn stage(&self) -> &Stage {
        &self.spec.stages[self.at]
    }
    pub(super) fn state(&self) -> &StageState {
        &self.rollout.stages[self.at]
    }
    pub(super) fn state_mut(&mut self) -> &mut StageState {
        &mut self.rollout.stages[self.at]
    }
    pub(super) fn stage_name(&self) -> String {
        self.stage().name.clone()
    }
    /// Whether a target of the stage in work may run what this rollout wrote, or inherited.
    pub(super) fn wrote(&self) -> bool {
        wrote(self.state())
    }
    /// The same of any stage that was in work or is taken back.
    pub(super) fn wrote_anywhere(&self) -> bool {
        self.rollout.stages[self.at..].iter().any(wrote)
    }
    /// The stage that was in work before any was taken back.
    pub(super) fn failed(&self) -> &str {
        let taken = self.rollout.stages.iter().rposition(|s| s.restore_at.is_some());
        &self.rollout.stages[taken.unwrap_or(self.at).max(self.at)].name
    }
    pub(super) fn go(&mut self, step: Step) -> Flow {
        self.rollout.step = step;
        Flow::Go
    }
}

fn wrote(stage: &StageState) -> bool {
    use crate::api::status::TargetStep::{Foreign, Inherited, Restored, Restoring, Verified, Writing, Written};
    let touched = [Inherited, Writing, Written, Verified, Restoring, Restored, Foreign];
    stage.targets.iter().any(|t| touched.contains(&t.state) && t.effect.is_some())
}

pub(super) fn cause(reason: Reason, message: impl Into<String>, fault: bool, at: Time) -> Cause {
    Cause { reason, message: message.into(), at, fault }
}

//! One hook from its intent to its end.

use super::{Turn, id, list, note, states, states_mut};
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::hook::{HookRun, HookStop, HookView, JobVerdict, JobView};
use crate::api::spec::Hook;
use crate::api::status::{HookState, HookStep, JobRef};
use crate::api::text::tidy;
use crate::api::time::Duration;
use crate::api::{HookId, NsName, Reason};
use crate::rollout::draft::{Draft, Work, cause};
use crate::rollout::jobs;

/// Characters of what is remembered of a hook.
const MAX_MESSAGE: usize = 800;

/// After that the Job of an intent may have been made, ended and tidied away: it is not made any more.
const STALE: Duration = Duration::from_secs(12 * 3600);
/// How long one that was told to end is waited for.
const ENDS: Duration = Duration::from_secs(60);
/// The condition's reason where the Job's own clock ended it.
const DEADLINE: &str = "DeadlineExceeded";

/// Goes on with the first hook that has not succeeded.
pub(super) fn next(d: &mut Draft, w: &mut Work, undo: bool) -> Turn {
    let hooks = list(w.stage(), undo).to_vec();
    let done = |h: &&Hook| {
        let mut all = states(w.state(), undo).iter();
        all.any(|s| s.name == h.name && s.state == HookStep::Succeeded)
    };
    let Some(hook) = hooks.iter().find(|h| !done(h)) else { return Turn::Done };
    let Some(i) = states(w.state(), undo).iter().position(|s| s.name == hook.name) else {
        return begin(d, w, hook, undo);
    };
    let mut one = One { i, undo, hook, stage: w.stage_name() };
    one.heard(d, w);
    one.follow(d, w)
}

/// Stores the intent, and asks for the effect.
fn begin(d: &mut Draft, w: &mut Work, hook: &Hook, undo: bool) -> Turn {
    let stage = w.stage().clone();
    let id = id(&stage, hook, undo);
    let Some(run) = jobs::of_hook(d.rel, &w.spec, &stage, (&id, hook), w.rollout.id, hook.timeout()) else {
        let message = format!("hook {} of {} is of a kind that cannot be run", hook.name, stage.name);
        return Turn::Over(cause(Reason::HookFailed, message, false, d.now));
    };
    let HookRun::Job(job) = &run;
    d.normal(Reason::HookStarted, format!("{}: hook {} begins as Job {}", stage.name, hook.name, job.job));
    states_mut(w, undo).push(HookState {
        name: hook.name.clone(),
        state: HookStep::Starting,
        irreversible: hook.irreversible,
        effect: run.effect().clone(),
        job: Some(JobRef { namespace: job.job.namespace.clone(), name: job.job.name.clone(), uid: None }),
        started_at: d.now,
        ended_at: None,
        stop_at: None,
        at_work: false,
        message: None,
    });
    d.effect = Some(Effect::RunHook(run));
    Turn::Wait
}

struct One<'a> {
    i: usize,
    undo: bool,
    hook: &'a Hook,
    stage: String,
}

impl One<'_> {
    fn state<'w>(&self, w: &'w mut Work) -> &'w mut HookState {
        &mut states_mut(w, self.undo)[self.i]
    }

    /// That it was made is known for ever from then on.
    fn heard(&self, d: &Draft, w: &mut Work) {
        let Some(Answer::Created { uid }) = &d.obs.answer else { return };
        let state = self.state(w);
        if let (HookStep::Starting, Some(job)) = (state.state, &mut state.job) {
            job.uid = Some(uid.clone());
            state.state = HookStep::Running;
        }
    }

    fn follow(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let id = HookId { stage: self.stage.clone(), hook: self.hook.name.clone(), on_rollback: self.undo };
        match d.obs.hooks.get(&id).cloned() {
            Some(HookView::Job(job)) => self.found(d, w, &job),
            Some(HookView::Absent) if self.state(w).state == HookStep::Running => self.gone(d, w, "is gone"),
            Some(HookView::Absent) => self.absent(d, w),
            Some(HookView::Unreachable(message)) => {
                self.state(w).message = Some(message);
                self.clock(d, w, None)
            }
            // Not looked at yet.
            Some(HookView::Fit | HookView::Unfit { .. }) | None => {
                d.look_again(d.now);
                Turn::Wait
            }
        }
    }

    fn found(&mut self, d: &mut Draft, w: &mut Work, job: &JobView) -> Turn {
        let place = self.place(w);
        let state = self.state(w);
        let ours = job.effect.as_deref() == Some(state.effect.as_str()) && job.release.as_deref() == Some(&d.rel.uid);
        let known = state.job.as_ref().and_then(|j| j.uid.clone());
        if !ours && known.is_none() {
            let message = format!("{place} exists already and is somebody else's: delete it");
            return self.end(d, w, HookStep::Failed, message);
        }
        if known.is_some_and(|uid| uid != job.uid) {
            return self.gone(d, w, "was replaced by another of its name");
        }
        if let Some(j) = &mut state.job {
            j.uid = Some(job.uid.clone());
        }
        state.state = HookStep::Running;
        state.message = job.waits.clone();
        match &job.verdict {
            Some(JobVerdict::Complete) => self.end(d, w, HookStep::Succeeded, format!("{place} is complete")),
            Some(JobVerdict::Failed { reason, message }) => {
                let late = reason == DEADLINE || (self.state(w).stop_at.is_some() && w.rollout.cause.is_none());
                let step = match () {
                    () if self.state(w).stop_at.is_some() && w.rollout.cause.is_some() && !self.undo => {
                        HookStep::Stopped
                    }
                    () if late => HookStep::TimedOut,
                    () => HookStep::Failed,
                };
                self.end(d, w, step, format!("{place} failed: {message}"))
            }
            None => self.clock(d, w, Some(&job.uid)),
        }
    }

    /// Not there, and nobody ever said that it was.
    fn absent(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let place = self.place(w);
        let state = self.state(w).clone();
        if state.stop_at.is_some() || (w.rollout.cause.is_some() && !self.undo) {
            return self.end(d, w, HookStep::Stopped, format!("{place} was not created"));
        }
        if d.now >= state.started_at.plus(STALE) {
            return self.gone(d, w, "may have been made and tidied away since");
        }
        if d.due(state.started_at.plus(self.hook.timeout())) {
            return self.end(d, w, HookStep::TimedOut, format!("{place} could not be created in time"));
        }
        match d.obs.answer.clone() {
            Some(Answer::Refused { kind: Refused::Forbidden | Refused::Invalid | Refused::Gone, message }) => {
                self.end(d, w, HookStep::Failed, format!("{place} could not be created: {message}"))
            }
            // The name stands for it: if it was made after all, it is found by it.
            Some(Answer::Ambiguous { message } | Answer::Refused { message, .. }) => {
                self.state(w).message = Some(tidy(&message, MAX_MESSAGE));
                d.look_again_in(Duration::from_secs(1));
                Turn::Wait
            }
            _ => {
                let left = state.started_at.plus(self.hook.timeout()).since(d.now);
                let stage = w.stage().clone();
                let id = id(&stage, self.hook, self.undo);
                let run = jobs::of_hook(d.rel, &w.spec, &stage, (&id, self.hook), w.rollout.id, left);
                d.effect = run.map(Effect::RunHook);
                d.look_again_in(Duration::from_secs(1));
                Turn::Wait
            }
        }
    }

    fn gone(&mut self, d: &mut Draft, w: &mut Work, how: &str) -> Turn {
        let place = self.place(w);
        if self.state(w).stop_at.is_some() {
            let step = if w.rollout.cause.is_some() && !self.undo { HookStep::Stopped } else { HookStep::TimedOut };
            return self.end(d, w, step, format!("{place} {how}"));
        }
        let message = format!(
            "{place} {how}: nobody knows how it ended, and it is not run again by itself; look at what it works on, and at who deletes Jobs"
        );
        self.end(d, w, HookStep::Vanished, message)
    }

    /// It is at work for all we know: how long may it be?
    fn clock(&mut self, d: &mut Draft, w: &mut Work, seen: Option<&str>) -> Turn {
        let timeout = self.hook.timeout();
        let state = self.state(w).clone();
        let ordered = w.rollout.cause.is_some() && !self.undo;
        let late = d.due(state.started_at.plus(timeout));
        if (ordered || late) && state.stop_at.is_none() {
            self.state(w).stop_at = Some(d.now);
        }
        let Some(since) = self.state(w).stop_at else {
            // Its pod is watched; its conditions follow soon after.
            let taken = d.now.since(state.started_at).millis();
            d.look_again_in(Duration::from_millis((taken / 8).clamp(1000, 10_000)));
            return Turn::Wait;
        };
        if d.due(since.plus(ENDS)) {
            let place = self.place(w);
            let step = if ordered { HookStep::Stopped } else { HookStep::TimedOut };
            let said = state.message.map(|m| format!(" ({m})")).unwrap_or_default();
            self.state(w).at_work = true;
            let what = format!("{place} did not end when it was told to, and may be at work still{said}");
            return self.end(d, w, step, what);
        }
        if let (Some(uid), None, Some(job)) = (seen, &d.obs.answer, &state.job) {
            let job = NsName::new(&job.namespace, &job.name);
            d.effect = Some(Effect::StopHook(HookStop::Job { job, uid: uid.to_owned() }));
        }
        d.look_again_in(Duration::from_secs(1));
        Turn::Wait
    }

    fn end(&mut self, d: &mut Draft, w: &mut Work, step: HookStep, what: String) -> Turn {
        let now = d.now;
        let timeout = self.hook.timeout();
        let message = match step {
            HookStep::TimedOut => format!("not done within {timeout}, how far it came is not known: {what}"),
            _ => what,
        };
        let message = tidy(&message, MAX_MESSAGE);
        let state = self.state(w);
        state.state = step;
        state.ended_at = Some(now);
        state.message = Some(message.clone());
        let at_work = state.at_work;
        let note = note(&self.hook.name, &self.stage, &message);
        let reason = match step {
            HookStep::Succeeded => {
                let never = if self.hook.irreversible { "; from here on nothing goes back by itself" } else { "" };
                d.normal(Reason::HookSucceeded, format!("{note}{never}"));
                return Turn::Next;
            }
            HookStep::TimedOut => Reason::HookTimedOut,
            HookStep::Vanished => Reason::HookVanished,
            _ => Reason::HookFailed,
        };
        if step != HookStep::Stopped || at_work {
            d.warning(reason, note.clone());
        }
        Turn::Over(cause(reason, note, false, now))
    }

    fn place(&self, w: &Work) -> String {
        let state = states(w.state(), self.undo).get(self.i);
        state
            .and_then(|s| s.job.as_ref())
            .map_or_else(|| "its Job".into(), |j| format!("Job {}/{}", j.namespace, j.name))
    }
}

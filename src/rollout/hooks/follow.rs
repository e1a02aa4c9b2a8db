//! One hook from its intent to its end. What is different about Jobs is in [`job`], about ECS tasks in [`task`].

use super::{Planned, Turn, id, list, note, run_of, states, states_mut};
use crate::api::effect::{Answer, Effect};
use crate::api::hook::{HookRun, HookStop, HookView};
use crate::api::spec::Hook;
use crate::api::status::{HookState, HookStep, JobRef};
use crate::api::text::tidy;
use crate::api::time::Duration;
use crate::api::{HookId, Reason};
use crate::rollout::draft::{Draft, Work, cause};
use crate::rollout::tasks;

mod job;
mod task;

/// Characters of what is remembered of a hook.
const MAX_MESSAGE: usize = 800;

/// Between its last try, which made nothing for all that is known, and the next.
pub(in crate::rollout) fn pause(hook: &HookState) -> Duration {
    hook.task.as_ref().map_or(job::PAUSE, |task| task::pause(task.attempt))
}

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
    let of = Planned { rel: d.rel, spec: &w.spec, stage: &stage, id: &id, rollout: w.rollout.id };
    let Some(run) = run_of(of, hook, hook.timeout(), None) else {
        let message = format!("hook {} of {} has no ECS target to run beside", hook.name, stage.name);
        return Turn::Over(cause(Reason::HookFailed, message, false, d.now));
    };
    let (job, task, place) = match &run {
        HookRun::Job(run) => {
            let job = JobRef {
                namespace: run.job.namespace.clone(),
                name: run.job.name.clone(),
                uid: None,
                again_at: None,
                missing_since: None,
            };
            (Some(job), None, format!("Job {}", run.job))
        }
        HookRun::Task(run) => {
            let place = format!("an ECS task in {}", run.service.cluster_name());
            (None, Some(tasks::first(run, d.now)), place)
        }
    };
    d.normal(Reason::HookStarted, format!("{}: hook {} begins as {place}", stage.name, hook.name));
    states_mut(w, undo).push(HookState {
        name: hook.name.clone(),
        state: HookStep::Starting,
        irreversible: hook.irreversible,
        effect: run.effect().clone(),
        job,
        task,
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
        if state.state != HookStep::Starting {
            return;
        }
        if let Some(job) = &mut state.job {
            job.uid = Some(uid.clone());
        }
        if let Some(task) = &mut state.task {
            task.arn = Some(uid.clone());
        }
        state.state = HookStep::Running;
        state.message = None;
    }

    fn follow(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let id = HookId { stage: self.stage.clone(), hook: self.hook.name.clone(), on_rollback: self.undo };
        let (running, task) = (self.state(w).state == HookStep::Running, self.state(w).task.is_some());
        match d.obs.hooks.get(&id).cloned() {
            Some(HookView::Job(job)) => self.job(d, w, &job),
            Some(HookView::Task(task)) => self.task(d, w, &task),
            Some(HookView::Absent) if task && running => self.task_missing(d, w),
            Some(HookView::Absent) if task => self.task_unheard(d, w),
            Some(HookView::Absent) if running => self.job_missing(d, w),
            Some(HookView::Absent) => self.job_absent(d, w),
            Some(HookView::Unreachable(message)) => {
                self.state(w).message = Some(message);
                let stop = self.stop_task(w);
                self.clock(d, w, stop)
            }
            // Not looked at yet.
            Some(HookView::Fit | HookView::Unfit { .. }) | None => {
                d.look_again(d.now);
                Turn::Wait
            }
        }
    }

    /// What is run for it, with what is left of its time.
    fn run(&self, d: &Draft, w: &mut Work) -> Option<HookRun> {
        let state = self.state(w).clone();
        let left = state.started_at.plus(self.hook.timeout()).since(d.now);
        let stage = w.stage().clone();
        let id = id(&stage, self.hook, self.undo);
        let of = Planned { rel: d.rel, spec: &w.spec, stage: &stage, id: &id, rollout: w.rollout.id };
        run_of(of, self.hook, left, Some(&state))
    }

    /// Whether somebody ended the rollout. What undoes something is let to finish.
    fn ordered(&self, w: &Work) -> bool {
        w.rollout.cause.is_some() && !self.undo
    }

    /// How one ends that was told to, or that failed.
    fn badly(&self, w: &mut Work, late: bool) -> HookStep {
        let (told, ordered) = (self.state(w).stop_at.is_some(), self.ordered(w));
        match () {
            () if told && ordered => HookStep::Stopped,
            () if late || told => HookStep::TimedOut,
            () => HookStep::Failed,
        }
    }

    fn gone(&mut self, d: &mut Draft, w: &mut Work, how: &str) -> Turn {
        let place = self.place(w);
        if self.state(w).stop_at.is_some() {
            let step = if self.ordered(w) { HookStep::Stopped } else { HookStep::TimedOut };
            return self.end(d, w, step, format!("{place} {how}"));
        }
        let who = if self.state(w).task.is_some() { "" } else { ", and at who deletes Jobs" };
        let message = format!(
            "{place} {how}: nobody knows how it ended, and it is not run again by itself; look at what it works on{who}"
        );
        self.end(d, w, HookStep::Vanished, message)
    }

    /// It is at work for all we know: how long may it be? `stop`: what would end it.
    fn clock(&mut self, d: &mut Draft, w: &mut Work, stop: Option<HookStop>) -> Turn {
        let timeout = self.hook.timeout();
        let state = self.state(w).clone();
        let ordered = self.ordered(w);
        let late = d.due(state.started_at.plus(timeout));
        if (ordered || late) && state.stop_at.is_none() {
            self.state(w).stop_at = Some(d.now);
        }
        let Some(since) = self.state(w).stop_at else {
            // A Job's pod is watched; its conditions follow soon after.
            let taken = d.now.since(state.started_at).millis();
            d.look_again_in(Duration::from_millis((taken / 8).clamp(1000, 10_000)));
            return Turn::Wait;
        };
        let ends = if state.task.is_some() { task::ENDS } else { job::ENDS };
        if d.due(since.plus(ends)) {
            let place = self.place(w);
            let step = if ordered { HookStep::Stopped } else { HookStep::TimedOut };
            let said = state.message.map(|m| format!(" ({m})")).unwrap_or_default();
            self.state(w).at_work = true;
            let what = format!("{place} did not end when it was told to, and may be at work still{said}");
            return self.end(d, w, step, what);
        }
        if d.obs.answer.is_none() {
            d.effect = stop.map(Effect::StopHook);
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
        state.and_then(super::place).unwrap_or_else(|| "its Job".into())
    }
}

//! A hook that is an ECS task. ECS makes one task at most for a client token, and shows late what it made.
//!
//! So a try whose outcome nobody knows is repeated under its own token only, and a new token is used only after ECS said
//! that the try before had made nothing. A task that ECS does not show any more is never run again.

use super::{MAX_MESSAGE, One};
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::hook::{HookStop, HookTask};
use crate::api::spec::HookKind;
use crate::api::status::{HookStep, TaskRef};
use crate::api::text::tidy;
use crate::api::time::Duration;
use crate::rollout::draft::{Draft, Work};
use crate::rollout::hooks::Turn;
use crate::rollout::tasks;

/// How long one that was told to end is waited for: its containers may take two minutes for it.
pub(super) const ENDS: Duration = Duration::from_secs(180);
/// ECS forgets a token an hour after its task has ended: long before, a doubtful try is not repeated any more.
const STALE: Duration = Duration::from_secs(30 * 60);
/// So long what was just made may not be shown.
const UNSEEN: Duration = Duration::from_secs(120);
/// So long what was shown before may be missing by mistake.
const MISSING: Duration = Duration::from_secs(15);
/// Between two tries where there is no room: at first, in seconds, and at most.
const PAUSE: i64 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Codes of tasks that were ended from outside: what they answer to a signal says nothing of their work.
const FROM_OUTSIDE: [&str; 4] = ["UserInitiated", "SpotInterruption", "TerminationNotice", "ServiceSchedulerInitiated"];

impl One<'_> {
    /// It is there.
    pub(super) fn task(&mut self, d: &mut Draft, w: &mut Work, seen: &HookTask) -> Turn {
        let Some(task) = &mut self.state(w).task else { return self.gone(d, w, "is no ECS task") };
        if seen.started_by.as_ref() != Some(&task.started_by) {
            let message = format!("{} was not started by this hook", seen.arn);
            return self.end(d, w, HookStep::Failed, message);
        }
        task.arn = Some(seen.arn.clone());
        (task.seen, task.doubtful, task.again_at, task.missing_since) = (true, false, None, None);
        let state = self.state(w);
        (state.state, state.message) = (HookStep::Running, None);
        let place = self.place(w);
        match verdict(seen, self.container()) {
            Some(Ok(())) => self.end(d, w, HookStep::Succeeded, format!("{place} is done")),
            Some(Err(why)) => {
                let step = self.badly(w, false);
                self.end(d, w, step, format!("{place} failed: {why}"))
            }
            None => {
                let stop = self.stop_task(w).filter(|_| !seen.stopping);
                self.clock(d, w, stop)
            }
        }
    }

    /// ECS named it, and does not show it: at first that means little.
    pub(super) fn task_missing(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let now = d.now;
        let Some(task) = &mut self.state(w).task else { return self.gone(d, w, "is gone") };
        let since = *task.missing_since.get_or_insert(now);
        let patience = if task.seen { MISSING } else { UNSEEN };
        if d.due(since.plus(patience)) {
            return self.gone(d, w, "is known to ECS no more");
        }
        let stop = self.stop_task(w);
        self.clock(d, w, stop)
    }

    /// Not there, and nobody ever said that it was.
    pub(super) fn task_unheard(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        self.take_in(d, w);
        let Some(task) = self.state(w).task.clone() else { return self.gone(d, w, "is gone") };
        if let Some(Answer::Refused { kind, message }) = &d.obs.answer
            && matches!(kind, Refused::Forbidden | Refused::Invalid | Refused::Gone)
        {
            self.state(w).at_work = task.doubtful;
            let message = format!("{} could not be run: {message}", self.place(w));
            return self.end(d, w, HookStep::Failed, message);
        }
        if task.doubtful && d.now >= task.asked_at.plus(STALE) {
            return self.gone(d, w, "may have been run and have ended since");
        }
        let begun = self.state(w).started_at;
        let late = d.due(begun.plus(self.hook.timeout()));
        if self.ordered(w) || late {
            return self.give_up(d, w, &task, late);
        }
        if let Some(at) = task.again_at {
            if d.due(at) {
                self.again(d, w, &task);
            }
            return Turn::Wait;
        }
        if d.obs.answer.is_none() {
            d.effect = self.run(d, w).map(Effect::RunHook);
        }
        d.look_again_in(Duration::from_secs(1));
        Turn::Wait
    }

    /// What would end it, once ECS has named it.
    pub(super) fn stop_task(&self, w: &mut Work) -> Option<HookStop> {
        let arn = self.state(w).task.as_ref()?.arn.clone()?;
        let HookKind::EcsTask(task) = &self.hook.kind else { return None };
        let (_, ecs) = tasks::beside(w.stage(), task)?;
        Some(HookStop::Task { service: ecs.into(), arn })
    }

    fn container(&self) -> &str {
        match &self.hook.kind {
            HookKind::EcsTask(task) => &task.container,
            HookKind::Job(_) => "",
        }
    }

    /// What the answer says of the last try. Without one it was never heard.
    fn take_in(&self, d: &Draft, w: &mut Work) {
        let (now, answer) = (d.now, d.obs.answer.clone());
        let state = self.state(w);
        let Some(task) = &mut state.task else { return };
        if task.again_at.is_some() {
            return;
        }
        match answer {
            Some(Answer::Refused { kind: Refused::NoCapacity | Refused::Throttled, message }) => {
                state.message = Some(tidy(&message, MAX_MESSAGE));
                task.again_at = Some(now.plus(pause(task.attempt)));
            }
            Some(Answer::Refused { kind: Refused::Forbidden | Refused::Invalid | Refused::Gone, .. }) => {}
            Some(Answer::Ambiguous { message } | Answer::Refused { message, .. }) => {
                state.message = Some(tidy(&message, MAX_MESSAGE));
                task.doubtful = true;
            }
            _ => task.doubtful = true,
        }
    }

    /// The next try: intended first, and under the token of the last one where that may have made a task.
    fn again(&self, d: &mut Draft, w: &mut Work, last: &TaskRef) {
        let now = d.now;
        if let Some(task) = &mut self.state(w).task {
            task.again_at = None;
            if !last.doubtful {
                (task.attempt, task.asked_at) = (last.attempt.saturating_add(1), now);
            }
        }
        d.effect = self.run(d, w).map(Effect::RunHook);
    }

    /// No more tries. One that is doubtful is looked for a while longer, to be stopped.
    fn give_up(&mut self, d: &mut Draft, w: &mut Work, task: &TaskRef, late: bool) -> Turn {
        let now = d.now;
        let since = *self.state(w).stop_at.get_or_insert(now);
        if task.doubtful && !d.due(since.plus(MISSING)) {
            d.look_again_in(Duration::from_secs(1));
            return Turn::Wait;
        }
        let place = self.place(w);
        let said = self.state(w).message.clone().map(|m| format!(": {m}")).unwrap_or_default();
        if late && !self.ordered(w) {
            return self.end(d, w, HookStep::TimedOut, format!("{place} could not be run in time{said}"));
        }
        self.end(d, w, HookStep::Stopped, format!("{place} was not run"))
    }
}

/// By the exit code of the named container alone; none is a failure. `None`: it has not ended.
fn verdict(seen: &HookTask, container: &str) -> Option<Result<(), String>> {
    if !seen.stopped {
        return None;
    }
    let code = seen.code.as_deref().unwrap_or("no stop code");
    let why = if seen.reason.is_empty() { code.to_owned() } else { format!("{code}: {}", seen.reason) };
    let Some(exit) = &seen.container else {
        return Some(Err(format!("it has no container {container} ({why})")));
    };
    let said = if exit.reason.is_empty() { String::new() } else { format!(", {}", exit.reason) };
    Some(match exit.code {
        Some(0) if FROM_OUTSIDE.contains(&code) => Err(format!(
            "container {container} exited with 0 when it was told to end ({why}), which says nothing of its work"
        )),
        Some(0) => Ok(()),
        Some(n) => Err(format!("container {container} exited with {n}{said} ({why})")),
        None => Err(format!("container {container} has no exit code{said} ({why})")),
    })
}

/// 5, 10, 20, 40, then every 60 seconds.
pub(super) fn pause(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(8);
    Duration::from_secs(PAUSE.saturating_mul(1 << doublings)).min(LONGEST_PAUSE)
}

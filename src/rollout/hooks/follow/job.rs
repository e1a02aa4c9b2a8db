//! A hook that is a Job: found by its name, which no other has.

use super::{MAX_MESSAGE, One};
use crate::api::NsName;
use crate::api::effect::{Answer, Effect, Refused};
use crate::api::hook::{HookStop, JobVerdict, JobView};
use crate::api::status::HookStep;
use crate::api::text::tidy;
use crate::api::time::Duration;
use crate::rollout::draft::{Draft, Work};
use crate::rollout::hooks::Turn;

/// How long one that was told to end is waited for.
pub(super) const ENDS: Duration = Duration::from_secs(60);
/// So long one that was there may be missing by mistake, and so long where it was told to end.
const MISSING: Duration = Duration::from_secs(15);
const MISSING_AT_THE_END: Duration = Duration::from_secs(5);
/// So long a refusal may be somebody's mistake who will mend it: a quota, an admission webhook. It could be made before.
const REFUSED: Duration = Duration::from_secs(30);
/// Between two tries to create it, where the first was refused or not answered for.
pub(super) const PAUSE: Duration = Duration::from_secs(5);
/// After that the Job of an intent may have been made, ended and tidied away: it is not made any more.
const STALE: Duration = Duration::from_secs(12 * 3600);
/// The condition's reason where the Job's own clock ended it.
const DEADLINE: &str = "DeadlineExceeded";

impl One<'_> {
    /// It is there.
    pub(super) fn job(&mut self, d: &mut Draft, w: &mut Work, job: &JobView) -> Turn {
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
        let stop = state.job.as_mut().map(|j| {
            (j.uid, j.again_at, j.missing_since) = (Some(job.uid.clone()), None, None);
            HookStop::Job { job: NsName::new(&j.namespace, &j.name), uid: job.uid.clone() }
        });
        state.state = HookStep::Running;
        state.message = job.waits.clone();
        match &job.verdict {
            Some(JobVerdict::Complete) => self.end(d, w, HookStep::Succeeded, format!("{place} is complete")),
            Some(JobVerdict::Failed { reason, message }) => {
                let step = self.badly(w, reason == DEADLINE);
                self.end(d, w, step, format!("{place} failed: {message}"))
            }
            None => self.clock(d, w, stop),
        }
    }

    /// It was there, and is not shown: an API server that lags behind does not know it yet.
    pub(super) fn job_missing(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let (now, told) = (d.now, self.state(w).stop_at.is_some());
        let Some(job) = &mut self.state(w).job else { return self.gone(d, w, "is gone") };
        let since = *job.missing_since.get_or_insert(now);
        if d.due(since.plus(if told { MISSING_AT_THE_END } else { MISSING })) {
            return self.gone(d, w, "is gone");
        }
        self.clock(d, w, None)
    }

    /// Not there, and nobody ever said that it was.
    pub(super) fn job_absent(&mut self, d: &mut Draft, w: &mut Work) -> Turn {
        let place = self.place(w);
        let state = self.state(w).clone();
        if state.stop_at.is_some() || self.ordered(w) {
            return self.end(d, w, HookStep::Stopped, format!("{place} was not created"));
        }
        if d.now >= state.started_at.plus(STALE) {
            return self.gone(d, w, "may have been made and tidied away since");
        }
        if d.due(state.started_at.plus(self.hook.timeout())) {
            return self.end(d, w, HookStep::TimedOut, format!("{place} could not be created in time"));
        }
        match d.obs.answer.clone() {
            Some(Answer::Refused { kind: Refused::Forbidden | Refused::Invalid | Refused::Gone, message })
                if d.due(state.started_at.plus(REFUSED)) =>
            {
                return self.end(d, w, HookStep::Failed, format!("{place} could not be created: {message}"));
            }
            // The name stands for it: if it was made after all, it is found by it.
            Some(Answer::Ambiguous { message } | Answer::Refused { message, .. }) => {
                let at = d.now.plus(PAUSE);
                d.look_again(at);
                let state = self.state(w);
                state.message = Some(tidy(&message, MAX_MESSAGE));
                state.job.iter_mut().for_each(|j| j.again_at = Some(at));
            }
            _ => {
                if state.job.and_then(|j| j.again_at).is_none_or(|at| d.due(at)) {
                    d.effect = self.run(d, w).map(Effect::RunHook);
                    d.look_again_in(Duration::from_secs(1));
                }
            }
        }
        Turn::Wait
    }
}

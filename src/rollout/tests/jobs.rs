//! The Jobs of a world in memory.

use super::play::Fate;
use super::world::World;
use crate::api::effect::{Answer, Effect};
use crate::api::hook::{HookLook, HookRun, HookStop, HookView, JobVerdict, JobView};
use crate::api::status::Step;
use crate::api::{HookId, NsName};
use crate::rollout::need;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(in crate::rollout) struct SimJob {
    pub(in crate::rollout) hook: String,
    pub(in crate::rollout) view: JobView,
}

/// How the Job of a hook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rollout) enum Ending {
    Well,
    Badly,
    Never,
}

impl World {
    /// What is seen of the hooks that are to be looked at.
    pub(super) fn hooks(&self) -> BTreeMap<HookId, HookView> {
        let looks = need(&self.rel, true).hooks.into_iter();
        looks
            .map(|(id, look)| {
                let view = match look {
                    HookLook::Fit(_) => match self.unfit.clone() {
                        Some((reason, message)) => HookView::Unfit { reason, message },
                        None => HookView::Fit,
                    },
                    HookLook::Found(HookRun::Job(run)) => match self.jobs.get(&run.job) {
                        Some(job) => HookView::Job(job.view.clone()),
                        None => HookView::Absent,
                    },
                    HookLook::Found(HookRun::Task(run)) => self.task_view(&run),
                };
                (id, view)
            })
            .collect()
    }

    pub(super) fn begin_job(&mut self, run: &HookRun, fate: Fate) -> Option<Answer> {
        if let HookRun::Task(run) = run {
            return self.begin_task(run, fate);
        }
        let silence = || Some(Answer::Ambiguous { message: "no answer in time".into() });
        match fate {
            Fate::NotDone => silence(),
            Fate::AnswerLost => self.create_job(run).and(silence()),
            Fate::CrashAfter => self.create_job(run).filter(|_| false),
            _ => self.create_job(run),
        }
    }

    fn create_job(&mut self, run: &HookRun) -> Option<Answer> {
        let HookRun::Job(run) = run else { return None };
        if let Some((kind, message)) = self.refuse.clone() {
            return Some(Answer::Refused { kind, message });
        }
        if self.jobs.contains_key(&run.job) {
            let message = "jobs.batch already exists".into();
            return Some(Answer::Refused { kind: crate::api::effect::Refused::Conflict, message });
        }
        let uid = format!("job-{}", self.created.len());
        self.created.push(run.effect.to_string());
        let view = JobView {
            uid: uid.clone(),
            effect: Some(run.effect.to_string()),
            release: Some(run.uid.clone()),
            verdict: None,
            waits: None,
            began: false,
            fell: false,
            disrupted: false,
        };
        let hook = run.effect.as_str().split('/').nth(3).unwrap().to_owned();
        self.jobs.insert(run.job.clone(), SimJob { hook, view });
        Some(Answer::Created { uid })
    }

    /// The Job's own clock ends it.
    pub(super) fn stop_job(&mut self, stop: &HookStop) -> Answer {
        let job = match stop {
            HookStop::Job { job, .. } => job,
            HookStop::Task { arn, .. } => return self.stop_task(arn),
        };
        let failed = JobVerdict::Failed { reason: "DeadlineExceeded".into(), message: "it took too long".into() };
        match self.jobs.get_mut(job) {
            Some(found) => found.view.verdict = found.view.verdict.take().or(Some(failed)),
            None => {
                return Answer::Refused { kind: crate::api::effect::Refused::Gone, message: "not found".into() };
            }
        }
        Answer::Applied { generation: 2, resource_version: "2".into() }
    }

    pub(super) fn jobs_go_on(&mut self) -> bool {
        let mut changed = false;
        for job in self.jobs.values_mut().filter(|j| j.view.verdict.is_none()) {
            let ending = self.endings.get(&job.hook).copied().unwrap_or(Ending::Well);
            job.view.verdict = match ending {
                Ending::Well => Some(JobVerdict::Complete),
                Ending::Badly => Some(JobVerdict::Failed {
                    reason: "BackoffLimitExceeded".into(),
                    message: "container a exited with 3 (Error): no such table".into(),
                }),
                Ending::Never => None,
            };
            changed |= job.view.verdict.is_some();
        }
        changed
    }

    /// Goes on until nothing moves or a person is waited for; `fate` meets the first two tries to run a hook.
    ///
    /// `hidden`: lists of ECS tasks show late what was made.
    pub(super) fn run_while_hooks_meet(&mut self, fate: Fate, hidden: bool) {
        let mut fell = 0;
        for _ in 0..60 {
            let decision = self.decide();
            let hook = matches!(decision.effect, Some(Effect::RunHook(_)));
            let fate = if hook && fell < 2 { fate } else { Fate::Done };
            fell += usize::from(fate != Fate::Done);
            self.tasks_hidden = hidden && fell < 2;
            if self.carry_out(decision, fate) || self.converge() {
                continue;
            }
            match self.again {
                Some(at) if at > self.now && self.step_name() != Step::AwaitingPromotion => self.now = at,
                _ => break,
            }
        }
    }

    /// Somebody deletes every Job.
    pub(super) fn jobs_vanish(&mut self) {
        self.jobs.clear();
    }

    /// Jobs of this hook that were ever created.
    pub(super) fn runs_of(&self, hook: &str) -> usize {
        self.created.iter().filter(|e| e.split('/').nth(3) == Some(hook)).count()
    }

    pub(super) fn job(&self, hook: &str) -> NsName {
        self.jobs.iter().find(|(_, j)| j.hook == hook).map(|(name, _)| name.clone()).unwrap()
    }
}

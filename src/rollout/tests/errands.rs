//! The ECS tasks of a world in memory, which keeps tokens as ECS does.

use super::jobs::Ending;
use super::play::Fate;
use super::world::World;
use crate::api::effect::{Answer, Refused};
use crate::api::hook::{Exit, HookTask, HookView, TaskRun};

#[derive(Clone)]
pub(in crate::rollout) struct SimTask {
    pub(in crate::rollout) hook: String,
    pub(in crate::rollout) token: String,
    pub(in crate::rollout) view: HookTask,
}

impl World {
    pub(super) fn task_view(&self, run: &TaskRun) -> HookView {
        let shown = self.tasks.iter().filter(|_| !self.tasks_hidden);
        let by_arn = |t: &&SimTask| run.arn.as_ref().is_some_and(|arn| *arn == t.view.arn);
        let by_start = |t: &&SimTask| run.arn.is_none() && t.view.started_by.as_ref() == Some(&run.started_by);
        let found = shown.into_iter().find(|t| by_arn(t) || by_start(t));
        found.map_or(HookView::Absent, |t| HookView::Task(t.view.clone()))
    }

    pub(super) fn begin_task(&mut self, run: &TaskRun, fate: Fate) -> Option<Answer> {
        let silence = || Some(Answer::Ambiguous { message: "no answer in time".into() });
        match fate {
            Fate::NotDone => silence(),
            Fate::AnswerLost => self.create_task(run).and(silence()),
            Fate::CrashAfter => self.create_task(run).filter(|_| false),
            _ => self.create_task(run),
        }
    }

    fn create_task(&mut self, run: &TaskRun) -> Option<Answer> {
        self.tokens.push(run.token.clone());
        if let Some(known) = self.tasks.iter().find(|t| t.token == run.token) {
            return Some(Answer::Created { uid: known.view.arn.clone() });
        }
        if let Some((kind, message)) = self.refuse.clone() {
            return Some(Answer::Refused { kind, message });
        }
        let arn = format!("arn:aws:ecs:eu-west-1:1:task/prod/{}", self.created.len());
        self.created.push(run.effect.to_string());
        let view = HookTask {
            arn: arn.clone(),
            started_by: Some(run.started_by.clone()),
            stopping: false,
            stopped: false,
            code: None,
            reason: String::new(),
            container: Some(Exit { code: None, reason: String::new() }),
        };
        let hook = run.effect.as_str().split('/').nth(3).unwrap().to_owned();
        self.tasks.push(SimTask { hook, token: run.token.clone(), view });
        Some(Answer::Created { uid: arn })
    }

    /// It is killed, unless it takes no notice.
    pub(super) fn stop_task(&mut self, arn: &str) -> Answer {
        self.stops += 1;
        let deaf = self.deaf;
        match self.tasks.iter_mut().find(|t| t.view.arn == arn) {
            Some(_) if deaf => {}
            Some(task) => ended(&mut task.view, "UserInitiated", Some(137)),
            None => return Answer::Refused { kind: Refused::Invalid, message: "not found".into() },
        }
        Answer::Applied { generation: 0, resource_version: String::new() }
    }

    pub(super) fn tasks_go_on(&mut self) -> bool {
        let mut changed = false;
        for task in self.tasks.iter_mut().filter(|t| !t.view.stopped) {
            let exit = match self.endings.get(&task.hook).copied().unwrap_or(Ending::Well) {
                Ending::Well => Some(0),
                Ending::Badly => Some(3),
                Ending::Never => continue,
            };
            ended(&mut task.view, "EssentialContainerExited", exit);
            changed = true;
        }
        changed
    }
}

pub(super) fn ended(view: &mut HookTask, code: &str, exit: Option<i32>) {
    (view.stopping, view.stopped) = (true, true);
    view.code = Some(code.into());
    view.reason = "Essential container in task exited".into();
    view.container = Some(Exit { code: exit, reason: String::new() });
}

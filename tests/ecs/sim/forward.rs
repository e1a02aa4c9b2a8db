//! The way forward: tasks start one by one, run or fail, and the old ones stop.

use super::clock::At;
use super::course::{Course, End, Failure};
use super::engine::Step;
use super::ids;
use super::images::Images;
use super::service::{Hook, Service};
use std::time::Duration;

impl Service {
    pub(super) fn first_task(&mut self, id: &str, at: At, images: &Images) {
        let Some(number) = self.number_of(id) else { return };
        let gone =
            self.revision(&number).is_some_and(|r| r.containers.iter().any(|c| images.absent.contains(&c.image)));
        if gone {
            self.clear_agenda();
            if let Some(rollout) = self.rollout(id) {
                rollout.course.end = End::Fails(Failure::CannotPull(None));
            }
            return self.task_fails(id, at, images);
        }
        self.pin(&number, images);
        if self.settings.desired > 0 {
            self.start_task(&number, at);
        }
        let hangs = self.rollout(id).is_some_and(|r| r.course.end == End::Hangs);
        if hangs {
            self.tasks_of_mut(&number).for_each(|t| t.running = Some(at));
        }
    }

    pub(super) fn all_run(&mut self, id: &str, at: At) {
        let Some(number) = self.number_of(id) else { return };
        self.tasks_of_mut(&number).filter(|t| t.stopped.is_none()).for_each(|t| t.run(at));
    }

    pub(super) fn rest_starts(&mut self, id: &str, at: At) {
        let Some(number) = self.number_of(id) else { return };
        for _ in self.live(&number)..self.settings.desired {
            self.start_task(&number, at);
        }
    }

    pub(super) fn old_stops(&mut self, id: &str, at: At) {
        let Some(number) = self.number_of(id) else { return };
        self.retire_all_but(&number, at);
    }

    pub(super) fn lands(&mut self, id: &str, at: At) {
        self.set_status(id, "SUCCESSFUL", "", at);
        if let Some(rollout) = self.rollout(id) {
            rollout.finished = Some(at);
        }
        self.deployments.truncate(1);
        self.completes_primary(at);
    }

    pub(super) fn pause(&mut self, id: &str, at: At) {
        let steps: Vec<_> = std::mem::take(&mut self.agenda).into_iter().map(|((at, _), step)| (at, step)).collect();
        if let Some(rollout) = self.rollout(id) {
            rollout.hook = Some(Hook { id: ids::uuid(), since: at, steps });
        }
    }

    /// One more task of it fails; the circuit breaker counts.
    pub(super) fn task_fails(&mut self, id: &str, at: At, images: &Images) {
        let Some((number, course)) = self.rollout(id).map(|r| (r.number.clone(), r.course.clone())) else { return };
        let End::Fails(why) = &course.end else { return };
        match why {
            Failure::NoPlace => {
                self.say(at, "was unable to place a task because no container instance met all of its requirements.")
            }
            Failure::CannotPull(_) => self.start_task(&number, at).fail(why, at),
            Failure::Unhealthy => {
                self.pin(&number, images);
                self.tasks_of_mut(&number).filter(|t| t.stopped.is_none()).for_each(|t| t.fail(why, at));
                self.start_task(&number, at).running = Some(at);
            }
            _ => {
                self.pin(&number, images);
                self.start_task(&number, at).fail(why, at);
            }
        }
        let threshold = self.threshold();
        let breaker = self.settings.breaker;
        let Some(deployment) = self.deployments.first_mut() else { return };
        deployment.updated = at;
        // Without a circuit breaker the count is not kept up.
        deployment.failed += u32::from(breaker);
        let failed = deployment.failed;
        if let Some(rollout) = self.rollout(id) {
            rollout.failures = failed;
        }
        if breaker && failed >= threshold {
            self.trips(id, at);
        } else {
            // A service whose tasks fail again and again is given new ones more and more rarely.
            let gone = u32::try_from(self.tasks_of(&number).filter(|t| t.stopped.is_some()).count()).unwrap_or(0);
            let slower = if gone < threshold { 1 } else { 10 };
            self.put(at + self.between_failures(&course) * slower, Step::TaskFails(id.to_owned()));
        }
    }

    /// So that the circuit breaker trips when the course says.
    pub(super) fn between_failures(&self, course: &Course) -> Duration {
        (course.after / self.threshold()).max(Duration::from_millis(20))
    }

    pub(super) fn trips(&mut self, id: &str, at: At) {
        let reason = "ECS deployment circuit breaker: tasks failed to start.";
        if let Some(deployment) = self.deployments.first_mut() {
            (deployment.state, deployment.reason, deployment.updated) = ("FAILED", reason.to_owned(), at);
            let number = deployment.number.clone();
            self.say(at, &format!("(deployment ecs-svc/{number}) deployment failed: tasks failed to start."));
        }
        let rolls_back = self.settings.breaker_rolls_back;
        let Some(rollout) = self.rollout(id) else { return };
        rollout.tripped = true;
        if rolls_back {
            let why = "Service deployment rolled back because the circuit breaker threshold was exceeded.";
            self.goes_back(id, at, why);
        } else {
            rollout.finished = Some(at);
            self.set_status(id, "STOPPED", reason, at);
        }
    }

    pub(super) fn live(&self, number: &str) -> u32 {
        u32::try_from(self.tasks_of(number).filter(|t| t.stopped.is_none()).count()).unwrap_or(0)
    }

    pub(super) fn retire_all_but(&mut self, number: &str, at: At) {
        for task in self.tasks.iter_mut().filter(|t| t.number.as_deref() != Some(number)) {
            let reason = format!("Scaling activity initiated by (deployment {})", task.started_by);
            task.retire(at, &reason);
        }
    }

    pub(super) fn completes_primary(&mut self, at: At) {
        let Some(primary) = self.deployments.first_mut() else { return };
        let number = primary.number.clone();
        (primary.state, primary.updated) = ("COMPLETED", at);
        primary.reason = format!("ECS deployment ecs-svc/{number} completed.");
        self.retire_all_but(&number, at);
        self.say(at, &format!("(deployment ecs-svc/{number}) deployment completed."));
        self.say(at, "has reached a steady state.");
    }

    /// So many failures in a row end a deployment.
    pub(super) fn threshold(&self) -> u32 {
        self.settings.desired.div_ceil(2).clamp(3, 200)
    }
}

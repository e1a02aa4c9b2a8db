//! The way back as ECS goes it: the previous service revision becomes PRIMARY again, under its old number.

use super::clock::At;
use super::course::Back;
use super::engine::{Step, delay};
use super::service::{RolledBack, Service};

impl Service {
    pub(super) fn goes_back(&mut self, id: &str, at: At, why: &str) {
        self.clear_agenda();
        let nothing_fails = self.settings.nothing_to_go_back_to_fails;
        let Some(found) = self.deployments.iter().position(|d| d.state == "COMPLETED") else {
            let Some(rollout) = self.rollout(id) else { return };
            // Nothing has ever landed: it stands still.
            if nothing_fails || rollout.status == "STOP_REQUESTED" {
                rollout.finished = Some(at);
                let reason = "Service deployment rollback failed: there is no completed deployment to roll back to.";
                self.set_status(id, "ROLLBACK_FAILED", reason, at);
            }
            return;
        };
        let mut old = self.deployments.remove(found);
        let Some(rollout) = self.rollout(id) else { return };
        rollout.back = Some(RolledBack { to: old.number.clone(), at, why: why.to_owned() });
        (rollout.status, rollout.updated) = ("ROLLBACK_REQUESTED", at);
        why.clone_into(&mut rollout.reason);
        let (number, course) = (rollout.number.clone(), rollout.course.clone());
        (old.state, old.updated) = ("IN_PROGRESS", at);
        old.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/{}.", old.number);
        self.say(at, &format!("rolling back to deployment ecs-svc/{}.", old.number));
        self.task_definition.clone_from(&old.task_definition);
        self.deployments.insert(0, old);
        if let Some(failed) = self.deployments.iter_mut().find(|d| d.number == number) {
            (failed.state, failed.updated) = ("FAILED", at);
        }
        self.put(at + course.lingers, Step::Vanishes(number));
        self.put(at + delay(&course.back) / 10, Step::OldAgain(id.to_owned()));
        match course.back {
            Back::Lands(after) => self.put(at + after, Step::IsBack(id.to_owned())),
            Back::Fails(after) => self.put(at + after, Step::CannotGoBack(id.to_owned())),
            Back::Hangs => {}
        }
    }

    /// Old tasks are started until there are enough, with the digests that they had.
    pub(super) fn old_again(&mut self, id: &str, at: At) {
        self.set_status(id, "ROLLBACK_IN_PROGRESS", "", at);
        let Some(number) = self.deployments.first().map(|d| d.number.clone()) else { return };
        for _ in self.live(&number)..self.settings.desired {
            self.start_task(&number, at);
        }
    }

    pub(super) fn is_back(&mut self, id: &str, at: At) {
        self.set_status(id, "ROLLBACK_SUCCESSFUL", "", at);
        if let Some(rollout) = self.rollout(id) {
            rollout.finished = Some(at);
        }
        let Some(number) = self.deployments.first().map(|d| d.number.clone()) else { return };
        self.tasks_of_mut(&number).filter(|t| t.stopped.is_none()).for_each(|t| t.run(at));
        self.completes_primary(at);
    }

    pub(super) fn cannot_go_back(&mut self, id: &str, at: At) {
        let reason = "Service deployment rollback failed: tasks failed to start.";
        self.set_status(id, "ROLLBACK_FAILED", reason, at);
        if let Some(rollout) = self.rollout(id) {
            rollout.finished = Some(at);
        }
        if let Some(primary) = self.deployments.first_mut() {
            (primary.state, primary.updated, primary.reason) = ("FAILED", at, reason.to_owned());
        }
    }

    /// A deployment that was rolled back leaves the list, and its tasks stop.
    pub(super) fn vanishes(&mut self, number: &str, at: At) {
        self.deployments.retain(|d| d.number != number);
        let reason = format!("Scaling activity initiated by (deployment ecs-svc/{number})");
        self.tasks_of_mut(number).for_each(|t| t.retire(at, &reason));
    }
}

//! What the service scheduler does as time passes. Each step is put on the service's agenda and done when it is due.

use super::clock::At;
use super::course::{Back, Course, End, Failure, Somebody};
use super::ids;
use super::images::Images;
use super::service::{Hook, Rollout, Service};
use super::taskdefs::{TaskDefinition, TaskDefinitions};
use std::time::Duration;

/// A step of a service deployment, which is named by its id.
#[derive(Clone, Debug)]
pub enum Step {
    Start(String),
    FirstTask(String),
    FirstRuns(String),
    Pause(String),
    RestStarts(String),
    RestRuns(String),
    OldStops(String),
    Lands(String),
    TaskFails(String),
    /// For this reason.
    GoesBack(String, String),
    OldAgain(String),
    IsBack(String),
    CannotGoBack(String),
    /// The deployment with this number leaves the list.
    Vanishes(String),
    Somebody(Somebody),
}

impl Service {
    /// Does everything that is due.
    pub fn advance(&mut self, now: At, images: &Images, definitions: &TaskDefinitions) {
        while let Some(first) = self.agenda.first_entry() {
            let (at, _) = *first.key();
            if at > now {
                break;
            }
            let step = first.remove();
            self.carry_out(step, at, images, definitions);
        }
    }

    /// Begins a deployment; one in flight is replaced.
    pub fn deploy(&mut self, definition: &TaskDefinition, now: At, images: &Images) {
        let course = self.next_course(definition, images);
        let stuck = self.in_flight().is_some_and(Rollout::going_back);
        self.replace_rollout(now);
        let from = self.deployments.iter().map(|d| d.number.clone()).collect();
        let number = self.push_deployment(&definition.arn, definition.images(), now);
        let id = ids::short();
        // While ECS rolls back, a new deployment neither launches tasks nor can it be rolled back.
        self.schedule(&id, &course, now, stuck);
        self.rollouts.push(Rollout {
            id,
            number,
            from,
            created: now,
            updated: now,
            finished: None,
            status: "PENDING",
            reason: String::new(),
            back: None,
            failures: 0,
            tripped: false,
            course,
            hook: None,
        });
    }

    /// Somebody asks to stop it: ECS takes note, and goes back soon after.
    pub fn stop_rollout(&mut self, id: &str, now: At) {
        self.clear_agenda();
        let Some(rollout) = self.rollout(id) else { return };
        (rollout.status, rollout.updated, rollout.hook) = ("STOP_REQUESTED", now, None);
        let soon = now + delay(&rollout.course.back) / 10;
        let why = "Service deployment rolled back because of a StopServiceDeployment request.".to_owned();
        self.put(soon, Step::GoesBack(id.to_owned(), why));
    }

    /// Somebody answers its PAUSE hook. False if that hook does not wait.
    pub fn answer_hook(&mut self, id: &str, hook: &str, go_on: bool, now: At) -> bool {
        let Some(rollout) = self.rollout(id) else { return false };
        let Some(Hook { since, steps, .. }) = rollout.hook.take_if(|h| h.id == hook) else { return false };
        if go_on {
            steps.into_iter().for_each(|(at, step)| self.put(now + (at - since), step));
        } else {
            let why = "Service deployment rolled back because of a lifecycle hook.".to_owned();
            self.put(now, Step::GoesBack(id.to_owned(), why));
        }
        true
    }

    /// Gives the tasks of a deployment their digests. Later ones run the same.
    pub fn pin(&mut self, number: &str, images: &Images) {
        if let Some(revision) = self.revisions.iter_mut().find(|r| r.number == number) {
            for container in &mut revision.containers {
                container.digest.get_or_insert_with(|| images.digest(&container.image));
            }
        }
    }

    fn carry_out(&mut self, step: Step, at: At, images: &Images, definitions: &TaskDefinitions) {
        match step {
            Step::Start(id) => self.set_status(&id, "IN_PROGRESS", "", at),
            Step::FirstTask(id) => self.first_task(&id, at, images),
            Step::FirstRuns(id) => self.all_run(&id, at),
            Step::Pause(id) => self.pause(&id, at),
            Step::RestStarts(id) => self.rest_starts(&id, at),
            Step::RestRuns(id) => self.all_run(&id, at),
            Step::OldStops(id) => self.old_stops(&id, at),
            Step::Lands(id) => self.lands(&id, at),
            Step::TaskFails(id) => self.task_fails(&id, at, images),
            Step::GoesBack(id, why) => self.goes_back(&id, at, &why),
            Step::OldAgain(id) => self.old_again(&id, at),
            Step::IsBack(id) => self.is_back(&id, at),
            Step::CannotGoBack(id) => self.cannot_go_back(&id, at),
            Step::Vanishes(number) => self.vanishes(&number, at),
            Step::Somebody(who) => self.somebody(&who, at, images, definitions),
        }
    }

    /// What somebody else does with the service.
    pub fn somebody(&mut self, who: &Somebody, at: At, images: &Images, definitions: &TaskDefinitions) {
        let name = match who {
            Somebody::Deploys(name) => name.clone(),
            Somebody::Redeploys => self.task_definition.clone(),
            Somebody::StopsIt => {
                let id = self.in_flight().filter(|r| !r.going_back()).map(|r| r.id.clone());
                return id.into_iter().for_each(|id| self.stop_rollout(&id, at));
            }
        };
        if let Some(definition) = definitions.find(&name) {
            self.deploy(definition, at, images);
        }
    }

    fn next_course(&mut self, definition: &TaskDefinition, images: &Images) -> Course {
        let by_image = || {
            let mut courses = definition.images().into_iter().map(|(_, image)| (images.courses)(&image));
            let first = courses.next().unwrap_or_else(Course::lands);
            std::iter::once(first.clone()).chain(courses).find(|c| c.end != End::Lands).unwrap_or(first)
        };
        self.courses.pop_front().unwrap_or_else(by_image)
    }

    fn schedule(&mut self, id: &str, course: &Course, now: At, stuck: bool) {
        let part = |percent: u32| now + course.after * percent / 100;
        self.put(part(5), Step::Start(id.to_owned()));
        if let Some((after, who)) = &course.meanwhile {
            self.put(now + *after, Step::Somebody(who.clone()));
        }
        if stuck {
            return;
        }
        match course.end {
            End::Fails(_) => self.put(now + self.between_failures(course), Step::TaskFails(id.to_owned())),
            End::Lands | End::Hangs => self.put(part(10), Step::FirstTask(id.to_owned())),
        }
        if course.end == End::Lands {
            self.put(part(40), Step::FirstRuns(id.to_owned()));
            if course.pauses {
                self.put(part(45), Step::Pause(id.to_owned()));
            }
            self.put(part(50), Step::RestStarts(id.to_owned()));
            self.put(part(70), Step::RestRuns(id.to_owned()));
            self.put(part(80), Step::OldStops(id.to_owned()));
            self.put(part(100), Step::Lands(id.to_owned()));
        }
    }

    pub(super) fn number_of(&mut self, id: &str) -> Option<String> {
        self.rollout(id).map(|r| r.number.clone())
    }

    pub(super) fn set_status(&mut self, id: &str, status: &'static str, reason: &str, at: At) {
        if let Some(rollout) = self.rollout(id) {
            (rollout.status, rollout.updated) = (status, at);
            if !reason.is_empty() {
                reason.clone_into(&mut rollout.reason);
            }
        }
    }

    pub(super) fn put(&mut self, at: At, step: Step) {
        self.agenda.insert((at, ids::turn()), step);
    }

    /// Only what has already left stays due to leave.
    pub(super) fn clear_agenda(&mut self) {
        self.agenda.retain(|_, step| matches!(step, Step::Vanishes(_) | Step::Somebody(_)));
    }

    fn replace_rollout(&mut self, now: At) {
        self.clear_agenda();
        self.agenda.retain(|_, step| !matches!(step, Step::Somebody(_)));
        if let Some(rollout) = self.rollouts.iter_mut().rev().find(|r| r.in_flight()) {
            (rollout.status, rollout.updated, rollout.finished) = ("STOPPED", now, Some(now));
            "Service deployment stopped because a newer one has replaced it.".clone_into(&mut rollout.reason);
        }
    }
}

pub(super) fn delay(back: &Back) -> Duration {
    match back {
        Back::Lands(after) | Back::Fails(after) => *after,
        Back::Hangs => Duration::from_secs(1),
    }
}

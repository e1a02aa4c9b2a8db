//! A service and what hangs on it: deployments, service deployments, revisions, tasks, events.

use super::clock::At;
use super::course::Course;
use super::engine::Step;
use super::ids;
use super::tasks::Task;
use super::world::Place;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a person has configured.
#[derive(Clone, Debug)]
pub struct Settings {
    pub desired: u32,
    /// `None`: the field is absent, which means ECS.
    pub controller: Option<&'static str>,
    pub express: bool,
    pub strategy: &'static str,
    pub breaker: bool,
    pub breaker_rolls_back: bool,
    pub minimum_percent: u32,
    pub maximum_percent: u32,
    pub status: &'static str,
    pub load_balancers: Value,
    /// In which its tasks lie.
    pub subnet: &'static str,
    /// So long load balancers call a running task `initial`.
    pub registers_in: Duration,
    /// What ECS does where there is nothing to go back to: stands still, or says ROLLBACK_FAILED.
    pub nothing_to_go_back_to_fails: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            desired: 2,
            controller: None,
            express: false,
            strategy: "ROLLING",
            breaker: false,
            breaker_rolls_back: false,
            minimum_percent: 100,
            maximum_percent: 200,
            status: "ACTIVE",
            load_balancers: json!([]),
            subnet: "subnet-0a1b2c3d",
            registers_in: Duration::ZERO,
            nothing_to_go_back_to_fails: false,
        }
    }
}

#[derive(Clone)]
pub struct Service {
    pub place: Place,
    pub cluster: String,
    pub name: String,
    pub created: At,
    pub settings: Settings,
    /// The ARN.
    pub task_definition: String,
    /// PRIMARY first.
    pub deployments: Vec<Deployment>,
    /// The latest last.
    pub rollouts: Vec<Rollout>,
    pub revisions: Vec<Revision>,
    pub tasks: Vec<Task>,
    /// The latest last.
    pub events: Vec<(At, String)>,
    pub courses: VecDeque<Course>,
    /// What will happen, unless something else happens before.
    pub agenda: BTreeMap<(At, u64), Step>,
}

/// An entry of `deployments`. Its number is also the number of its service revision.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub number: String,
    pub task_definition: String,
    pub created: At,
    pub updated: At,
    pub state: &'static str,
    pub reason: String,
    pub failed: u32,
}

/// A service deployment.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub id: String,
    pub number: String,
    pub from: Vec<String>,
    pub created: At,
    pub updated: At,
    pub finished: Option<At>,
    pub status: &'static str,
    pub reason: String,
    pub back: Option<RolledBack>,
    pub failures: u32,
    pub tripped: bool,
    pub course: Course,
    pub hook: Option<Hook>,
}

/// A PAUSE hook that waits.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: String,
    pub since: At,
    /// What was still to come, and when.
    pub steps: Vec<(At, Step)>,
}

#[derive(Clone, Debug)]
pub struct RolledBack {
    pub to: String,
    pub at: At,
    pub why: String,
}

/// A service revision: a task definition, and the digests that its first task found.
#[derive(Clone, Debug)]
pub struct Revision {
    pub number: String,
    pub task_definition: String,
    pub created: At,
    pub containers: Vec<Pinned>,
}

#[derive(Clone, Debug)]
pub struct Pinned {
    pub name: String,
    pub image: String,
    pub digest: Option<String>,
}

impl Rollout {
    pub fn in_flight(&self) -> bool {
        self.finished.is_none()
    }

    pub fn going_back(&self) -> bool {
        self.in_flight() && self.back.is_some()
    }
}

impl Service {
    pub fn arn(&self) -> String {
        self.place.arn(&format!("service/{}/{}", self.cluster, self.name))
    }

    pub fn cluster_arn(&self) -> String {
        self.place.arn(&format!("cluster/{}", self.cluster))
    }

    pub fn revision_arn(&self, number: &str) -> String {
        self.place.arn(&format!("service-revision/{}/{}/{number}", self.cluster, self.name))
    }

    pub fn rollout_arn(&self, id: &str) -> String {
        self.place.arn(&format!("service-deployment/{}/{}/{id}", self.cluster, self.name))
    }

    pub fn revision(&self, number: &str) -> Option<&Revision> {
        self.revisions.iter().find(|r| r.number == number)
    }

    pub fn rollout(&mut self, id: &str) -> Option<&mut Rollout> {
        self.rollouts.iter_mut().find(|r| r.id == id)
    }

    /// The one that is in work, if any.
    pub fn in_flight(&self) -> Option<&Rollout> {
        self.rollouts.iter().rev().find(|r| r.in_flight())
    }

    pub fn say(&mut self, at: At, message: &str) {
        let text = format!("(service {}) {message}", self.name);
        // Repeated messages are swallowed, as the real scheduler does for hours.
        if self.events.last().is_none_or(|(_, last)| *last != text) {
            self.events.push((at, text));
        }
        if self.events.len() > 100 {
            self.events.remove(0);
        }
    }

    /// A deployment and its revision, at the head of the list.
    pub fn push_deployment(&mut self, task_definition: &str, images: Vec<(String, String)>, now: At) -> String {
        let number = ids::number();
        let containers = images.into_iter().map(|(name, image)| Pinned { name, image, digest: None }).collect();
        let task_definition = task_definition.to_owned();
        self.task_definition.clone_from(&task_definition);
        self.revisions.push(Revision {
            number: number.clone(),
            task_definition: task_definition.clone(),
            created: now,
            containers,
        });
        self.deployments.insert(
            0,
            Deployment {
                number: number.clone(),
                task_definition,
                created: now,
                updated: now,
                state: "IN_PROGRESS",
                reason: format!("ECS deployment ecs-svc/{number} in progress."),
                failed: 0,
            },
        );
        number
    }
}

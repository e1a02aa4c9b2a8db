//! Tasks that no service started: they run once and end. Their plans, and the tokens that keep them from running twice.

use super::clock::At;
use super::course::Failure;
use super::tasks::{Stop, Task};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How the next task that is run goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// Exits with this status after so long.
    Exits(i32, Duration),
    Fails(Failure, Duration),
    RunsForEver,
    /// Is not placed: an answer of 200 with this reason among its failures.
    NotPlaced(&'static str),
}

#[derive(Clone, Default)]
pub struct Errands {
    pub plan: VecDeque<Errand>,
    /// With the cluster's name.
    pub tasks: Vec<(String, Task)>,
    /// When and how they end, by id.
    ends: BTreeMap<String, (At, Failure)>,
    tokens: BTreeMap<(String, String), Token>,
}

#[derive(Clone)]
struct Token {
    request: String,
    ids: Vec<String>,
    given: At,
}

/// What an earlier call with the same token did.
pub enum Earlier {
    Nothing,
    Same(Vec<String>),
    /// It asked for something else.
    Other(Vec<String>),
}

impl Errands {
    pub fn advance(&mut self, now: At) {
        for (_, task) in &mut self.tasks {
            let Some((end, how)) = self.ends.get(&task.id) else {
                task.run(now);
                continue;
            };
            let began = task.created + (*end - task.created) / 5;
            if now >= began && task.stopped.is_none() && !to_start(how) {
                task.run(began);
            }
            if now >= *end {
                task.fail(how, *end);
            }
        }
        // Stopped ones are told for an hour.
        let hour = Duration::from_secs(3600);
        self.tasks.retain(|(_, task)| task.stopped.as_ref().is_none_or(|stop| stop.at + hour > now));
    }

    pub fn start(&mut self, cluster: &str, task: Task, errand: &Errand) {
        let end = match errand {
            Errand::Exits(status, after) => Some((task.created + *after, Failure::Exits(*status))),
            Errand::Fails(why, after) => Some((task.created + *after, why.clone())),
            Errand::RunsForEver | Errand::NotPlaced(_) => None,
        };
        end.into_iter().for_each(|end| {
            self.ends.insert(task.id.clone(), end);
        });
        self.tasks.push((cluster.to_owned(), task));
    }

    /// A token holds for a day, and at most an hour longer than its tasks live.
    pub fn earlier(&self, cluster: &str, token: &str, request: &str, now: At) -> Earlier {
        let Some(found) = self.tokens.get(&(cluster.to_owned(), token.to_owned())) else { return Earlier::Nothing };
        let alive = self.tasks.iter().any(|(_, task)| found.ids.contains(&task.id));
        match (alive && found.given + Duration::from_secs(86_400) > now, found.request == request) {
            (false, _) => Earlier::Nothing,
            (true, true) => Earlier::Same(found.ids.clone()),
            (true, false) => Earlier::Other(found.ids.clone()),
        }
    }

    pub fn keep_token(&mut self, cluster: &str, token: &str, request: &str, ids: Vec<String>, given: At) {
        let request = request.to_owned();
        self.tokens.insert((cluster.to_owned(), token.to_owned()), Token { request, ids, given });
    }
}

/// Ends a task because somebody asked.
pub fn stop(task: &mut Task, reason: &str, now: At) {
    let exit = task.running.map(|_| 137);
    let reason = reason.to_owned();
    task.stopped.get_or_insert(Stop { at: now, code: "UserInitiated", reason, exit, container_reason: None });
}

fn to_start(how: &Failure) -> bool {
    matches!(how, Failure::CannotPull(_) | Failure::Resources | Failure::CannotStart | Failure::NoPlace)
}

//! How the world goes on: decisions that are carried out, or are not, and what the workloads make of them.
//!
//! Every status goes through JSON on its way back, as it does through the API server.

use super::workloads::{Behaviour, set_image, settle};
use super::world::World;
use crate::api::ask::{Ask, AskResult, Outcome, Query};
use crate::api::effect::{Answer, Effect, PodDeletion, Refused, TargetWrite};
use crate::api::status::{Measured, Purpose, Step};
use crate::api::time::Duration;
use crate::api::view::{Lookup, OutdatedPod, TargetView};
use crate::api::{MANAGER, ReleaseStatus, TargetId};
use crate::rollout::{Decision, step};

/// What becomes of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    Done,
    /// The controller ends after the status was stored.
    Crash,
    /// The controller ends after the effect, before it hears the answer.
    CrashAfter,
    /// It is done, and nobody answers.
    AnswerLost,
    /// It is not done, and nobody answers.
    NotDone,
}

impl World {
    /// Lets everything happen until nothing more does, or a person is waited for.
    pub(super) fn run(&mut self) {
        for _ in 0..400 {
            let moved = self.turn();
            let grown = self.converge();
            if moved || grown {
                continue;
            }
            let waiting = self.step_name() == Step::AwaitingPromotion || self.rel.status.running().is_none();
            match self.again {
                Some(at) if !waiting && at > self.now => self.now = at,
                _ => return,
            }
        }
        panic!("no end: {:?} {}", self.step_name(), self.message());
    }

    /// Runs until `until` holds; fails if it never does.
    pub(super) fn run_until(&mut self, until: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if until(self) {
                return;
            }
            if self.turn() {
                continue;
            }
            if until(self) {
                return;
            }
            if self.converge() {
                continue;
            }
            match self.again {
                Some(at) if at > self.now => self.now = at,
                _ => panic!("stuck in {:?}: {}", self.step_name(), self.message()),
            }
        }
        panic!("never came: {:?} {}", self.step_name(), self.message());
    }

    pub(super) fn pass(&mut self, d: Duration) {
        self.now = self.now.plus(d);
    }

    /// Lets `span` pass, looking whenever the decision wants to.
    pub(super) fn look_on(&mut self, span: Duration) {
        let end = self.now.plus(span);
        self.come_to_rest();
        while let Some(at) = self.again.filter(|at| *at > self.now && *at <= end) {
            self.now = at;
            self.come_to_rest();
        }
        self.now = end;
        self.come_to_rest();
    }

    /// Decides until nothing more comes of it, while the world stands still.
    pub(super) fn come_to_rest(&mut self) {
        self.rest_or(|_| false);
    }

    /// The same, or until `until` holds after a decision.
    pub(super) fn rest_or(&mut self, until: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if !self.turn() || until(self) {
                return;
            }
        }
        panic!("no rest: {:?} {}", self.step_name(), self.message());
    }

    /// The write that would be made now.
    pub(super) fn next_write(&self) -> Option<TargetWrite> {
        match self.decide().effect {
            Some(Effect::Write(write)) => Some(*write),
            _ => None,
        }
    }

    pub(super) fn decide(&self) -> Decision {
        step(&self.rel, &self.observed(), self.now)
    }

    /// One decision, carried out. Whether anything came of it.
    pub(super) fn turn(&mut self) -> bool {
        let decision = self.decide();
        self.carry_out(decision, Fate::Done)
    }

    pub(super) fn carry_out(&mut self, decision: Decision, fate: Fate) -> bool {
        self.answer = None;
        self.again = decision.again;
        self.images.clear();
        let mut moved = false;
        if decision.status != self.rel.status {
            self.store(&decision);
            moved = true;
        }
        if fate == Fate::Crash {
            self.results.clear();
            return moved;
        }
        self.last_result = self.results.last().cloned().or(self.last_result.take());
        self.results.retain(|r| !decision.counted.contains(&r.id));
        for ask in decision.asks.iter().filter(|_| !self.mute) {
            if self.results.iter().all(|r| r.id != ask.id) {
                let outcome = match ask.id.purpose {
                    Purpose::Gate => self.metrics.unwrap_or(Outcome::Pass),
                    _ => self.outcome(&ask.id.stage, &ask.id.check),
                };
                let (id, at) = (ask.id.clone(), self.now);
                self.results.push(AskResult {
                    id,
                    outcome,
                    message: format!("{outcome:?}"),
                    measured: self.measured(ask, outcome),
                    at,
                });
                moved = true;
            }
        }
        for query in decision.look_up {
            let silence = || Lookup::Unanswered("nobody is there".into());
            let said = self.registries.get(&query.image).cloned().unwrap_or_else(silence);
            self.images.insert(query.image.clone(), said);
            self.asked_for.push(query);
            moved = true;
        }
        match decision.effect {
            Some(Effect::SetFinalizer) => self.rel.finalizer = true,
            Some(Effect::RemoveFinalizer) => self.rel.finalizer = false,
            Some(Effect::Write(write)) => {
                let silence = || Answer::Ambiguous { message: "no answer in time".into() };
                self.answer = match fate {
                    Fate::NotDone => Some(silence()),
                    Fate::AnswerLost => Some(self.write(*write)).map(|_| silence()),
                    Fate::CrashAfter => Some(self.write(*write)).filter(|_| false),
                    _ => Some(self.write(*write)),
                };
            }
            Some(Effect::DeletePod(pod)) => {
                let silence = || Answer::Ambiguous { message: "no answer in time".into() };
                self.answer = match fate {
                    Fate::NotDone => Some(silence()),
                    Fate::AnswerLost => Some(self.delete(*pod)).map(|_| silence()),
                    Fate::CrashAfter => Some(self.delete(*pod)).filter(|_| false),
                    _ => Some(self.delete(*pod)),
                };
            }
            Some(Effect::RunHook(run)) => self.answer = self.begin_job(&run, fate),
            Some(Effect::StopHook(stop)) => self.answer = Some(self.stop_job(&stop)),
            None => return moved,
        }
        true
    }

    pub(super) fn store(&mut self, decision: &Decision) {
        let back = if self.plain { decision.status.clone() } else { through_json(&decision.status, &self.rel.status) };
        if back.announcements != self.rel.status.announcements {
            self.events.extend(back.announced.iter().map(|a| (a.reason, a.note.clone())));
        }
        if let Some(phase) = back.phase.filter(|p| self.phases.last() != Some(p)) {
            self.phases.push(phase);
        }
        self.rel.status = back;
        self.status_writes += 1;
    }

    pub(super) fn write(&mut self, write: TargetWrite) -> Answer {
        if let Some((kind, message)) = self.refuse.clone() {
            return Answer::Refused { kind, message };
        }
        self.version += 1;
        let version = self.version;
        let id = TargetId::new(&write.stage, &write.target);
        let Some(TargetView::Live(live)) = self.targets.get_mut(&id) else {
            return Answer::Refused { kind: Refused::Gone, message: "uid mismatch".into() };
        };
        if live.uid != write.uid || live.resource_version != write.resource_version {
            return Answer::Refused { kind: Refused::Conflict, message: "the object has been modified".into() };
        }
        self.past.insert(id, (**live).clone());
        for image in &write.images {
            set_image(live, &image.container, image.image.clone(), MANAGER);
        }
        live.stamp = Some(write.stamp.clone());
        live.resource_version = version.to_string();
        let answer = Answer::Applied { generation: live.generation, resource_version: live.resource_version.clone() };
        self.writes.push(write);
        answer
    }

    /// Gone at once; another takes its place when the StatefulSet goes on.
    fn delete(&mut self, pod: PodDeletion) -> Answer {
        if let Some((kind, message)) = self.refuse.clone() {
            return Answer::Refused { kind, message };
        }
        let lives = self.targets.values_mut().filter_map(|v| if let TargetView::Live(l) = v { Some(l) } else { None });
        let sets = lives.filter(|l| l.workload == pod.workload).filter_map(|l| l.stateful.as_mut());
        for set in sets {
            let this = |p: &OutdatedPod| p.uid == pod.uid && p.resource_version == pod.resource_version;
            if let Some(at) = set.outdated.iter().position(this) {
                set.outdated.remove(at);
                self.deleted.push(pod);
                return Answer::Deleted;
            }
        }
        Answer::Refused { kind: Refused::Gone, message: "not found".into() }
    }

    fn behaviour_in(&self, stage: &str, tag: &str) -> Behaviour {
        let found = self.behaviour.get(&format!("{stage}:{tag}")).or_else(|| self.behaviour.get(tag));
        found.copied().unwrap_or(Behaviour::Healthy)
    }

    pub(super) fn outcome(&self, stage: &str, check: &str) -> Outcome {
        if let Some(forced) = self.force {
            return forced;
        }
        let of_stage = self.targets.iter().filter(|(id, _)| id.stage == stage);
        let answers = of_stage.map(|(_, view)| match view {
            TargetView::Live(live) => match (self.behaviour_in(stage, &live.containers[0].image.short()), check) {
                (Behaviour::FailsHealth, "health") | (Behaviour::FailsSmoke, "items") => Outcome::Fail,
                (Behaviour::CannotAsk, _) => Outcome::Error,
                _ => Outcome::Pass,
            },
            _ => Outcome::NoData,
        });
        let all: Vec<Outcome> = answers.collect();
        let worst = [Outcome::Fail, Outcome::Error, Outcome::NoData];
        worst.into_iter().find(|o| all.contains(o)).unwrap_or(Outcome::Pass)
    }

    /// What a load comes to: a second of a hundred requests, all answered within 100 ms.
    fn measured(&self, ask: &Ask, outcome: Outcome) -> Option<Measured> {
        let slow = self.targets.iter().any(|(id, view)| match view {
            TargetView::Live(l) if id.stage == ask.id.stage => {
                self.behaviour_in(&id.stage, &l.containers[0].image.short()) == Behaviour::Slow
            }
            _ => false,
        });
        let all = Some(if slow { 400_000 } else { 100_000 });
        let load = matches!(ask.query, Query::Load(_)) && outcome == Outcome::Pass;
        load.then_some(Measured { requests: 100, failed: 0, took_millis: 1000, p50: all, p90: all, p95: all, p99: all })
    }

    /// The Deployment controller and the kubelets do their part. Whether anything changed.
    pub(super) fn converge(&mut self) -> bool {
        let mut changed = self.jobs_go_on() | self.tasks_go_on();
        let stages: Vec<TargetId> = self.targets.keys().cloned().collect();
        for id in stages {
            let Some(TargetView::Live(live)) = self.targets.get(&id) else { continue };
            let behaviour = self.behaviour_in(&id.stage, &live.containers[0].image.short());
            let Some(TargetView::Live(live)) = self.targets.get_mut(&id) else { continue };
            let before = live.clone();
            settle(live, behaviour);
            for container in live.containers.iter_mut().filter(|c| c.digest.is_some()) {
                let said = self.reports.get(&(id.stage.clone(), container.image.clone())).cloned();
                container.digest = said.or(container.digest.take());
            }
            if let (Some(edits), Some(revision), false) = (self.edits.get(&id), &mut live.revision, live.paused) {
                *revision = format!("{revision}-{edits}");
            }
            changed |= before != *live;
        }
        changed
    }
}

/// `before`: what it follows. One that somebody made huge may stay so, and grows no further.
fn through_json(status: &ReleaseStatus, before: &ReleaseStatus) -> ReleaseStatus {
    let json = serde_json::to_string(status).unwrap();
    let back: ReleaseStatus = serde_json::from_str(&json).unwrap();
    assert_eq!(back, *status, "the status does not survive JSON");
    let grown = || json.len() > 2 * serde_json::to_string(before).unwrap().len();
    assert!(json.len() < 64 * 1024 || !grown(), "the status is too large: {}", json.len());
    back
}

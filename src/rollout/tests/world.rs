//! A world in memory: workloads that obey writes, an application that answers as told, and a clock that is moved.
//!
//! Every status goes through JSON on its way back, as it does through the API server.

use crate::api::ask::{AskResult, Outcome};
use crate::api::effect::{Answer, Effect, Refused, TargetWrite};
use crate::api::spec::{ReleaseSpec, WorkloadKind};
use crate::api::status::{KubernetesWorkload, Phase, Progressing, Step, Workload};
use crate::api::time::{Duration, Time};
use crate::api::view::{ContainerRun, ContainerView, Exit, LiveContainer, LiveTarget, PodView, Replicas, TargetView};
use crate::api::{Digest, Image, MANAGER, NsName, Reason, ReleaseStatus, TargetId};
use crate::rollout::{Decision, Observed, ReleaseView, need, step};
use sha2::Digest as _;
use std::collections::BTreeMap;

pub(super) const REPOSITORY: &str = "ghcr.io/acme/shop";

/// What an image does wherever it runs; by tag, an optional stage before it: `production:bad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Healthy,
    FailsHealth,
    FailsSmoke,
    PullError,
    CrashLoop,
    NeverReady,
    CannotAsk,
}

/// What becomes of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

#[derive(Clone)]
pub(super) struct World {
    pub(super) rel: ReleaseView,
    pub(super) targets: BTreeMap<TargetId, TargetView>,
    pub(super) now: Time,
    pub(super) behaviour: BTreeMap<String, Behaviour>,
    /// Every write that was applied.
    pub(super) writes: Vec<TargetWrite>,
    pub(super) status_writes: usize,
    pub(super) events: Vec<(Reason, String)>,
    /// Phases and reasons in the order in which they were stored.
    pub(super) phases: Vec<Phase>,
    /// The next writes are answered by this instead of being applied.
    pub(super) refuse: Option<(Refused, String)>,
    pub(super) results: Vec<AskResult>,
    /// One that was given, to be given again.
    pub(super) last_result: Option<AskResult>,
    /// Targets that exist and cannot be read.
    pub(super) hidden: BTreeMap<TargetId, TargetView>,
    /// How often the rest of a pod template was edited: another revision with the same image.
    pub(super) edits: BTreeMap<TargetId, u32>,
    /// Questions stay unanswered.
    pub(super) mute: bool,
    /// Every question is answered by this.
    pub(super) force: Option<Outcome>,
    pub(super) answer: Option<Answer>,
    pub(super) again: Option<Time>,
    version: i64,
}

pub(super) fn spec(yaml: &str) -> ReleaseSpec {
    serde_saphyr::from_str(yaml).unwrap()
}

/// Two stages, a health check and a smoke test in each.
pub(super) fn two_stages(tag: &str) -> ReleaseSpec {
    let stage = |name: &str| {
        format!(
            "
- name: {name}
  targets: [{{name: web, kubernetes: {{kind: Deployment, name: {name}, containers: [app]}}}}]
  healthChecks: [{{name: health, http: {{pods: {{port: 8080}}, path: /health}}, retry: {{attempts: 3, interval: 1s}}}}]
  smokeTests: [{{name: items, http: {{service: {{name: {name}, port: 80}}, path: /items}}}}]"
        )
    };
    spec(&format!(
        "image: {{repository: {REPOSITORY}, tag: {tag}}}\nstages:{}{}",
        stage("staging"),
        stage("production")
    ))
}

impl World {
    /// Both workloads run `live`; the Release asks for `wanted`.
    pub(super) fn new(live: &str, wanted: &str) -> Self {
        Self::of(two_stages(wanted), live)
    }

    /// Every workload of `spec` runs `live`.
    pub(super) fn of(spec: ReleaseSpec, live: &str) -> Self {
        let rel = ReleaseView {
            name: NsName::new("shop", "checkout"),
            uid: "u-1".into(),
            generation: 1,
            deleting: false,
            finalizer: false,
            annotations: BTreeMap::new(),
            spec,
            status: ReleaseStatus::default(),
        };
        let mut world = Self {
            rel,
            targets: BTreeMap::new(),
            now: Time::from_millis(1_790_000_000_000),
            behaviour: BTreeMap::new(),
            writes: vec![],
            status_writes: 0,
            events: vec![],
            phases: vec![],
            refuse: None,
            results: vec![],
            last_result: None,
            hidden: BTreeMap::new(),
            edits: BTreeMap::new(),
            mute: false,
            force: None,
            answer: None,
            again: None,
            version: 1,
        };
        for stage in &world.rel.spec.stages {
            for target in &stage.targets {
                let name = &target.kubernetes().unwrap().name;
                let view = TargetView::Live(Box::new(deployment(name, live, target.containers())));
                world.targets.insert(TargetId::new(&stage.name, &target.name), view);
            }
        }
        world
    }

    /// A Release that has brought `tag` through both stages.
    pub(super) fn verified(tag: &str) -> Self {
        let mut world = Self::new(tag, tag);
        world.run();
        assert_eq!(world.phase(), Phase::Verified, "{}", world.message());
        world.forget();
        world
    }

    pub(super) fn forget(&mut self) {
        self.writes.clear();
        self.events.clear();
        self.phases.clear();
        self.status_writes = 0;
    }

    pub(super) fn behave(mut self, tag: &str, behaviour: Behaviour) -> Self {
        self.behaviour.insert(tag.into(), behaviour);
        self
    }

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut ReleaseSpec)) {
        change(&mut self.rel.spec);
        self.rel.generation += 1;
    }

    pub(super) fn tag(&mut self, tag: &str) {
        self.edit(|s| s.image.tag = Some(tag.into()));
    }

    pub(super) fn annotate(&mut self, key: &str, value: &str) {
        self.rel.annotations.insert(key.into(), value.into());
    }

    pub(super) fn approve(&mut self) {
        let token = self.rel.status.rollout.as_ref().unwrap().promotion.as_ref().unwrap().token.clone();
        self.annotate(crate::api::annotation::PROMOTE, &token);
    }

    pub(super) fn live(&mut self, stage: &str) -> &mut LiveTarget {
        match self.targets.get_mut(&TargetId::new(stage, "web")) {
            Some(TargetView::Live(live)) => live,
            other => panic!("{stage} is {other:?}"),
        }
    }

    pub(super) fn runs(&mut self, stage: &str) -> String {
        self.live(stage).containers[0].image.short()
    }

    pub(super) fn phase(&self) -> Phase {
        self.rel.status.phase.unwrap_or(Phase::Pending)
    }
    pub(super) fn reason(&self) -> Reason {
        self.rel.status.rollout.as_ref().and_then(|r| r.reason).unwrap_or(Reason::Preflight)
    }
    pub(super) fn message(&self) -> String {
        self.rel.status.message.clone().unwrap_or_default()
    }
    pub(super) fn step_name(&self) -> Step {
        self.rel.status.rollout.as_ref().map_or(Step::Ended, |r| r.step)
    }
    pub(super) fn condition(&self, type_: &str) -> Option<(String, String)> {
        let c = self.rel.status.conditions.iter().find(|c| c.type_ == type_)?;
        Some((c.status.clone(), c.reason.clone()))
    }
    pub(super) fn announced(&self, reason: Reason) -> bool {
        self.events.iter().any(|e| e.0 == reason)
    }

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

    pub(super) fn observed(&self) -> Observed {
        let needed = need(&self.rel, true).targets;
        let found =
            needed.iter().map(|(id, _)| (id.clone(), self.targets.get(id).cloned().unwrap_or(TargetView::Absent)));
        Observed { targets: found.collect(), results: self.results.clone(), answer: self.answer.clone() }
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
                let outcome = self.outcome(&ask.id.stage, &ask.id.check);
                let (id, at) = (ask.id.clone(), self.now);
                self.results.push(AskResult { id, outcome, message: format!("{outcome:?}"), at });
                moved = true;
            }
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
            None => return moved,
        }
        true
    }

    pub(super) fn store(&mut self, decision: &Decision) {
        let json = serde_json::to_string(&decision.status).unwrap();
        let back: ReleaseStatus = serde_json::from_str(&json).unwrap();
        assert_eq!(back, decision.status, "the status does not survive JSON");
        assert!(json.len() < 64 * 1024, "the status is too large: {}", json.len());
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
        for image in &write.images {
            set_image(live, &image.container, image.image.clone(), MANAGER);
        }
        live.stamp = Some(write.stamp.clone());
        live.resource_version = version.to_string();
        let answer = Answer::Applied { generation: live.generation, resource_version: live.resource_version.clone() };
        self.writes.push(write);
        answer
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

    /// The Deployment controller and the kubelets do their part. Whether anything changed.
    pub(super) fn converge(&mut self) -> bool {
        let mut changed = false;
        let stages: Vec<TargetId> = self.targets.keys().cloned().collect();
        for id in stages {
            let Some(TargetView::Live(live)) = self.targets.get(&id) else { continue };
            let behaviour = self.behaviour_in(&id.stage, &live.containers[0].image.short());
            let Some(TargetView::Live(live)) = self.targets.get_mut(&id) else { continue };
            let before = live.clone();
            settle(live, behaviour);
            if let (Some(edits), Some(revision), false) = (self.edits.get(&id), &mut live.revision, live.paused) {
                *revision = format!("{revision}-{edits}");
            }
            changed |= before != *live;
        }
        changed
    }
}

pub(super) fn digest(image: &Image) -> Digest {
    let hex: String = sha2::Sha256::digest(image.as_str()).iter().map(|b| format!("{b:02x}")).collect();
    Digest::parse(&format!("sha256:{hex}")).unwrap()
}

pub(super) fn set_image(live: &mut LiveTarget, container: &str, image: Image, manager: &str) {
    let found = live.containers.iter_mut().find(|c| c.name == container).unwrap();
    if found.image != image {
        live.generation += 1;
        live.revision = None;
        live.pods.clear();
        live.replicas.updated = 0;
        live.replicas.available = live.replicas.wanted;
    }
    found.image = image;
    found.digest = None;
    found.owners = vec![manager.into()];
    live.resource_version = format!("{}x", live.resource_version);
}

fn settle(live: &mut LiveTarget, behaviour: Behaviour) {
    if live.paused {
        live.observed_generation = live.generation;
        live.progressing =
            Some(Progressing { status: "Unknown".into(), reason: "DeploymentPaused".into(), last_update: None });
        return;
    }
    let image = live.containers[0].image.clone();
    let ok = !matches!(behaviour, Behaviour::PullError | Behaviour::CrashLoop | Behaviour::NeverReady);
    live.observed_generation = live.generation;
    live.revision = Some(digest(&image).short().to_owned());
    let n = live.replicas.wanted;
    live.replicas = Replicas { wanted: n, total: n, updated: n, ready: n, available: if ok { n } else { 0 } };
    let reason = if ok { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" };
    live.progressing = Some(Progressing { status: "True".into(), reason: reason.into(), last_update: None });
    for container in &mut live.containers {
        container.digest = ok.then(|| digest(&container.image));
    }
    let exit = Exit { code: 1, reason: "Error".into() };
    let (state, restarts) = match behaviour {
        Behaviour::PullError => {
            let message = format!("failed to resolve image: {image}: not found");
            (ContainerRun::Waiting { reason: "ErrImagePull".into(), message }, 0)
        }
        Behaviour::CrashLoop => {
            (ContainerRun::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off".into() }, 1)
        }
        _ => (ContainerRun::Running, 0),
    };
    let last_exit = (restarts > 0).then_some(exit);
    let container = ContainerView { name: "app".into(), init: false, state, restarts, last_exit };
    let pod = PodView {
        name: format!("{}-1", live.uid),
        uid: "p-1".into(),
        created: Time::from_millis(1_780_000_000_000),
        ready: ok,
        terminating: false,
        unschedulable: None,
        containers: vec![container],
    };
    live.pods = if n > 0 { vec![pod] } else { vec![] };
}

pub(super) fn deployment(name: &str, tag: &str, containers: &[String]) -> LiveTarget {
    let image = Image::build(REPOSITORY, Some(tag), None);
    let mut live = LiveTarget {
        workload: Workload::Kubernetes(KubernetesWorkload {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: name.into(),
        }),
        uid: format!("uid-{name}"),
        resource_version: "1".into(),
        generation: 1,
        observed_generation: 1,
        paused: false,
        replicas: Replicas { wanted: 2, total: 2, updated: 2, ready: 2, available: 2 },
        containers: containers.iter().map(|c| container(c, image.clone())).collect(),
        stamp: None,
        revision: None,
        progressing: None,
        replica_failure: None,
        pods: vec![],
        allow_from: vec![],
        allow_repository: None,
        claimed_by: None,
        gitops: None,
        ecs: None,
    };
    settle(&mut live, Behaviour::Healthy);
    live
}

pub(super) fn container(name: &str, image: Image) -> LiveContainer {
    LiveContainer {
        name: name.into(),
        init: false,
        image,
        owners: vec!["kubectl".into()],
        orphaned: false,
        digest: None,
    }
}

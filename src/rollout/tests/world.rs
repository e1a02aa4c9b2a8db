//! A world in memory: workloads that obey writes, an application that answers as told, and a clock that is moved.
//!
//! How it is made and changed. How it goes on is in [`super::play`], what its workloads do in [`super::workloads`].

use super::errands::SimTask;
use super::jobs::{Ending, SimJob};
use super::workloads::{Behaviour, workload};
use crate::api::ask::{AskResult, Outcome};
use crate::api::effect::{Answer, PodDeletion, Refused, TargetWrite};
use crate::api::spec::{Question, ReleaseSpec, SmokeQuestion};
use crate::api::status::{Phase, Step};
use crate::api::time::{Duration, Time};
use crate::api::view::{EvidenceView, ImageQuery, LiveTarget, Lookup, Manifest, TargetView};
use crate::api::{Digest, Image, NsName, Reason, ReleaseStatus, TargetId};
use crate::rollout::ReleaseView;
use std::collections::BTreeMap;

pub(super) const REPOSITORY: &str = "ghcr.io/acme/shop";

#[derive(Clone)]
pub(super) struct World {
    pub(super) rel: ReleaseView,
    pub(super) targets: BTreeMap<TargetId, TargetView>,
    pub(super) now: Time,
    pub(super) behaviour: BTreeMap<String, Behaviour>,
    /// Every write that was applied.
    pub(super) writes: Vec<TargetWrite>,
    /// Every pod that was deleted.
    pub(super) deleted: Vec<PodDeletion>,
    pub(super) status_writes: usize,
    pub(super) events: Vec<(Reason, String)>,
    /// Phases and reasons in the order in which they were stored.
    pub(super) phases: Vec<Phase>,
    /// The next writes are answered by this instead of being applied.
    pub(super) refuse: Option<(Refused, String)>,
    /// Every Job that exists, by name.
    pub(super) jobs: BTreeMap<NsName, SimJob>,
    /// The effect of every Job and ECS task that was ever created.
    pub(super) created: Vec<String>,
    /// Every ECS task that ECS knows.
    pub(super) tasks: Vec<SimTask>,
    /// It does not show them.
    pub(super) tasks_hidden: bool,
    /// Tasks take no notice of being told to end.
    pub(super) deaf: bool,
    /// The token of each call that was to run one.
    pub(super) tokens: Vec<String>,
    /// How often one was told to end.
    pub(super) stops: usize,
    /// How Jobs and ECS tasks of hooks end, by the hook's name. Else: well.
    pub(super) endings: BTreeMap<String, Ending>,
    /// Why hooks could not be run.
    pub(super) unfit: Option<(Reason, String)>,
    pub(super) results: Vec<AskResult>,
    /// One that was given, to be given again.
    pub(super) last_result: Option<AskResult>,
    /// What CI published, by ConfigMap.
    pub(super) evidence: BTreeMap<String, EvidenceView>,
    /// What each target was before our last write to it.
    pub(super) past: BTreeMap<TargetId, LiveTarget>,
    /// Targets that exist and cannot be read.
    pub(super) hidden: BTreeMap<TargetId, TargetView>,
    /// How often the rest of a pod template was edited: another revision with the same image.
    pub(super) edits: BTreeMap<TargetId, u32>,
    /// Questions stay unanswered.
    pub(super) mute: bool,
    /// Every question is answered by this.
    pub(super) force: Option<Outcome>,
    /// What metrics say; they are well without.
    pub(super) metrics: Option<Outcome>,
    pub(super) answer: Option<Answer>,
    /// What registries would say; one that is not named does not answer.
    pub(super) registries: BTreeMap<Image, Lookup<Manifest>>,
    /// What was asked of them, in order.
    pub(super) asked_for: Vec<ImageQuery>,
    pub(super) images: BTreeMap<Image, Lookup<Manifest>>,
    /// By stage: what its pods report of an image, where it is not what is made up for them.
    pub(super) reports: BTreeMap<(String, Image), Digest>,
    pub(super) again: Option<Time>,
    pub(super) version: i64,
    /// What is stored does not go through JSON.
    pub(super) plain: bool,
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

/// One stage with two Deployments, `web` and `api`, and a health check.
pub(super) fn two_targets(tag: &str) -> ReleaseSpec {
    let target =
        |name: &str| format!("{{name: {name}, kubernetes: {{kind: Deployment, name: {name}, containers: [app]}}}}");
    spec(&format!(
        "image: {{repository: {REPOSITORY}, tag: {tag}}}
stages: [{{name: staging, targets: [{}, {}], healthChecks: [{{name: health, http: {{service: {{name: web, port: 80}}}}}}]}}]",
        target("web"),
        target("api")
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
            deleted: vec![],
            status_writes: 0,
            events: vec![],
            phases: vec![],
            refuse: None,
            jobs: BTreeMap::new(),
            created: vec![],
            tasks: vec![],
            tasks_hidden: false,
            deaf: false,
            tokens: vec![],
            stops: 0,
            endings: BTreeMap::new(),
            unfit: None,
            results: vec![],
            last_result: None,
            evidence: BTreeMap::new(),
            past: BTreeMap::new(),
            hidden: BTreeMap::new(),
            edits: BTreeMap::new(),
            mute: false,
            force: None,
            metrics: None,
            answer: None,
            registries: BTreeMap::new(),
            asked_for: vec![],
            images: BTreeMap::new(),
            reports: BTreeMap::new(),
            again: None,
            version: 1,
            plain: false,
        };
        for stage in &world.rel.spec.stages {
            for target in &stage.targets {
                let k = target.kubernetes().unwrap();
                let view = TargetView::Live(Box::new(workload(k.kind, &k.name, live, target.containers())));
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
}

pub(super) fn timeout(question: &mut Question, timeout: Duration) {
    if let Question::Http(http) = question {
        http.timeout = Some(timeout);
    }
}

pub(super) fn smoke_path(question: &mut SmokeQuestion, path: &str) {
    if let SmokeQuestion::Http(http) = question {
        http.path = Some(path.into());
    }
}

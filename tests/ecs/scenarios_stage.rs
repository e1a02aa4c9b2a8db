//! A scene with one ECS service on a simulator of its own, and controllers of its own that know nothing else.

use crate::sim::about::Brought;
use crate::sim::record::{Call, is_write};
use crate::sim::standing::Standing;
use crate::sim::{Account, Handle, NewService, Sim};
use crate::support::manifests::{PORT, REPOSITORY, answers};
use crate::support::oracle;
use crate::support::scene::play_with;
use crate::support::{Cluster, Controller, Scene};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";
pub const OLD: &str = "sha-0000001";
pub const NEW: &str = "sha-0000002";
/// What somebody else brings: the second revision of the family.
pub const OTHER: &str = "sha-0000009";
/// What may be seen nowhere: the value of a variable in every task definition.
pub const CANARY: &str = "c4n4ry-in-the-environment";

/// Nothing but a play of the deadline itself waits so long: a busy machine has all the time it needs.
const PATIENCE: &str = "2m";
/// Where the deadline is what is played.
pub const SHORT: &str = "15s";

/// The image of the workload that answers health checks.
const JUDGE: &str = "sha-00000aa";

pub struct Stage<'a> {
    scene: &'a Scene,
    pub sim: Sim,
    pub account: Account,
    pub service: Handle,
    controllers: &'a RefCell<Vec<Controller>>,
    /// The `progressDeadline` of its Releases.
    pub patience: Cell<&'static str>,
}

impl Deref for Stage<'_> {
    type Target = Scene;
    fn deref(&self) -> &Scene {
        self.scene
    }
}

/// Plays a scene with a service `app` that runs [`OLD`] on two tasks; a controller is there.
pub async fn on_ecs(name: &str, change: impl Fn(NewService) -> NewService, play: impl AsyncFn(&Stage)) {
    let started = async |s: &Stage<'_>| {
        s.start();
        play(s).await;
    };
    without_controller(name, change, started).await;
}

/// The same where the play starts controllers itself.
pub async fn without_controller(name: &str, change: impl Fn(NewService) -> NewService, play: impl AsyncFn(&Stage<'_>)) {
    let controllers: RefCell<Vec<Controller>> = RefCell::default();
    let log =
        |ns: &str| controllers.borrow().iter().map(|c: &Controller| c.tail(ns)).collect::<Vec<_>>().join("\n---\n");
    let whole = async |scene: &Scene| {
        let sim = Sim::start().await;
        let account = sim.account(ACCOUNT, REGION);
        account.register(&task_definition(OLD));
        account.register(&task_definition(OTHER));
        let service = change(account.service("prod", "app", "app:1")).create();
        let stage = Stage { scene, sim, account, service, controllers: &controllers, patience: Cell::new(PATIENCE) };
        play(&stage).await;
        scene.calls.borrow_mut().extend(stage.judged_calls());
        *scene.standings.borrow_mut() = Some(stage.judged_standings());
        stage.nothing_leaked().await;
        stage.hooks_ran_once();
    };
    play_with(Cluster::get(), &format!("ecs-{name}"), whole, log).await;
}

/// The same with a service as it comes, and the Release that has adopted it: [`OLD`] is stable.
pub async fn settled_on_ecs(name: &str, play: impl AsyncFn(&Stage)) {
    on_ecs(
        name,
        |s| s,
        async |s| {
            s.settled().await;
            play(s).await;
        },
    )
    .await;
}

impl Stage<'_> {
    /// One more controller.
    pub fn start(&self) {
        self.start_as(&["--no-lease"]);
    }

    /// The same with more arguments; its name.
    pub fn start_as(&self, more: &[&str]) -> String {
        let namespace = format!("--watch-namespace={}", self.ns);
        let ours = ["--allow-role=own", "--ecs-poll-seconds=1", namespace.as_str()];
        let arguments: Vec<&str> = ours.into_iter().chain(more.iter().copied()).collect();
        let environment = [
            ("AWS_ENDPOINT_URL_ECS", self.sim.endpoint()),
            ("AWS_ENDPOINT_URL_STS", self.sim.endpoint()),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", self.sim.endpoint()),
            ("AWS_ENDPOINT_URL_ECR", self.sim.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCOUNT.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "s3cret".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        let controller = Controller::start_with(self.cluster, &arguments, &environment);
        let name = controller.name.clone();
        self.controllers.borrow_mut().push(controller);
        name
    }

    /// To the controller of this name.
    pub fn signal(&self, name: &str, signal: &str) {
        self.controllers.borrow().iter().find(|c| c.name == name).unwrap().signal(signal);
    }

    /// What the controller of this name has logged.
    pub fn log_of(&self, name: &str) -> String {
        let controllers = self.controllers.borrow();
        std::fs::read_to_string(&controllers.iter().find(|c| c.name == name).unwrap().log).unwrap()
    }

    /// As if its node had lost power.
    pub fn kill(&self) {
        self.controllers.borrow().last().unwrap().signal("KILL");
    }

    /// [`release`] with the deadline of this stage.
    pub fn asks_for(&self, tag: &str) -> Value {
        let mut spec = release(tag);
        spec["stages"][0]["progressDeadline"] = json!(self.patience.get());
        spec
    }

    /// The Release has adopted [`OLD`].
    pub async fn settled(&self) {
        self.apply(&self.asks_for(OLD)).await;
        self.verified(OLD).await;
    }

    /// The same, with a health check that somebody else's workload answers for the service.
    pub async fn judged(&self) {
        self.app("judge", JUDGE).await;
        let mut spec = self.asks_for(OLD);
        let production = spec["stages"][0].as_object_mut().unwrap();
        production.remove("checks");
        let question = json!({"service": {"name": "judge", "port": PORT}, "path": "/health"});
        let retry = json!({"attempts": 2, "interval": "5s"});
        production.insert("healthChecks".into(), json!([{"name": "health", "http": question, "retry": retry}]));
        self.apply(&spec).await;
        self.verified(OLD).await;
    }

    /// What that check is answered from now on.
    pub async fn judge(&self, status: u16) {
        self.behaves(JUDGE, answers("/health", status)).await;
    }

    /// The writes so far, as the oracle judges them.
    pub fn judged_calls(&self) -> Vec<oracle::Call> {
        self.sim.calls().into_iter().filter(|c| is_write(&c.op)).map(judged).collect()
    }

    /// How the services stood so far, the same.
    pub fn judged_standings(&self) -> Vec<oracle::Standing> {
        let judged = |s: Standing| {
            let Standing { at, region, cluster, service, images, landed, running, desired } = s;
            oracle::Standing { at, region, cluster, service, images, landed, running, desired }
        };
        self.sim.standings().into_iter().map(judged).collect()
    }

    /// By an administrator.
    pub async fn annotate_namespace(&self, annotations: Value) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        api.patch(&self.ns, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The writes so far, one letter each. R: RegisterTaskDefinition. U: UpdateService. S: StopServiceDeployment. T: RunTask.
    /// E: StopTask.
    pub fn writes(&self) -> String {
        self.sim.writes().iter().map(|op| letter(op)).collect()
    }

    /// The same with those that ECS refused, as small letters.
    pub fn tries(&self) -> String {
        let tried = self.sim.calls().into_iter().filter(|c| is_write(&c.op));
        tried.map(|c| if c.made { letter(&c.op) } else { letter(&c.op).to_ascii_lowercase() }).collect()
    }

    /// The tag that the service names now.
    pub fn tag(&self) -> String {
        self.tag_of(&self.service.task_definition())
    }

    /// Whether no deployment of the service is at work: all have ended, or one stands still for ever.
    pub fn at_rest(&self) -> bool {
        self.service.shown()["deployments"].as_array().unwrap().iter().all(|d| d["rolloutState"] != "IN_PROGRESS")
    }

    /// The tag in this task definition.
    pub fn tag_of(&self, arn: &str) -> String {
        let all = self.account.revisions("app");
        let (_, text, _) = all.iter().find(|r| r.0 == arn).unwrap();
        let text: Value = serde_json::from_str(text).unwrap();
        text["containerDefinitions"][0]["image"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    /// Of each hook that was ever begun one task ran at most; those that ECS could not start do not count.
    fn hooks_ran_once(&self) {
        let mut ran = BTreeMap::<String, Vec<Value>>::new();
        for task in self.account.errands() {
            let by = task["startedBy"].as_str().unwrap_or_default().to_owned();
            if by.starts_with("tidegate/") && task["stopCode"] != "TaskFailedToStart" {
                ran.entry(by).or_default().push(task["taskArn"].clone());
            }
        }
        for (by, tasks) in ran {
            assert!(tasks.len() == 1, "{by} ran {} times: {tasks:?}; {}", tasks.len(), self.tries());
        }
    }

    /// What the environment of a task definition holds is in no status, event or log.
    async fn nothing_leaked(&self) {
        let release = serde_json::to_string(&self.release().await).unwrap();
        let events = serde_json::to_string(&self.events().await).unwrap();
        let logs =
            self.controllers.borrow().iter().map(|c| std::fs::read_to_string(&c.log).unwrap()).collect::<String>();
        for (what, text) in [("the Release", release), ("an event", events), ("a log", logs)] {
            assert!(!text.contains(CANARY) && !text.contains("s3cret"), "{what} tells a secret");
        }
    }
}

fn letter(op: &str) -> char {
    match op {
        "RunTask" => 'T',
        "StopTask" => 'E',
        _ => op.chars().next().unwrap(),
    }
}

fn judged(call: Call) -> oracle::Call {
    let definition = |b: Brought| oracle::Definition { name: b.name, images: b.images, tags: b.tags, rest: b.rest };
    let about = call.about;
    oracle::Call {
        at: call.real,
        op: call.op,
        made: call.made,
        turned: about.turned,
        region: call.region,
        cluster: about.cluster,
        service: about.service,
        parameters: about.parameters,
        brings: about.brings.map(definition),
        found: about.found.map(definition),
    }
}

/// One stage on the service, entered without asking, with nothing to ask.
pub fn release(tag: &str) -> Value {
    let target = json!({
        "name": "web", "ecs": {"region": REGION, "cluster": "prod", "service": "app", "containers": ["app"]},
    });
    json!({
        "image": {"repository": REPOSITORY, "tag": tag},
        "stages": [{
            "name": "production", "checks": "None", "promotion": {"mode": "Automatic"}, "progressDeadline": PATIENCE,
            "targets": [target],
        }],
    })
}

pub fn task_definition(tag: &str) -> String {
    format!(
        r#"{{"family":"app","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512",
"volumes":[],"placementConstraints":[],"containerDefinitions":[{{"name":"app","image":"{REPOSITORY}:{tag}","essential":true,
"environment":[{{"name":"EMPTY","value":""}},{{"name":"CANARY","value":"{CANARY}"}}],"portMappings":[],"mountPoints":[],
"volumesFrom":[]}}],"tags":[{{"key":"team","value":"platform"}}]}}"#
    )
}

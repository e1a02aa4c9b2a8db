//! What tests build before they begin, and what they look at and do behind the caller's back.

use super::Shared;
use super::course::{Course, Somebody};
use super::errands::Errand;
use super::service::{Rollout, Service, Settings};
use super::world::{Place, Region};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// An account in a region.
#[derive(Clone)]
pub struct Account {
    shared: Arc<Shared>,
    place: Place,
}

/// A service that does not exist yet.
pub struct NewService {
    account: Account,
    cluster: String,
    name: String,
    task_definition: String,
    settings: Settings,
    first: Option<Course>,
}

/// A service of the simulator.
#[derive(Clone)]
pub struct Handle {
    account: Account,
    key: (String, String),
}

impl Account {
    pub(super) fn new(shared: Arc<Shared>, number: &str, region: &str) -> Self {
        let place = Place { account: number.to_owned(), region: region.to_owned() };
        Self { shared, place }
    }

    pub fn cluster(&self, name: &str) -> &Self {
        self.with(|region| region.clusters.insert(name.to_owned()));
        self
    }

    /// Registers a task definition from the text of a request, as a person would. Its ARN.
    pub fn register(&self, text: &str) -> String {
        let now = self.shared.clock.now();
        let by = format!("arn:aws:iam::{}:user/person", self.place.account);
        self.with(|region| {
            let place = region.place.clone();
            region.task_definitions.register(text, &place, &by, now).unwrap().arn.clone()
        })
    }

    /// Takes a task definition out of use, as infrastructure-as-code does.
    pub fn deregister(&self, name: &str) {
        let now = self.shared.clock.now();
        self.with(|region| region.task_definitions.deregister(name, now).map(|_| ())).unwrap();
    }

    /// All revisions of a family: ARN, the registered text, the tags' text.
    pub fn revisions(&self, family: &str) -> Vec<(String, String, String)> {
        self.with(|region| {
            let all = region.task_definitions.all().filter(|td| td.family == family);
            all.map(|td| (td.arn.clone(), td.text.clone(), td.tags.clone())).collect()
        })
    }

    /// The next tasks that are run go like these, in order. Without a plan they exit with 0 after a second.
    pub fn plan(&self, errands: impl IntoIterator<Item = Errand>) {
        self.with(|region| region.errands.plan.extend(errands));
    }

    /// The tasks that no service started, as DescribeTasks would show them now.
    pub fn errands(&self) -> Vec<Value> {
        self.with(|region| {
            let place = region.place.clone();
            region.errands.tasks.iter().map(|(cluster, task)| task.shown(&place, cluster)).collect()
        })
    }

    /// ECS knows them no more, nor the tokens that they were run by.
    pub fn lose_errands(&self) {
        self.with(|region| region.errands.tasks.clear());
    }

    /// A service with this task definition (family and revision, or ARN), in a cluster that is made if need be.
    pub fn service(&self, cluster: &str, name: &str, task_definition: &str) -> NewService {
        NewService {
            account: self.clone(),
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            task_definition: task_definition.to_owned(),
            settings: Settings::default(),
            first: None,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Region) -> T) -> T {
        let mut world = self.shared.world();
        world.advance(self.shared.clock.now());
        act(world.region(&self.place))
    }
}

impl NewService {
    pub fn desired(self, desired: u32) -> Self {
        self.set(|s| s.desired = desired)
    }

    /// A circuit breaker, and whether it rolls back. Without this there is none.
    pub fn breaker(self, rolls_back: bool) -> Self {
        self.set(|s| (s.breaker, s.breaker_rolls_back) = (true, rolls_back))
    }

    pub fn load_balancer(self, target_group: &str, container: &str, port: u16) -> Self {
        let entry = json!([{"targetGroupArn": target_group, "containerName": container, "containerPort": port}]);
        self.set(|s| s.load_balancers = entry)
    }

    /// Anything else.
    pub fn set<T>(mut self, change: impl FnOnce(&mut Settings) -> T) -> Self {
        change(&mut self.settings);
        self
    }

    /// Its first deployment goes like this, from now on. Without this it has landed long ago.
    pub fn first(self, course: Course) -> Self {
        Self { first: Some(course), ..self }
    }

    pub fn create(self) -> Handle {
        let Self { account, cluster, name, task_definition, settings, first } = self;
        account.cluster(&cluster);
        let key = (cluster.clone(), name.clone());
        let now = account.shared.clock.now();
        let steady = first.is_none();
        let mut world = account.shared.world();
        world.region(&account.place);
        let super::world::World { regions, images, .. } = &mut *world;
        let region = regions.get_mut(&account.place).unwrap();
        let definition = region.task_definitions.find(&task_definition).unwrap().clone();
        let mut service = Service {
            place: account.place.clone(),
            cluster,
            name,
            created: now,
            settings,
            task_definition: definition.arn.clone(),
            deployments: Vec::new(),
            rollouts: Vec::new(),
            revisions: Vec::new(),
            tasks: Vec::new(),
            events: Vec::new(),
            courses: VecDeque::from([first.unwrap_or_else(Course::lands)]),
            agenda: BTreeMap::new(),
        };
        let began = if steady { now - std::time::Duration::from_secs(600) } else { now };
        service.created = began;
        service.deploy(&definition, began, images);
        service.advance(now, images, &region.task_definitions);
        region.services.insert(key.clone(), service);
        drop(world);
        Handle { account, key }
    }
}

impl Handle {
    pub fn arn(&self) -> String {
        self.with(|service| service.arn())
    }

    /// The next deployments go like these, in order.
    pub fn plan(&self, courses: impl IntoIterator<Item = Course>) {
        self.with(|service| service.courses.extend(courses));
    }

    /// What somebody else does with it, now.
    pub fn somebody(&self, who: &Somebody) {
        let mut world = self.account.shared.world();
        let now = self.account.shared.clock.now();
        world.advance(now);
        let super::world::World { regions, images, .. } = &mut *world;
        let Region { services, task_definitions, .. } = regions.get_mut(&self.account.place).unwrap();
        services.get_mut(&self.key).unwrap().somebody(who, now, images, task_definitions);
    }

    /// The latest service deployment is known no more.
    pub fn forget_rollout(&self) {
        self.with(|service| service.rollouts.pop());
    }

    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.with(|service| change(&mut service.settings));
    }

    pub fn delete(&self) {
        self.account.with(|region| region.services.remove(&self.key));
    }

    /// As DescribeServices would show it now.
    pub fn shown(&self) -> Value {
        self.with(|service| service.shown())
    }

    pub fn task_definition(&self) -> String {
        self.with(|service| service.task_definition.clone())
    }

    /// All service deployments: status and task definition, the latest last.
    pub fn rollouts(&self) -> Vec<(&'static str, String)> {
        self.with(|service| {
            let definition = |r: &Rollout| service.revision(&r.number).map(|r| r.task_definition.clone());
            service.rollouts.iter().map(|r| (r.status, definition(r).unwrap_or_default())).collect()
        })
    }

    /// Images and digests that run, one entry for each container of each running task.
    pub fn running(&self) -> Vec<(String, String)> {
        self.with(|service| {
            let tasks = service.tasks.iter().filter(|t| t.is_running());
            let containers = tasks.flat_map(|t| &t.containers);
            containers.map(|c| (c.image.clone(), c.digest.clone().unwrap_or_default())).collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Service) -> T) -> T {
        self.account.with(|region| act(region.services.get_mut(&self.key).unwrap()))
    }
}

//! What there is: accounts and regions, their clusters, services and task definitions.

use super::clock::At;
use super::errands::Errands;
use super::images::Images;
use super::service::Service;
use super::taskdefs::TaskDefinitions;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One account in one region: nothing of another is seen from here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{resource}", self.region, self.account)
    }
}

/// A role that may be assumed, and what is asked for it.
#[derive(Clone, Debug)]
pub struct Role {
    pub external_id: Option<String>,
}

/// Credentials that were given for a role.
#[derive(Clone, Debug)]
pub struct Session {
    pub account: String,
    /// The ARN of the assumed role, session name included.
    pub arn: String,
    pub token: String,
    pub expires: At,
}

pub struct World {
    pub regions: BTreeMap<Place, Region>,
    /// By ARN.
    pub roles: BTreeMap<String, Role>,
    /// By access key.
    pub sessions: HashMap<String, Session>,
    pub images: Images,
}

#[derive(Clone)]
pub struct Region {
    pub place: Place,
    pub clusters: BTreeSet<String>,
    /// By cluster and name.
    pub services: BTreeMap<(String, String), Service>,
    pub task_definitions: TaskDefinitions,
    pub errands: Errands,
    /// As everything was before the last call of this operation: what a stale read sees.
    pub before: HashMap<String, Box<Region>>,
}

impl World {
    pub fn new() -> Self {
        Self { regions: BTreeMap::new(), roles: BTreeMap::new(), sessions: HashMap::new(), images: Images::new() }
    }

    pub fn region(&mut self, place: &Place) -> &mut Region {
        self.regions.entry(place.clone()).or_insert_with(|| Region {
            place: place.clone(),
            clusters: BTreeSet::new(),
            services: BTreeMap::new(),
            task_definitions: TaskDefinitions::default(),
            errands: Errands::default(),
            before: HashMap::new(),
        })
    }

    /// Lets everything happen that is due.
    pub fn advance(&mut self, now: At) {
        let Self { regions, images, .. } = self;
        for region in regions.values_mut() {
            let Region { services, task_definitions, errands, .. } = region;
            errands.advance(now);
            for service in services.values_mut() {
                service.advance(now, images, task_definitions);
            }
        }
    }
}

impl Region {
    /// Remembers how it was, for reads that come too early.
    pub fn remember(&mut self, op: &str, was: Region) {
        self.before.insert(op.to_owned(), Box::new(was));
    }

    /// A copy without what it remembers.
    pub fn copy(&self) -> Region {
        Region {
            place: self.place.clone(),
            clusters: self.clusters.clone(),
            services: self.services.clone(),
            task_definitions: self.task_definitions.clone(),
            errands: self.errands.clone(),
            before: HashMap::new(),
        }
    }
}

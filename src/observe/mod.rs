//! Every read of the cluster: Releases, workloads with their pods, and what a check must know before it asks.
//!
//! Reads are live, bounded and on a deadline. Nothing here writes, decides or remembers (but for the addresses of
//! machines, for a minute, and services on AWS, for seconds).

mod alarms;
mod backends;
mod claim;
pub mod client;
mod consent;
mod directory;
mod ecs;
mod error;
mod evidence;
mod fields;
mod live;
mod machines;
mod object;
mod pods;
mod release;
mod revision;
mod targets;

pub use directory::ClusterDirectory;
pub use ecs::{AllowedRoles, EcsOptions};
pub use error::Error;
pub use live::{Surroundings, live};
pub use object::Object;
pub use release::release_view;

use crate::api::{NsName, Release};
use crate::aws::Aws;
use error::within;
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Duration;

/// Objects of one list that are read; more are left out.
const LIST: u32 = 500;

/// Reads Releases and their targets.
#[derive(Clone)]
pub struct Observer {
    client: Client,
    limits: Limits,
    /// Services on AWS, where they are looked at.
    services: Option<Arc<ecs::Services>>,
    /// ReplicaSets, ControllerRevisions and pods as the API server's cache has them.
    cached: bool,
}

/// How long reading may take, and how much of it may go on at once for one Release.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One request. Default 5 s.
    pub call: Duration,
    /// All requests for one target. Default 10 s.
    pub target: Duration,
    /// Targets read at once. Default 8.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call: Duration::from_secs(5), target: Duration::from_secs(10), at_once: 8 }
    }
}

impl Observer {
    /// `client` should be an acting one: see [`client::acting`].
    pub fn new(client: Client, limits: Limits) -> Self {
        Self { client, limits, services: None, cached: false }
    }

    /// The same, looking at services on AWS too.
    pub fn with_ecs(self, aws: Arc<Aws>, options: EcsOptions) -> Self {
        Self { services: Some(Arc::new(ecs::Services::new(aws, options))), ..self }
    }

    /// The same, but revisions and pods may be some moments old. Workloads and Releases are read as ever.
    ///
    /// An up-to-date list waits until the API server's cache has caught up with etcd: up to 100 ms after every write, of
    /// whatever kind. Good enough where nothing is concluded from pods.
    pub fn cached(&self) -> Self {
        Self { cached: true, ..self.clone() }
    }

    /// The Release as the API server holds it now; `None`: there is none.
    pub async fn release(&self, name: &NsName) -> Result<Option<Release>, Error> {
        within(self.limits.call, Api::namespaced(self.client.clone(), &name.namespace).get_opt(&name.name)).await
    }
}

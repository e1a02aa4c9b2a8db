//! Every read of the cluster: Releases, workloads with their pods, and what a check must know before it asks.
//!
//! Reads are live, bounded and on a deadline. Nothing here writes, decides or remembers (but for the addresses of
//! machines, for a minute, and services on AWS, for seconds).

mod alarms;
mod backends;
mod claim;
pub mod client;
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
pub(crate) use release::into_view;
pub use release::release_view;

use crate::api::view::{ImageQuery, Lookup, Manifest};
use crate::api::{Image, NsName, Release, consent};
use crate::aws::Aws;
use crate::registry::Registries;
use crate::rollout::ReleaseView;
use error::within;
use futures::stream::{self, StreamExt};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Objects of one list that are read; more are left out.
const LIST: u32 = 500;
/// Images that are asked for at once for one Release, and how long all of them may take.
const IMAGES: usize = 4;
const ALL_IMAGES: Duration = Duration::from_secs(20);

/// Reads Releases and their targets.
#[derive(Clone)]
pub struct Observer {
    client: Client,
    limits: Limits,
    /// Services on AWS, where they are looked at.
    services: Option<Arc<ecs::Services>>,
    /// Registries of images, where they are asked.
    registries: Option<Arc<Registries>>,
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
        Self { client, limits, services: None, registries: None, cached: false }
    }

    /// The same, looking at services on AWS too.
    pub fn with_ecs(self, aws: Arc<Aws>, options: EcsOptions) -> Self {
        Self { services: Some(Arc::new(ecs::Services::new(aws, options))), ..self }
    }

    /// The same, asking registries too.
    pub fn with_registries(self, registries: Registries) -> Self {
        Self { registries: Some(Arc::new(registries)), ..self }
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

    /// What registries say of these images, each as the Release's namespace may see it.
    pub async fn images(&self, release: &ReleaseView, queries: &[ImageQuery]) -> BTreeMap<Image, Lookup<Manifest>> {
        let namespace = &release.name.namespace;
        let until = Instant::now() + ALL_IMAGES;
        let late = || Lookup::Unanswered(format!("its turn did not come within {ALL_IMAGES:?}"));
        let looks = queries.iter().cloned().map(|query| async move {
            let said = match &self.registries {
                Some(registries) => {
                    timeout_at(until, registries.look(namespace, &query)).await.unwrap_or_else(|_| late())
                }
                None => Lookup::Unanswered("this controller asks no registry".to_owned()),
            };
            (query.image, said)
        });
        stream::iter(looks).buffer_unordered(IMAGES).collect().await
    }
}

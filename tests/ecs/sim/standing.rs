//! How services stood whenever somebody asked: for whoever judges the caller afterwards.

use super::service::Service;
use super::world::Region;
use std::collections::BTreeMap;

/// From `at` on, until the next one of the same service.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// By the machine's clock, which no test moves.
    pub at: jiff::Timestamp,
    pub region: String,
    pub cluster: String,
    pub service: String,
    /// Of the PRIMARY deployment.
    pub images: BTreeMap<String, String>,
    /// Whether that one is COMPLETED.
    pub landed: bool,
    /// Its running tasks.
    pub running: u32,
    pub desired: u32,
}

/// What is new since the last ones.
pub(super) fn new(known: &[Standing], region: &Region) -> Vec<Standing> {
    let at = jiff::Timestamp::now();
    let all = region.services.values().filter_map(|service| Standing::of(service, at));
    let of_same = |s: &Standing| known.iter().rev().find(|k| k.is_of_same(s));
    all.filter(|s| of_same(s).is_none_or(|k| Standing { at, ..k.clone() } != *s)).collect()
}

impl Standing {
    fn of(service: &Service, at: jiff::Timestamp) -> Option<Self> {
        let primary = service.deployments.first()?;
        let containers = service.revision(&primary.number).into_iter().flat_map(|r| &r.containers);
        Some(Self {
            at,
            region: service.place.region.clone(),
            cluster: service.cluster.clone(),
            service: service.name.clone(),
            images: containers.map(|c| (c.name.clone(), c.image.clone())).collect(),
            landed: primary.state == "COMPLETED",
            running: u32::try_from(service.tasks_of(&primary.number).filter(|t| t.is_running()).count())
                .unwrap_or(u32::MAX),
            desired: service.settings.desired,
        })
    }

    fn is_of_same(&self, other: &Self) -> bool {
        (&self.region, &self.cluster, &self.service) == (&other.region, &other.cluster, &other.service)
    }
}

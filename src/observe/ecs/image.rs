//! Whether the image that a service is about to be brought is in its registry, where that is one of ECR.

use super::{PATIENCE, REMEMBERED, Services};
use crate::api::Image;
use crate::api::status::EcsService;
use crate::api::view::{Lookup, RegistryImage};
use crate::aws::EcrImage;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// By service, because each may be looked at with another role.
type Key = (EcsService, Image);

/// The last answers, and when they were asked for.
#[derive(Debug, Default)]
pub(super) struct Images(Mutex<HashMap<Key, (Instant, Lookup<RegistryImage>)>>);

impl Images {
    fn known(&self, key: &Key, fresh: Duration) -> Option<Lookup<RegistryImage>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).filter(|(at, _)| at.elapsed() < fresh).map(|(_, found)| found.clone())
    }

    fn remember(&self, key: Key, at: Instant, found: Lookup<RegistryImage>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key, (at, found));
    }
}

impl Services {
    pub(super) async fn image(&self, service: &EcsService, image: Image) -> Lookup<RegistryImage> {
        let Some(wanted) = EcrImage::of(&image) else { return Lookup::NotAsked };
        let key = (service.clone(), image.clone());
        if let Some(known) = self.images.known(&key, self.options.poll / 2) {
            return known;
        }
        let at = Instant::now();
        let nearby = EcsService { region: wanted.region.clone(), ..service.clone() };
        let asked = tokio::time::timeout(PATIENCE, async { self.aws.account(&nearby).await.has_image(&wanted).await });
        let found = match super::lookup(asked.await, "ecr:DescribeImages") {
            Lookup::Known(there) => Lookup::Known(RegistryImage { image, there }),
            Lookup::NotAsked => Lookup::NotAsked,
            Lookup::Denied(message) => Lookup::Denied(message),
            Lookup::Unanswered(message) => Lookup::Unanswered(message),
        };
        self.images.remember(key, at, found.clone());
        found
    }
}

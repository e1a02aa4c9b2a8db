//! Image registries, asked what a tag means: the digest that it leads to, and what an index is made of.
//!
//! One manifest is read at a time, and its digest counted from its bytes. Every address is vetted by the guard of
//! [`crate::check`]. Never decides anything, keeps a credential, or reads a layer.

mod asking;
mod credentials;
mod error;
mod manifest;
mod reference;

pub use error::Error;

use crate::api::view::{ImageQuery, Lookup, Manifest};
use crate::check::Outbound;
use asking::Asking;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// For everything that one look at one image takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// For so long an answer serves whoever asks again, unless an image was found: a tag may move at any time, and what is
/// about to be written must be what it is now.
const FRESH: Duration = Duration::from_secs(5);
/// Answers that are remembered at most.
const REMEMBERED: usize = 500;
/// Images asked for at once, in all and by Releases of one namespace: a silent registry must not hold up the others.
const AT_ONCE: usize = 16;
const AT_ONCE_PER_NAMESPACE: usize = 4;

/// By namespace, because each may see it with other credentials.
type Key = (String, ImageQuery);

/// All registries, whoever names them.
pub struct Registries {
    outbound: Outbound,
    seen: Mutex<HashMap<Key, (Instant, Lookup<Manifest>)>>,
    /// How many are asked for now, by namespace.
    busy: Mutex<HashMap<String, usize>>,
}

impl Registries {
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, seen: Mutex::default(), busy: Mutex::default() }
    }

    /// What the image is, for a Release of this namespace. `NotAsked`: too much is asked at once.
    pub async fn look(&self, namespace: &str, query: &ImageQuery) -> Lookup<Manifest> {
        let key = (namespace.to_owned(), query.clone());
        if let Some(known) = self.known(&key) {
            return known;
        }
        let Some(_place) = self.place(namespace) else { return Lookup::NotAsked };
        let asking = Asking { outbound: &self.outbound, namespace, query };
        let asked = tokio::time::timeout(PATIENCE, asking.ask());
        let found = match asked.await.unwrap_or(Err(Error::Late(PATIENCE))) {
            Ok(found) => Lookup::Known(found),
            Err(error) if error.is_refusal() => Lookup::Denied(error.to_string()),
            Err(error) => Lookup::Unanswered(error.to_string()),
        };
        tracing::debug!(image = %query.image, ?found, "asked a registry");
        if matches!(found, Lookup::Known(Manifest::Found(_))) {
            return found;
        }
        let mut seen = lock(&self.seen);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key, (Instant::now(), found.clone()));
        found
    }

    fn known(&self, key: &Key) -> Option<Lookup<Manifest>> {
        lock(&self.seen).get(key).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, found)| found.clone())
    }

    fn place(&self, namespace: &str) -> Option<Place<'_>> {
        let mut busy = lock(&self.busy);
        let mine = busy.get(namespace).copied().unwrap_or_default();
        if busy.values().sum::<usize>() >= AT_ONCE || mine >= AT_ONCE_PER_NAMESPACE {
            return None;
        }
        busy.insert(namespace.to_owned(), mine + 1);
        Some(Place { busy: &self.busy, namespace: namespace.to_owned() })
    }
}

/// Held while something is asked.
struct Place<'a> {
    busy: &'a Mutex<HashMap<String, usize>>,
    namespace: String,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut busy = lock(self.busy);
        match busy.get_mut(&self.namespace) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(busy.remove(&self.namespace)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What the watches have brought: which Releases rest, the workloads' generations, and what of it people were told.
//!
//! No object is kept: a Release at rest needs none, and whatever leads to a write is read anew. So ten thousand of them
//! take some megabytes.

use super::lists::{self, Lists};
use super::place::Place;
use crate::api::NsName;
use crate::api::status::KubernetesWorkload;
use crate::api::time::Time;
use crate::rollout::ReleaseView;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    releases: HashMap<NsName, Known>,
    lists: Lists,
    workloads: HashMap<KubernetesWorkload, Seen>,
}

/// All that is kept of a Release.
#[derive(Debug)]
struct Known {
    resource_version: Box<str>,
    /// Where its rollout stands; nothing while it rests: nothing is to be done before it, or a workload of it, changes.
    place: Option<Box<Place>>,
    /// When it last announced something.
    announced: Option<Time>,
    /// When it announced what this process has published last, or found when it began.
    told: Option<Time>,
    workloads: Box<[Listed]>,
    /// A rollout is in work: every change of its workloads counts, not only of their spec.
    active: bool,
    /// Versions that we wrote and have already decided on.
    own: Vec<String>,
    /// Versions that the watch brought during the look that is under way, if one is.
    heard: Option<Vec<String>>,
}

/// A workload that a Release has to do with.
#[derive(Debug)]
struct Listed {
    workload: KubernetesWorkload,
    /// Its generation when it was verified.
    verified: Option<i64>,
}

/// All that is kept of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Hash of the uid.
    uid: u64,
    generation: i64,
}

/// How many of our own writes are remembered until the watch brings them; how much is heard during one look.
const OWN: usize = 32;

impl Seen {
    pub(super) fn new(uid: &str, generation: i64) -> Self {
        let mut hasher = DefaultHasher::new();
        uid.hash(&mut hasher);
        Self { uid: hasher.finish(), generation }
    }
}

impl Memory {
    pub(super) fn knows(&self, name: &NsName) -> bool {
        self.lock().releases.contains_key(name)
    }
    /// Whether nothing is to be done while neither it nor a workload of it changes.
    pub(super) fn rests(&self, name: &NsName) -> bool {
        self.lock().releases.get(name).is_some_and(|k| k.place.is_none())
    }
    /// Where the log line of a look that failed belongs.
    pub(super) fn place(&self, name: &NsName) -> Place {
        self.lock().releases.get(name).and_then(|k| k.place.as_deref().cloned()).unwrap_or_default()
    }
    /// Whether the watch brought a newer version than this one. Versions of one resource are ordered (KEP-5504, Kubernetes
    /// 1.35); where one is not a number, nothing is known.
    pub(super) fn knows_newer(&self, name: &NsName, than: Option<&str>) -> bool {
        let number = |version: &str| version.parse::<u128>().ok();
        let known = self.lock().releases.get(name).and_then(|k| number(&k.resource_version));
        known.zip(than.and_then(number)).is_some_and(|(known, read)| read < known)
    }
    /// Whether it announced something that this process has not published: a write of which nobody heard was stored.
    pub(super) fn untold(&self, name: &NsName) -> bool {
        self.lock().releases.get(name).is_some_and(|k| k.announced > k.told)
    }
    /// The announcements of this version are being published. Whether they had not been before.
    pub(super) fn tell(&self, view: &ReleaseView) -> bool {
        let mut inner = self.lock();
        let Some(known) = inner.releases.get_mut(&view.name) else { return false };
        let new = last(view) > known.told;
        known.told = known.told.max(last(view));
        new
    }
    /// Whoever led before may have died before it could publish what it announced at a time that `recent` accepts.
    pub(super) fn tell_again(&self, recent: impl Fn(Time) -> bool) {
        let releases = &mut self.lock().releases;
        releases.values_mut().for_each(|k| k.told = k.announced.filter(|at| !recent(*at)));
    }
    pub(super) fn names(&self) -> Vec<NsName> {
        self.lock().releases.keys().cloned().collect()
    }
    pub(super) fn count(&self) -> usize {
        self.lock().releases.len()
    }

    /// `rests`: by this version nothing is to be done. Whether it must be looked at: not for the echo of our own write.
    ///
    /// While a look is under way [`Self::look_ends`] tells, because the watch may bring a write before its answer comes.
    pub(super) fn put(&self, view: &ReleaseView, resource_version: &str, rests: bool) -> bool {
        let workloads = lists::listed(&view.name.namespace, &view.spec, &view.status);
        let verified = |w: &KubernetesWorkload| {
            let mut stable = view.status.stable.iter();
            stable.find(|s| s.workload.kubernetes() == Some(w)).map(|s| s.generation)
        };
        let mut inner = self.lock();
        let inner = &mut *inner;
        let mut known = Known {
            resource_version: resource_version.into(),
            place: (!rests).then(|| Box::new(Place::of(&view.status))),
            announced: last(view),
            told: last(view),
            workloads: workloads.iter().map(|w| Listed { workload: w.clone(), verified: verified(w) }).collect(),
            active: false,
            own: Vec::new(),
            heard: None,
        };
        let mut trigger = true;
        if let Some(before) = inner.releases.remove(&view.name) {
            let echo =
                before.resource_version == known.resource_version || before.own.iter().any(|v| v == resource_version);
            known.active = before.active;
            known.told = before.told;
            known.own = before.own;
            known.own.retain(|v| v != resource_version);
            known.own.shrink_to_fit();
            known.heard = before.heard;
            trigger = !echo && !known.hear(resource_version);
            let left = before.workloads.iter().map(|l| &l.workload).filter(|w| !workloads.contains(*w));
            left.for_each(|w| inner.lists.remove(w, &view.name));
        }
        workloads.into_iter().for_each(|w| inner.lists.add(w, &view.name));
        inner.releases.insert(view.name.clone(), known);
        trigger
    }

    pub(super) fn remove(&self, name: &NsName) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(known) = inner.releases.remove(name) {
            known.workloads.iter().for_each(|l| inner.lists.remove(&l.workload, name));
        }
    }

    /// Says what a reconcile found: whether a rollout is in work, and which version it wrote.
    pub(super) fn set_active(&self, name: &NsName, active: bool) {
        if let Some(known) = self.lock().releases.get_mut(name) {
            known.active = active;
        }
    }
    pub(super) fn look_begins(&self, name: &NsName) {
        if let Some(known) = self.lock().releases.get_mut(name) {
            known.heard = Some(Vec::new());
        }
    }
    /// Whether somebody else changed it meanwhile.
    pub(super) fn look_ends(&self, name: &NsName) -> bool {
        let mut inner = self.lock();
        let Some(known) = inner.releases.get_mut(name) else { return false };
        let heard = known.heard.take().unwrap_or_default();
        let others = heard.iter().any(|v| !known.own.contains(v));
        known.own.retain(|v| !heard.contains(v));
        others
    }
    pub(super) fn wrote(&self, name: &NsName, resource_version: Option<&str>) {
        let mut inner = self.lock();
        let (Some(known), Some(version)) = (inner.releases.get_mut(name), resource_version) else { return };
        if known.own.len() == OWN {
            known.own.remove(0);
        }
        known.own.push(version.to_owned());
    }

    /// A workload was added or changed: which Releases to look at. At rest only a new generation or another object is worth a look.
    pub(super) fn workload(&self, workload: KubernetesWorkload, seen: Seen) -> Vec<NsName> {
        let mut inner = self.lock();
        let before = inner.workloads.insert(workload.clone(), seen);
        let changed = before.is_none_or(|b| b != seen);
        inner.triggers(&workload, changed)
    }
    pub(super) fn workload_gone(&self, workload: &KubernetesWorkload) -> Vec<NsName> {
        let mut inner = self.lock();
        inner.workloads.remove(workload);
        inner.triggers(workload, true)
    }
    pub(super) fn workloads(&self) -> Vec<KubernetesWorkload> {
        self.lock().workloads.keys().cloned().collect()
    }

    /// Whether a workload of it changed while nobody watched: its generation is not the one that was verified.
    pub(super) fn changed_unseen(&self, name: &NsName) -> bool {
        let inner = self.lock();
        let differs = |l: &Listed| {
            let verified = l.verified.filter(|g| inner.workloads.get(&l.workload).is_none_or(|w| w.generation != *g));
            verified.is_some()
        };
        inner.releases.get(name).is_some_and(|k| k.workloads.iter().any(differs))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last(view: &ReleaseView) -> Option<Time> {
    view.status.announced.iter().map(|a| a.at).max()
}

impl Known {
    /// Keeps a version for the end of the look that is under way; `false` where there is none, or no room.
    fn hear(&mut self, resource_version: &str) -> bool {
        let Some(heard) = self.heard.as_mut().filter(|h| h.len() < OWN) else { return false };
        heard.push(resource_version.to_owned());
        true
    }
}

impl Inner {
    fn triggers(&self, workload: &KubernetesWorkload, changed: bool) -> Vec<NsName> {
        let names = self.lists.of(workload).iter();
        let active = |n: &&NsName| changed || self.releases.get(*n).is_some_and(|k| k.active);
        names.filter(active).cloned().collect()
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

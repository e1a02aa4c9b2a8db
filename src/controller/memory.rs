//! What the watches have brought: every Release, the workloads' generations, and which Release lists which workload.
//!
//! Served from here are triggers and the first look at a Release at rest; whatever leads to a write is read anew.

use crate::api::spec::{KubernetesTarget, ReleaseSpec};
use crate::api::status::Workload;
use crate::api::{NsName, ReleaseStatus};
use crate::rollout::ReleaseView;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
}

/// A Release as the watch brought it.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) view: ReleaseView,
    pub(super) resource_version: String,
}

#[derive(Debug, Default)]
struct Inner {
    releases: HashMap<NsName, Known>,
    /// Releases by the workloads they list.
    lists: HashMap<Workload, BTreeSet<NsName>>,
    workloads: HashMap<Workload, Seen>,
}

#[derive(Debug)]
struct Known {
    release: Arc<Cached>,
    /// A rollout is in work: every change of its workloads counts, not only of their spec.
    active: bool,
    /// Versions that we wrote and have already decided on.
    own: Vec<String>,
}

/// All that is kept of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) uid: String,
    pub(super) generation: i64,
}

/// How many of our own writes are remembered until the watch brings them.
const OWN: usize = 32;

impl Memory {
    pub(super) fn release(&self, name: &NsName) -> Option<Arc<Cached>> {
        self.lock().releases.get(name).map(|k| k.release.clone())
    }
    pub(super) fn names(&self) -> Vec<NsName> {
        self.lock().releases.keys().cloned().collect()
    }
    pub(super) fn count(&self) -> usize {
        self.lock().releases.len()
    }

    /// Whether it must be looked at: not for the echo of our own write.
    pub(super) fn put(&self, release: Cached) -> bool {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let name = release.view.name.clone();
        let workloads = listed(&release.view.name.namespace, &release.view.spec, &release.view.status);
        let (mut echo, mut known) = (false, false);
        if let Some(before) = inner.releases.get_mut(&name) {
            known = true;
            echo = before.own.contains(&release.resource_version);
            if echo || before.release.resource_version == release.resource_version {
                echo = true;
                before.own.retain(|v| *v != release.resource_version);
                before.own.shrink_to_fit();
            }
            let view = &before.release.view;
            let old = listed(&name.namespace, &view.spec, &view.status);
            old.difference(&workloads).for_each(|w| forget(&mut inner.lists, w, &name));
            before.release = Arc::new(release);
        } else {
            let known = Known { release: Arc::new(release), active: false, own: Vec::new() };
            inner.releases.insert(name.clone(), known);
        }
        for workload in workloads {
            inner.lists.entry(workload).or_default().insert(name.clone());
        }
        !(known && echo)
    }

    pub(super) fn remove(&self, name: &NsName) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(known) = inner.releases.remove(name) {
            let view = &known.release.view;
            let old = listed(&name.namespace, &view.spec, &view.status);
            old.iter().for_each(|w| forget(&mut inner.lists, w, name));
        }
    }

    /// Says what a reconcile found: whether a rollout is in work, and which version it wrote.
    pub(super) fn set_active(&self, name: &NsName, active: bool) {
        if let Some(known) = self.lock().releases.get_mut(name) {
            known.active = active;
        }
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
    pub(super) fn workload(&self, workload: Workload, seen: Seen) -> Vec<NsName> {
        let mut inner = self.lock();
        let before = inner.workloads.insert(workload.clone(), seen.clone());
        let changed = before.is_none_or(|b| b != seen);
        inner.triggers(&workload, changed)
    }
    pub(super) fn workload_gone(&self, workload: &Workload) -> Vec<NsName> {
        let mut inner = self.lock();
        inner.workloads.remove(workload);
        inner.triggers(workload, true)
    }
    pub(super) fn workloads(&self) -> Vec<Workload> {
        self.lock().workloads.keys().cloned().collect()
    }

    /// Whether a workload changed while nobody watched: its generation is not the one that was verified.
    pub(super) fn changed_unseen(&self, name: &NsName) -> bool {
        let inner = self.lock();
        let Some(known) = inner.releases.get(name) else { return false };
        let stable = &known.release.view.status.stable;
        stable.iter().any(|s| inner.workloads.get(&s.workload).is_none_or(|w| w.generation != s.generation))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn triggers(&self, workload: &Workload, changed: bool) -> Vec<NsName> {
        let names = self.lists.get(workload).into_iter().flatten();
        let active = |n: &&NsName| changed || self.releases.get(*n).is_some_and(|k| k.active);
        names.filter(active).cloned().collect()
    }
}

fn forget(lists: &mut HashMap<Workload, BTreeSet<NsName>>, workload: &Workload, name: &NsName) {
    if let Some(names) = lists.get_mut(workload) {
        names.remove(name);
        if names.is_empty() {
            lists.remove(workload);
        }
    }
}

/// Every workload that a Release has to do with: by its spec, by the spec its rollout runs on, and by its debts.
fn listed(namespace: &str, spec: &ReleaseSpec, status: &ReleaseStatus) -> HashSet<Workload> {
    let mut all: HashSet<Workload> = of_spec(namespace, spec).collect();
    all.extend(status.debts.iter().map(|d| d.workload.clone()));
    if let Some(rollout) = status.running() {
        let frozen = rollout.spec.as_ref().and_then(|s| serde_json::from_value::<ReleaseSpec>(s.clone()).ok());
        all.extend(frozen.iter().flat_map(|s| of_spec(namespace, s)));
        all.extend(rollout.stages.iter().flat_map(|s| &s.targets).map(|t| t.workload.clone()));
    }
    all
}

fn of_spec(namespace: &str, spec: &ReleaseSpec) -> impl Iterator<Item = Workload> {
    let targets = spec.stages.iter().flat_map(|s| &s.targets).filter_map(|t| t.kubernetes());
    targets.map(move |t: &KubernetesTarget| Workload {
        kind: t.kind,
        namespace: t.namespace_or(namespace).to_owned(),
        name: t.name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::WorkloadKind;

    fn release(name: &str, version: &str, workload: &str) -> Cached {
        let spec = serde_json::json!({
            "image": {"repository": "r", "tag": "sha-1234567"},
            "stages": [{"name": "staging", "checks": "None", "targets": [
                {"name": "web", "kubernetes": {"kind": "Deployment", "name": workload, "containers": ["app"]}}]}]
        });
        let view = ReleaseView {
            name: NsName::new("shop", name),
            uid: name.to_owned(),
            generation: 1,
            deleting: false,
            finalizer: false,
            annotations: Default::default(),
            spec: serde_json::from_value(spec).unwrap(),
            status: ReleaseStatus::default(),
        };
        Cached { view, resource_version: version.to_owned() }
    }
    fn workload(name: &str) -> Workload {
        Workload { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: name.into() }
    }
    fn seen(uid: &str, generation: i64) -> Seen {
        Seen { uid: uid.into(), generation }
    }
    fn names(triggers: Vec<NsName>) -> Vec<String> {
        triggers.into_iter().map(|n| n.name).collect()
    }

    #[test]
    fn at_rest_only_a_new_generation_or_object_of_a_listed_workload_counts() {
        let memory = Memory::default();
        memory.put(release("a", "1", "web"));
        assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a"]);
        assert!(memory.workload(workload("web"), seen("u", 1)).is_empty());
        assert!(memory.workload(workload("other"), seen("u", 1)).is_empty());
        assert_eq!(names(memory.workload(workload("web"), seen("u", 2))), ["a"]);
        assert_eq!(names(memory.workload(workload("web"), seen("v", 2))), ["a"]);
        assert_eq!(names(memory.workload_gone(&workload("web"))), ["a"]);
    }

    #[test]
    fn while_a_rollout_runs_every_change_counts() {
        let memory = Memory::default();
        memory.put(release("a", "1", "web"));
        memory.workload(workload("web"), seen("u", 1));
        memory.set_active(&NsName::new("shop", "a"), true);
        assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a"]);
    }

    #[test]
    fn the_index_follows_the_spec() {
        let memory = Memory::default();
        memory.put(release("a", "1", "web"));
        memory.put(release("b", "1", "web"));
        assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a", "b"]);
        memory.put(release("a", "2", "api"));
        assert_eq!(names(memory.workload(workload("web"), seen("u", 2))), ["b"]);
        memory.remove(&NsName::new("shop", "b"));
        assert!(memory.workload(workload("web"), seen("u", 3)).is_empty());
        assert_eq!(memory.lock().lists.len(), 1);
    }

    #[test]
    fn the_echo_of_our_own_write_asks_for_no_look() {
        let memory = Memory::default();
        let name = NsName::new("shop", "a");
        assert!(memory.put(release("a", "1", "web")));
        memory.wrote(&name, Some("2"));
        assert!(!memory.put(release("a", "2", "web")));
        assert!(memory.put(release("a", "3", "web")));
        assert!(!memory.put(release("a", "3", "web")));
    }
}

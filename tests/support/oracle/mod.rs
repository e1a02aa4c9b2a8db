//! The oracle: everything that happened in a scene, in one order, and what must be true of it.
//!
//! Where the judge of `audit` looks at each request of the controller, the oracle looks at the complete history: every
//! version of every object from etcd itself (`version`), who wrote it (from the audit log), and which requests reached
//! the applications. `rules` holds what was promised, one predicate each; `told` shows a violation with what stands
//! around it.
//!
//! Reading order: `version`, `release` and `write` (what rules are stated over), then `rules`.

mod read;
mod release;
pub mod rules;
mod told;
pub mod version;
mod write;

pub use read::{complete, untold};
pub use release::{Life, Moment, workload_key};
pub use told::report;
pub use version::{Key, Stored, Version};
pub use write::Write;

use super::audit::Record;
use super::requests::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use version::By;

/// What a history is put together from.
#[derive(Clone)]
pub struct Sources {
    /// Every version of every object, oldest first.
    pub stored: Vec<Stored>,
    /// Writes that the API server answered, refused ones too.
    pub records: Vec<Record>,
    /// What reached the pods.
    pub requests: Vec<Request>,
    /// From when on no request is missing; absent: none is.
    pub complete_since: Option<Timestamp>,
    /// What a stand-in for AWS was asked to write.
    pub calls: Vec<Call>,
    /// How its services stood, whenever it was asked anything, oldest first; `None` where nobody else saw them than the
    /// controller.
    pub standings: Option<Vec<Standing>>,
    /// What the controllers logged; empty where there is no Secret.
    pub logs: String,
    /// When it was read.
    pub now: Timestamp,
}

/// A write that a stand-in for AWS received.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub at: Timestamp,
    /// Such as `UpdateService`.
    pub op: String,
    /// Whether it was carried out, whatever was answered.
    pub made: bool,
    /// Whether a deployment began by it, or was turned round: to ask for what is there already does neither.
    pub turned: bool,
    pub region: String,
    /// Names; empty where it is about none.
    pub cluster: String,
    pub service: String,
    /// What was asked beside these names and the task definition.
    pub parameters: Vec<String>,
    /// What it registers, brings or runs; where a deployment is stopped, what ECS goes back to.
    pub brings: Option<Definition>,
    /// What the service named in the moment before; where a deployment is stopped, what that one brings.
    pub found: Option<Definition>,
}

/// How a service on a stand-in for AWS stood from `at` on, until the next one of the same service.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub at: Timestamp,
    pub region: String,
    /// Names.
    pub cluster: String,
    pub service: String,
    /// Of its newest deployment.
    pub images: Images,
    /// Whether that one is complete.
    pub landed: bool,
    /// Its running tasks.
    pub running: u32,
    pub desired: u32,
}

/// A task definition, as far as it is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its family and revision, such as `app:3`.
    pub name: String,
    pub images: Images,
    pub tags: BTreeMap<String, String>,
    /// The same for all that differ in their images and tags alone.
    pub rest: u64,
}

pub struct History {
    pub sources: Sources,
    pub versions: Vec<Version>,
    pub lives: Vec<Life>,
    /// What the controller wrote to workloads.
    pub writes: Vec<Write>,
    /// The latest version of each object that is there.
    by_key: BTreeMap<Key, Vec<usize>>,
}

/// What a rule found.
#[derive(Debug)]
pub struct Violation {
    /// Where; 0: nowhere in particular.
    pub revision: u64,
    pub says: String,
}

impl Violation {
    pub fn at(revision: u64, says: impl Into<String>) -> Self {
        Self { revision, says: says.into() }
    }
}

/// The controller reads, decides and writes: what it saw was true at some time within so long before its write.
const SIGHT: SignedDuration = SignedDuration::from_secs(5);

impl History {
    pub fn new(sources: Sources) -> Self {
        let mut made = BTreeMap::new();
        for (at, r) in sources.records.iter().enumerate().filter(|(_, r)| r.done()) {
            if let (Some(version), Some(by)) = (r.version(), By::of(at, r)) {
                // One that changed nothing is answered by the version that was there.
                made.entry(version).or_insert(by);
            }
        }
        let mut by_key = BTreeMap::<Key, Vec<usize>>::new();
        let mut versions: Vec<Version> = Vec::new();
        for s in &sources.stored {
            let Some(key) = Key::parse(&s.key) else { continue };
            let of_key = by_key.entry(key.clone()).or_default();
            let before = of_key.last().copied().filter(|i| !versions[*i].gone());
            of_key.push(versions.len());
            let by = made.get(&s.revision).cloned();
            versions.push(Version { revision: s.revision, key, value: s.value.clone(), before, by });
        }
        let lives = release::lives(&versions);
        let writes = write::writes(&versions, &sources.records);
        Self { sources, versions, lives, writes, by_key }
    }

    pub fn before(&self, version: &Version) -> Option<&Version> {
        version.before.map(|i| &self.versions[i])
    }

    /// All versions of one object name, oldest first.
    pub fn of(&self, key: &Key) -> impl DoubleEndedIterator<Item = &Version> {
        self.by_key.get(key).into_iter().flatten().map(|i| &self.versions[*i])
    }

    /// The versions of an object that may have been the latest when the write of `moment` was decided.
    pub fn in_sight(&self, key: &Key, moment: &Moment) -> Vec<&Version> {
        let since = moment.by.as_ref().map(|b| b.begun.saturating_sub(SIGHT).unwrap_or(b.begun));
        let mut seen = Vec::new();
        for version in self.of(key).rev().filter(|v| v.revision < moment.revision) {
            seen.push(version);
            // Written before the window opens: what is older was not the latest any more.
            if version.by.as_ref().is_some_and(|b| since.is_some_and(|s| b.done < s)) {
                break;
            }
        }
        seen
    }

    pub fn life(&self, uid: &str) -> Option<&Life> {
        self.lives.iter().find(|l| l.uid == uid)
    }

    /// Workloads' versions in which the image of a container changed.
    pub fn image_changes(&self) -> impl Iterator<Item = &Version> {
        let workloads = self.versions.iter().filter(|v| v.key.is_workload() && !v.gone());
        workloads.filter(|v| self.before(v).is_some_and(|b| images(&b.value) != images(&v.value)))
    }

    /// The controller's write that made this version, if it is one.
    pub fn write_of(&self, version: &Version) -> Option<&Write> {
        self.writes.iter().find(|w| w.revision == version.revision)
    }
}

pub type Images = BTreeMap<String, String>;

/// Images of a workload by container.
pub fn images(workload: &Value) -> Images {
    let pod = &workload["spec"]["template"]["spec"];
    let lists = ["initContainers", "containers"].map(|l| pod[l].as_array().cloned().unwrap_or_default());
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    lists.concat().iter().map(|c| (text(&c["name"]), text(&c["image"]))).collect()
}

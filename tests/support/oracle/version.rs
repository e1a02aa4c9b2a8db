//! One version of one object, as etcd stored it, and who is known to have written it.

use crate::support::audit::Record;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// As the control plane tells it.
#[derive(Deserialize, Clone, Debug)]
pub struct Stored {
    pub revision: u64,
    /// Such as `deployments/shop/web` or `tidegate.dev/releases/shop/checkout`.
    pub key: String,
    pub event: String,
    #[serde(default)]
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Such as `deployments` or `tidegate.dev/releases`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
}

#[derive(Debug)]
pub struct Version {
    /// The same order for all objects.
    pub revision: u64,
    pub key: Key,
    /// Null: it is gone.
    pub value: Value,
    /// Where the version before stands in the history.
    pub before: Option<usize>,
    /// Absent where the audit log keeps no answers: of pods, for example.
    pub by: Option<By>,
}

/// The request that made a version.
#[derive(Clone, Debug)]
pub struct By {
    pub user: String,
    pub ours: bool,
    /// Where it stands among the records.
    pub record: usize,
    /// When the API server had received it, and when it had answered it: the version is from between the two.
    pub begun: Timestamp,
    pub done: Timestamp,
}

impl Key {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let (name, namespace, resource) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { resource: resource.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() })
    }
    pub fn is_workload(&self) -> bool {
        ["deployments", "statefulsets", "daemonsets"].contains(&self.resource.as_str())
    }
    pub fn is_release(&self) -> bool {
        self.resource == "tidegate.dev/releases"
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let resource = self.resource.rsplit('/').next().unwrap_or_default();
        write!(f, "{resource} {}/{}", self.namespace, self.name)
    }
}

impl By {
    pub fn of(at: usize, r: &Record) -> Option<Self> {
        let begun: Timestamp = r.at.parse().ok()?;
        let done = r.done_at.parse().unwrap_or(begun);
        Some(Self { user: r.user.username.clone(), ours: r.by_controller(), record: at, begun, done })
    }
}

impl Version {
    pub fn ours(&self) -> bool {
        self.by.as_ref().is_some_and(|b| b.ours)
    }
    pub fn gone(&self) -> bool {
        self.value.is_null()
    }
    pub fn uid(&self) -> &str {
        uid(&self.value)
    }
}

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

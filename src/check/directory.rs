//! The facts about the cluster that a question needs. They come from API objects only, never from DNS.
//!
//! The trait stands here so that `check` knows nothing of who reads the objects.

use crate::api::ask::PodsOf;
use crate::api::spec::CloudwatchGate;
use crate::api::time::Time;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Looks things up in the cluster. Every method has a deadline of its own, and may be called many times at once.
pub trait Directory: Send + Sync {
    /// Pods that are owned by this revision of this workload, in any state. None is an empty list, not an error.
    fn pods<'a>(&'a self, of: &'a PodsOf) -> BoxFuture<'a, Result<Vec<PodFacts>, LookupError>>;
    /// `None`: the API server said that there is no such Service.
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ServiceFacts>, LookupError>>;
    /// What the Service of this name and selector sends to now, from its EndpointSlices and from the pods it selects.
    fn backends<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        selector: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<Backend>, LookupError>>;
    /// `None`: the API server said that there is no such Secret.
    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<SecretFacts>, LookupError>>;
    /// Addresses that nobody may be asked at.
    fn forbidden<'a>(&'a self) -> BoxFuture<'a, Result<Forbidden, LookupError>>;
    /// The entries of `tidegate.dev/allow-from` on the Namespace; empty where it has none or may not be read.
    fn namespace_consents<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, LookupError>>;
    /// The alarms of these names that there are, for a Release of `namespace`.
    fn alarms<'a>(
        &'a self,
        _namespace: &'a str,
        _gate: &'a CloudwatchGate,
    ) -> BoxFuture<'a, Result<Vec<AlarmFacts>, LookupError>> {
        Box::pin(std::future::ready(Err(LookupError::Refused { what: "this controller does not look at AWS".into() })))
    }
}

/// One alarm of CloudWatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFacts {
    pub name: String,
    pub state: AlarmState,
    /// Since when it is in this state, where AWS says it.
    pub since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
    /// One that this version has not heard of.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    pub uid: String,
    /// `status.podIP`; whoever may write a pod's status chooses it.
    pub ip: Option<IpAddr>,
    /// `status.hostIP`.
    pub host_ip: Option<IpAddr>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// The condition `Ready`.
    pub ready: bool,
    /// Has a deletion timestamp.
    pub terminating: bool,
    pub created: Time,
    /// `spec.nodeName`.
    pub node: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// `spec.clusterIP`; `None` where it is empty or `None` (headless).
    pub cluster_ip: Option<IpAddr>,
    /// `spec.type: ExternalName`.
    pub external_name: bool,
    /// `spec.selector`; empty where there is none.
    pub selector: BTreeMap<String, String>,
    /// `spec.ports[].port` of the TCP ports.
    pub ports: Vec<i32>,
    /// The entries of `tidegate.dev/allow-from` on the Service.
    pub allow_from: Vec<String>,
}

/// One address behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub ip: IpAddr,
    /// Its name, where it is known to be a pod.
    pub pod: Option<String>,
    /// `spec.hostNetwork`, or an address that is its node's.
    pub host_network: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub struct SecretFacts {
    pub labels: BTreeMap<String, String>,
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Addresses of machines that hold more than applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forbidden {
    /// Every address of every node.
    pub nodes: Vec<IpAddr>,
    /// The `kubernetes` Service's cluster IPs, its endpoints, and where the controller itself reaches the API server.
    pub api_servers: Vec<IpAddr>,
}

/// Why something could not be looked up. The texts hold kinds, names and namespaces, never contents.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("the controller may not read {what}")]
    Denied { what: String },
    #[error("the API server did not answer in time for {what}")]
    TimedOut { what: String },
    #[error("the API server could not be asked for {what}")]
    Unreachable {
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    #[error("{what} is not as expected")]
    Malformed { what: String },
    /// AWS, or what the Release may use of it.
    #[error("{what}")]
    Refused { what: String },
    #[error("{what}")]
    Unanswered { what: String },
}

impl LookupError {
    /// Stable, for a metric label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::TimedOut { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::Malformed { .. } => "malformed",
            Self::Refused { .. } => "refused",
            Self::Unanswered { .. } => "unanswered",
        }
    }
    /// Whether asking again may help without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Unreachable { .. } | Self::Unanswered { .. })
    }
}

impl fmt::Debug for SecretFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFacts")
            .field("labels", &self.labels)
            .field("keys", &self.data.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

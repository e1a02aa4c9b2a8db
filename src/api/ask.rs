//! A question to the application and its answer.

use super::spec::{
    CloudwatchGate, GrpcCheck, HttpCheck, HttpLoad, MetricServer, Peer, PodsProbe, Probe, PrometheusGate, Question,
    ServiceProbe, TcpCheck,
};
use super::status::{KubernetesWorkload, Measured, Purpose};
use super::time::{Duration, Time};
use super::{NsName, RolloutId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names one round of one check for ever; a result is counted only under the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskId {
    /// uid of the Release.
    pub release: String,
    pub rollout: RolloutId,
    pub stage: String,
    pub check: String,
    pub purpose: Purpose,
    pub number: i32,
    /// Revisions of the stage's targets when it was asked, in order: a result of another revision says nothing.
    pub revision: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    pub id: AskId,
    /// The Release: Secrets are read in its namespace, and consent is asked for it.
    pub release: NsName,
    pub query: Query,
    /// For `pods`: whose pods, and of which revision.
    pub pods: Option<PodsOf>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Query {
    /// One round of one HTTP question.
    Http(HttpCheck),
    Tcp(TcpCheck),
    Grpc(GrpcCheck),
    /// One HTTP question many times; the answer carries what was [`Measured`].
    Load(HttpLoad),
    /// What a metrics system says, with every placeholder of the query filled in.
    Prometheus(PrometheusGate),
    Cloudwatch(AlarmsQuery),
}

/// Alarms, all of which must be `OK`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmsQuery {
    pub gate: CloudwatchGate,
    /// When the stage was first written: an alarm that was raised before says nothing of what was written.
    pub since: Option<Time>,
}

/// Whom a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee<'a> {
    Pods(&'a PodsProbe),
    Service(&'a ServiceProbe),
    Url(&'a str),
    /// AWS, through its own client.
    Aws,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodsOf {
    pub workload: KubernetesWorkload,
    /// pod-template-hash.
    pub revision: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// Asked, and right; of a load: measured.
    Pass,
    /// The application answered wrongly, or not at all.
    Fail,
    /// Nobody could ask: a blocked address, a missing Secret.
    Error,
    /// There was nothing to ask or to see.
    NoData,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskResult {
    pub id: AskId,
    pub outcome: Outcome,
    /// For people: status code, which expectation failed. Never a body, header or query. At most 256 characters.
    pub message: String,
    /// Of a load that was put on the application, whatever its answers were worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    pub at: Time,
}

impl Query {
    pub fn addressee(&self) -> Addressee<'_> {
        match self {
            Self::Http(HttpCheck { probe, .. }) | Self::Load(HttpLoad { probe, .. }) => match probe {
                Probe::Pods(pods) => Addressee::Pods(pods),
                Probe::Service(service) => Addressee::Service(service),
                Probe::Url(url) => Addressee::Url(url),
            },
            Self::Tcp(TcpCheck { peer, .. }) | Self::Grpc(GrpcCheck { peer, .. }) => match peer {
                Peer::Pods(pods) => Addressee::Pods(pods),
                Peer::Service(service) => Addressee::Service(service),
            },
            Self::Prometheus(PrometheusGate { server, .. }) => match server {
                MetricServer::Service(service) => Addressee::Service(service),
                MetricServer::Url(url) => Addressee::Url(url),
            },
            Self::Cloudwatch(_) => Addressee::Aws,
        }
    }

    /// For one request; of metrics for the whole round.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(check) => check.timeout(),
            Self::Load(load) => load.timeout.unwrap_or(Duration::from_secs(5)),
            Self::Tcp(check) => check.timeout(),
            Self::Grpc(check) => check.timeout(),
            Self::Prometheus(gate) => gate.timeout(),
            // With the SDK's own tries.
            Self::Cloudwatch(_) => Duration::from_secs(10),
        }
    }

    /// Whose pods are asked, if pods are.
    pub fn pods(&self) -> Option<&PodsProbe> {
        if let Addressee::Pods(pods) = self.addressee() { Some(pods) } else { None }
    }
}

impl From<&Question> for Query {
    fn from(question: &Question) -> Self {
        match question.clone() {
            Question::Http(check) => Self::Http(check),
            Question::Tcp(check) => Self::Tcp(check),
            Question::Grpc(check) => Self::Grpc(check),
        }
    }
}

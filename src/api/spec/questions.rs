//! What health checks and smoke tests ask: one of three kinds of question.

use super::{HttpCheck, JobTest, PodsProbe, ServiceProbe};
use crate::api::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// An HTTP request, answered as expected.
    Http(HttpCheck),
    /// A TCP connection, taken within the timeout. Nothing is sent.
    Tcp(TcpCheck),
    /// `grpc.health.v1.Health/Check`, answered by `SERVING`. Without TLS.
    Grpc(GrpcCheck),
}

/// What a smoke test asks.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SmokeQuestion {
    /// An HTTP request, answered as expected.
    Http(HttpCheck),
    /// A TCP connection, taken within the timeout. Nothing is sent.
    Tcp(TcpCheck),
    /// `grpc.health.v1.Health/Check`, answered by `SERVING`. Without TLS.
    Grpc(GrpcCheck),
    /// A Job that ends well.
    Job(JobTest),
}

/// One TCP connection, with exactly one of `pods` and `service`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpCheck {
    #[serde(flatten)]
    pub peer: Peer,
    /// Until the connection is there, 100ms to 60s. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// One gRPC health question, with exactly one of `pods` and `service`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcCheck {
    #[serde(flatten)]
    pub peer: Peer,
    /// The gRPC service whose health is asked, such as `shop.v1.Items`. Default: that of the server as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub service_name: Option<String>,
    /// Until the answer is there, 100ms to 60s. Default 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Whom to ask within the cluster.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// Every pod of the new revision, by its own address.
    Pods(PodsProbe),
    /// A Service, at its cluster IP.
    Service(ServiceProbe),
}

const TIMEOUT: Duration = Duration::from_secs(5);

impl TcpCheck {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }
}

impl GrpcCheck {
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }
    pub fn service_name(&self) -> &str {
        self.service_name.as_deref().unwrap_or_default()
    }
}

//! Writes to workloads on this cluster, by server-side apply.
//!
//! Owned are the listed containers' images and one annotation, and nothing else: a write that carries the object's uid
//! and resourceVersion cannot land on another object or on another version than the decision was taken on.

mod body;

use super::{Error, Target};
use crate::api::MANAGER;
use crate::api::effect::{Answer, Refused, TargetWrite};
use crate::api::spec::WorkloadKind;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use std::time::Duration;

/// Writes to Deployments.
#[derive(Clone)]
pub struct KubernetesWriter {
    client: Client,
    timeout: Duration,
}

impl KubernetesWriter {
    /// `client` must not retry; `timeout` is that of one write.
    pub fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    async fn apply(&self, write: &TargetWrite) -> Result<Answer, Error> {
        let Some(workload) = write.workload.kubernetes() else {
            return Err(never(format!("{} is no workload of this cluster", write.workload)));
        };
        if workload.kind != WorkloadKind::Deployment {
            return Err(never(format!("{workload}: only Deployments can be written")));
        }
        let body = body::of(workload, write).map_err(|e| never(format!("the stamp cannot be written: {e}")))?;
        let api = Api::<Deployment>::namespaced(self.client.clone(), &workload.namespace);
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&body);
        // Only metadata is asked for in return: nothing else is looked at.
        let request = api.patch_metadata(&workload.name, &params, &patch);
        let after = self.timeout;
        let written = tokio::time::timeout(after, request).await.map_err(|_| Error::TimedOut { after })??;
        Ok(Answer::Applied {
            generation: written.metadata.generation.unwrap_or_default(),
            resource_version: written.metadata.resource_version.unwrap_or_default(),
        })
    }
}

impl Target for KubernetesWriter {
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match self.apply(write).await {
                Ok(answer) => answer,
                Err(error) => {
                    let category = error.category();
                    tracing::warn!(workload = %write.workload, effect = %write.stamp.effect, category, %error, "not written");
                    Answer::from(&error)
                }
            }
        })
    }
}

fn never(message: String) -> Error {
    Error::Refused { kind: Refused::Invalid, message, source: None }
}

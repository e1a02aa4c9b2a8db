//! Writes to workloads on this cluster, by server-side apply.
//!
//! Owned are the listed containers' images and one annotation, and nothing else: a write that carries the object's uid
//! and resourceVersion cannot land on another object or on another version than the decision was taken on. So it is with
//! the one thing that is ever deleted: a pod that holds up its StatefulSet.

mod body;

use super::{Error, Target};
use crate::api::MANAGER;
use crate::api::effect::{Answer, PodDeletion, Refused, TargetWrite};
use crate::api::spec::WorkloadKind;
use crate::api::status::KubernetesWorkload;
use futures::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client, Resource};
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

/// Writes to Deployments, StatefulSets and DaemonSets.
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
        let body = body::of(workload, write).map_err(|e| never(format!("the stamp cannot be written: {e}")))?;
        let written = match workload.kind {
            WorkloadKind::Deployment => self.patch::<Deployment>(workload, &body).await,
            WorkloadKind::StatefulSet => self.patch::<StatefulSet>(workload, &body).await,
            WorkloadKind::DaemonSet => self.patch::<DaemonSet>(workload, &body).await,
        }?;
        Ok(Answer::Applied {
            generation: written.generation.unwrap_or_default(),
            resource_version: written.resource_version.unwrap_or_default(),
        })
    }

    async fn patch<K>(&self, workload: &KubernetesWorkload, body: &Value) -> Result<ObjectMeta, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + serde::de::DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &workload.namespace);
        let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(body));
        // Only metadata is asked for in return: nothing else is looked at.
        Ok(self.within(api.patch_metadata(&workload.name, &params, &patch)).await?.metadata)
    }

    async fn delete(&self, pod: &PodDeletion) -> Result<Answer, Error> {
        let api = Api::<Pod>::namespaced(self.client.clone(), &pod.namespace);
        let this = Preconditions { uid: Some(pod.uid.clone()), resource_version: Some(pod.resource_version.clone()) };
        let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
        self.within(api.delete(&pod.pod, &params)).await?;
        Ok(Answer::Deleted)
    }

    async fn within<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        let after = self.timeout;
        Ok(tokio::time::timeout(after, request).await.map_err(|_| Error::TimedOut { after })??)
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
    fn delete_pod<'a>(&'a self, pod: &'a PodDeletion) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            self.delete(pod).await.unwrap_or_else(|error| {
                let category = error.category();
                tracing::warn!(pod = %pod.pod, workload = %pod.workload, category, %error, "not deleted");
                Answer::from(&error)
            })
        })
    }
}

fn never(message: String) -> Error {
    Error::Refused { kind: Refused::Invalid, message, source: None }
}

//! Writing to the Release itself: its status, and the finalizer.
//!
//! Every write carries the resourceVersion that the decision was taken on, so that nothing is ever decided on one
//! version and written over another.

use super::error::Error;
use crate::api::effect::Answer;
use crate::api::{FINALIZER, MANAGER, NsName, Release, ReleaseStatus};
use crate::target;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// Writes Releases.
#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    timeout: Duration,
}

/// What became of a status write that was answered.
pub(super) enum Stored {
    Yes(Box<Release>),
    /// The Release changed, or is gone: decide anew.
    Conflict,
}

impl Writer {
    /// `client` must not retry; `timeout` is that of one write.
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// Stores `status` if the Release is still the version that `release` is.
    pub(super) async fn status(&self, release: &Release, status: &ReleaseStatus) -> Result<Stored, Error> {
        let body = json!({
            "apiVersion": Release::api_version(&()),
            "kind": Release::kind(&()),
            "metadata": {
                "name": release.name_any(),
                "namespace": release.namespace(),
                "uid": release.uid(),
                "resourceVersion": release.resource_version(),
            },
            "status": status,
        });
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let api = self.api(release);
        let name = release.name_any();
        let request = api.replace_subresource("status", &name, &params, &body);
        let after = self.timeout;
        match timeout(after, request).await {
            Ok(Ok(stored)) => Ok(Stored::Yes(Box::new(stored))),
            Ok(Err(kube::Error::Api(s))) if s.is_conflict() || s.is_not_found() => Ok(Stored::Conflict),
            Ok(Err(error)) => Err(Error::Write(Box::new(error))),
            Err(_) => Err(Error::TimedOut { after }),
        }
    }

    /// Sets or removes our finalizer. The Release as it stands then, if that is known.
    pub(super) async fn finalizer(&self, release: &Release, present: bool) -> (Answer, Option<Release>) {
        let others = release.finalizers().iter().filter(|f| *f != FINALIZER).cloned();
        let wanted: Vec<String> = others.chain(present.then(|| FINALIZER.to_owned())).collect();
        let body = json!({"metadata": {
            "uid": release.uid(), "resourceVersion": release.resource_version(), "finalizers": wanted
        }});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let (api, name, patch) = (self.api(release), release.name_any(), Patch::Merge(&body));
        let after = self.timeout;
        let error = match timeout(after, api.patch(&name, &params, &patch)).await {
            Ok(Ok(stored)) => return (applied(&stored), Some(stored)),
            Ok(Err(error)) => target::Error::from(error),
            Err(_) => target::Error::TimedOut { after },
        };
        tracing::warn!(category = error.category(), %error, "the finalizer was not written");
        (Answer::from(&error), None)
    }

    fn api(&self, release: &Release) -> Api<Release> {
        Api::namespaced(self.client.clone(), &release.namespace().unwrap_or_default())
    }
}

/// Name and namespace of a Release.
pub(super) fn name(release: &Release) -> NsName {
    NsName::new(release.namespace().unwrap_or_default(), release.name_any())
}

fn applied(release: &Release) -> Answer {
    Answer::Applied {
        generation: release.metadata.generation.unwrap_or_default(),
        resource_version: release.resource_version().unwrap_or_default(),
    }
}

//! What a Job is made from: a CronJob's template, another Job's, or one that stands in the Release.

use super::error::{Error, within};
use crate::api::hook::JobRun;
use crate::api::spec::{JobSource, ObjectName};
use crate::api::text::{MESSAGE, tidy};
use crate::api::{NsName, Reason, annotation, consent};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// `metadata` and `spec` of a Job, and where they come from.
pub(super) struct Source {
    pub template: Value,
    pub from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    CronJob,
    Job,
    Inline,
}

pub(super) async fn read(client: &Client, call: Duration, run: &JobRun) -> Result<Source, Error> {
    let (template, from, annotations) = match &run.source {
        JobSource::FromCronJob(name) => {
            let found: CronJob = get(client, call, run, name).await?;
            let template = json!(found.spec.job_template);
            (template, From::CronJob, found.annotations().clone())
        }
        JobSource::FromJob(name) => {
            let found: Job = get(client, call, run, name).await?;
            if found.spec.as_ref().and_then(|s| s.suspend) != Some(true) {
                return Err(Error::unfit(&format!(
                    "Job {} is not suspended: set spec.suspend: true",
                    run_name(run, name)
                )));
            }
            let labels = found.labels();
            (json!({"metadata": {"labels": labels}, "spec": found.spec}), From::Job, found.annotations().clone())
        }
        JobSource::Template(template) => {
            let elsewhere = template["metadata"]["namespace"].as_str().filter(|n| *n != run.release.namespace);
            if let Some(namespace) = elsewhere {
                // Consent to write an image is no consent to run anything as anybody.
                let message = format!(
                    "its template names namespace {namespace:?}: what stands in the Release runs in its own namespace; keep a CronJob there"
                );
                return Err(Error::unfit(&message));
            }
            (template.clone(), From::Inline, BTreeMap::new())
        }
    };
    consented(client, call, run, &annotations).await?;
    Ok(Source { template, from })
}

async fn get<K>(client: &Client, call: Duration, run: &JobRun, name: &ObjectName) -> Result<K, Error>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    K::DynamicType: Default,
{
    let (namespace, kind) =
        (name.namespace_or(&run.release.namespace), K::kind(&K::DynamicType::default()).into_owned());
    let api = Api::<K>::namespaced(client.clone(), namespace);
    match within(call, api.get_opt(&name.name)).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            let message = format!("{kind} {} does not exist", run_name(run, name));
            Err(Error::Unfit { reason: Reason::HookNotFound, message })
        }
        Err(Error::Refused { message, .. }) => {
            Err(Error::Unfit { reason: Reason::PermissionDenied, message: tidy(&message, MESSAGE) })
        }
        Err(other) => Err(other),
    }
}

fn run_name(run: &JobRun, name: &ObjectName) -> NsName {
    NsName::new(name.namespace_or(&run.release.namespace), &name.name)
}

/// Another namespace must let the Release in: by the CronJob or Job, or as a whole.
async fn consented(
    client: &Client,
    call: Duration,
    run: &JobRun,
    on_it: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let namespace = &run.job.namespace;
    if *namespace == run.release.namespace || consent::given(&consent::entries(on_it), &run.release) {
        return Ok(());
    }
    let found = within(call, Api::<Namespace>::all(client.clone()).get_opt(namespace)).await;
    let on_all = match found {
        Ok(found) => found.map(|n| consent::entries(n.annotations())).unwrap_or_default(),
        Err(Error::Refused { .. }) => vec![],
        Err(other) => return Err(other),
    };
    if consent::given(&on_all, &run.release) {
        return Ok(());
    }
    let what = match &run.source {
        JobSource::FromCronJob(name) => format!("CronJob {namespace}/{}, or its Namespace,", name.name),
        JobSource::FromJob(name) => format!("Job {namespace}/{}, or its Namespace,", name.name),
        JobSource::Template(_) => format!("Namespace {namespace}"),
    };
    let message = format!("{what} must be annotated {}: {}", annotation::ALLOW_FROM, run.release);
    Err(Error::Unfit { reason: Reason::ConsentMissing, message })
}

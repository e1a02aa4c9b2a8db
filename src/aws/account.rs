//! One account and region: each method is one call, within its limit and its time.

use super::definition::{self, Copied, Definition};
use super::describe::Rounds;
use super::error::Error;
use super::limits::Limits;
use crate::api::status::{ContainerImage, EcsService};
use crate::api::view::TASKS;
use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::error::BoxError;
use aws_sdk_ecs::types::{
    DesiredStatus, Service, ServiceDeploymentBrief, ServiceRevision, SortOrder, StopServiceDeploymentStopType, Task,
    TaskDefinitionField,
};
use aws_smithy_types::body::SdkBody;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Task definitions that are remembered: they never change, but for being taken out of use.
const REMEMBERED: usize = 1000;
/// Stopped tasks that are remembered: they never change.
const STOPPED: usize = 5000;
/// A revision still without digests so long after its deployment ended gets none any more.
const DIGESTED: Duration = Duration::from_secs(60);
/// So long a revision without digests is not read again.
const UNDIGESTED: Duration = Duration::from_secs(30);
/// Service deployments that are looked at.
const DEPLOYMENTS: i32 = 20;

#[derive(Debug)]
pub struct Account {
    pub(super) reading: Client,
    /// Never repeats a call.
    pub(super) writing: Client,
    pub(super) balancers: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) registry: aws_sdk_ecr::Client,
    #[cfg(feature = "cloudwatch")]
    pub(super) alarms: aws_sdk_cloudwatch::Client,
    pub(super) limits: Arc<Limits>,
    pub(super) services: Rounds,
    definitions: Mutex<HashMap<String, Arc<Definition>>>,
    revisions: Mutex<HashMap<String, KnownRevision>>,
    /// Without what was overridden for them: that may be secret.
    stopped: Mutex<HashMap<String, Task>>,
}

impl Account {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let once = aws_sdk_ecs::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self {
            reading: Client::new(config),
            writing: Client::from_conf(once),
            balancers: aws_sdk_elasticloadbalancingv2::Client::new(config),
            registry: aws_sdk_ecr::Client::new(config),
            #[cfg(feature = "cloudwatch")]
            alarms: aws_sdk_cloudwatch::Client::new(config),
            limits: Arc::default(),
            services: Rounds::default(),
            definitions: Mutex::default(),
            revisions: Mutex::default(),
            stopped: Mutex::default(),
        }
    }

    /// The newest service deployments, in no order.
    pub async fn deployments(&self, of: &EcsService) -> Result<Vec<ServiceDeploymentBrief>, Error> {
        self.limits.deployments.until_ready().await;
        let call = self.reading.list_service_deployments().cluster(&of.cluster).service(&of.service);
        let answer = call.max_results(DEPLOYMENTS).send().await;
        let answer = answer.map_err(|e| Error::of("ecs:ListServiceDeployments", &e))?;
        Ok(answer.service_deployments.unwrap_or_default())
    }

    /// Those of the service revisions that ECS still knows. `ended`: when the deployment ended, in seconds since 1970.
    pub async fn revisions(&self, arns: &[String], ended: Option<i64>) -> Result<Vec<ServiceRevision>, Error> {
        let mut found: Vec<ServiceRevision> = {
            let all = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
            let known = arns.iter().filter_map(|arn| all.get(arn));
            known.filter(|k| k.serves(ended)).map(|k| k.revision.clone()).collect()
        };
        let known = |arn: &&String| found.iter().any(|r| r.service_revision_arn() == Some(arn.as_str()));
        let missing: Vec<String> = arns.iter().filter(|arn| !known(arn)).cloned().collect();
        if missing.is_empty() {
            return Ok(found);
        }
        self.limits.revisions.until_ready().await;
        let call = self.reading.describe_service_revisions().set_service_revision_arns(Some(missing));
        let answer = call.send().await.map_err(|e| Error::of("ecs:DescribeServiceRevisions", &e))?;
        let read = answer.service_revisions.unwrap_or_default();
        let kept =
            read.iter().filter_map(|r| Some((r.service_revision_arn()?.to_owned(), KnownRevision::new(r, ended))));
        remember(&self.revisions, REMEMBERED, kept);
        found.extend(read);
        Ok(found)
    }

    /// Tasks of the service that stopped within the last hour or so.
    pub async fn stopped_tasks(&self, of: &EcsService) -> Result<Vec<Task>, Error> {
        self.limits.tasks.until_ready().await;
        let call = self.reading.list_tasks().cluster(&of.cluster).service_name(&of.service);
        let listed = call.desired_status(DesiredStatus::Stopped).max_results(TASKS.into()).send().await;
        let mut arns = listed.map_err(|e| Error::of("ecs:ListTasks", &e))?.task_arns.unwrap_or_default();
        let mut found = Vec::new();
        {
            let known = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            arns.retain(|arn| known.get(arn).map(|task| found.push(task.clone())).is_none());
        }
        let mut read = self.tasks(of, arns).await?;
        read.iter_mut().for_each(|task| task.overrides = None);
        // One that is only meant to stop has not told everything yet.
        let over = read.iter().filter(|t| t.last_status() == Some("STOPPED"));
        remember(&self.stopped, STOPPED, over.filter_map(|t| Some((t.task_arn()?.to_owned(), t.clone()))));
        found.extend(read);
        Ok(found)
    }

    /// Tasks that the deployment with this number started and that are to run, at most 100.
    pub async fn tasks_of(&self, of: &EcsService, number: &str) -> Result<Vec<Task>, Error> {
        self.limits.tasks.until_ready().await;
        // AWS takes no other filter beside this one.
        let call = self.reading.list_tasks().cluster(&of.cluster).started_by(format!("ecs-svc/{number}"));
        let listed = call.max_results(TASKS.into()).send().await;
        let arns = listed.map_err(|e| Error::of("ecs:ListTasks", &e))?.task_arns.unwrap_or_default();
        self.tasks(of, arns).await
    }

    async fn tasks(&self, of: &EcsService, arns: Vec<String>) -> Result<Vec<Task>, Error> {
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        self.limits.tasks.until_ready().await;
        let described = self.reading.describe_tasks().cluster(&of.cluster).set_tasks(Some(arns)).send().await;
        Ok(described.map_err(|e| Error::of("ecs:DescribeTasks", &e))?.tasks.unwrap_or_default())
    }

    /// A task definition by its ARN, as it was when it was first read: whether it is in use may have changed.
    pub async fn definition(&self, arn: &str) -> Result<Arc<Definition>, Error> {
        let known = self.definitions.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned();
        match known {
            Some(known) => Ok(known),
            None => self.definition_now(arn).await,
        }
    }

    /// A task definition as it is now.
    pub async fn definition_now(&self, arn: &str) -> Result<Arc<Definition>, Error> {
        let answer = self.describe_definition(arn).await?;
        let found = Arc::new(
            Definition::read(&answer).ok_or_else(|| Error::Malformed("ecs:DescribeTaskDefinition".to_owned()))?,
        );
        remember(&self.definitions, REMEMBERED, [(arn.to_owned(), found.clone())]);
        Ok(found)
    }

    /// The registration of a copy of `arn` with other images.
    pub async fn copy(&self, arn: &str, images: &[ContainerImage], tags: &[(&str, String)]) -> Result<Copied, Error> {
        let answer = self.describe_definition(arn).await?;
        definition::copy(&answer, images, tags).ok_or_else(|| Error::Malformed("ecs:DescribeTaskDefinition".to_owned()))
    }

    /// ARNs of the newest revisions of a family, newest first.
    pub async fn newest_of(&self, family: &str, most: i32) -> Result<Vec<String>, Error> {
        self.limits.definitions.until_ready().await;
        let call = self.reading.list_task_definitions().family_prefix(family).sort(SortOrder::Desc).max_results(most);
        let answer = call.send().await.map_err(|e| Error::of("ecs:ListTaskDefinitions", &e))?;
        Ok(answer.task_definition_arns.unwrap_or_default())
    }

    /// The ARN of what was registered.
    pub async fn register(&self, copied: Copied) -> Result<String, Error> {
        self.limits.registrations.until_ready().await;
        let Copied { family, body, hidden } = copied;
        // The typed fields are needed for the call to be made at all; what is sent is the body.
        let call = self.writing.register_task_definition().family(family).set_container_definitions(Some(vec![]));
        let sent = call.customize().mutate_request(move |request| {
            let length = body.len().to_string();
            *request.body_mut() = SdkBody::from(body.clone());
            request.headers_mut().insert("content-length", length);
        });
        let answer = sent.send().await.map_err(|e| Error::hiding("ecs:RegisterTaskDefinition", &e, &hidden))?;
        let arn = answer.task_definition.and_then(|d| d.task_definition_arn);
        arn.ok_or_else(|| Error::Malformed("ecs:RegisterTaskDefinition".to_owned()))
    }

    /// Brings a task definition; nothing else of the service is named.
    pub async fn update(&self, of: &EcsService, definition: &str) -> Result<Service, Error> {
        self.limits.updates.until_ready().await;
        let call = self.writing.update_service().cluster(&of.cluster).service(&of.service).task_definition(definition);
        let answer = call.send().await.map_err(|e| Error::of("ecs:UpdateService", &e))?;
        answer.service.ok_or_else(|| Error::Malformed("ecs:UpdateService".to_owned()))
    }

    /// Ends a service deployment; ECS goes back to what ran before.
    pub async fn stop(&self, deployment: &str) -> Result<(), Error> {
        self.limits.updates.until_ready().await;
        let call = self.writing.stop_service_deployment().service_deployment_arn(deployment);
        let answer = call.stop_type(StopServiceDeploymentStopType::Rollback).send().await;
        answer.map(drop).map_err(|e| Error::of("ecs:StopServiceDeployment", &e))
    }

    async fn describe_definition(&self, arn: &str) -> Result<Vec<u8>, Error> {
        self.limits.definitions.until_ready().await;
        let capture = Capture::default();
        let call = self.reading.describe_task_definition().task_definition(arn).include(TaskDefinitionField::Tags);
        let answer = call.customize().interceptor(capture.clone()).send().await;
        answer.map_err(|e| match Error::of("ecs:DescribeTaskDefinition", &e) {
            // What nothing uses any more cannot be described.
            Error::Invalid(message) => Error::Gone(message),
            other => other,
        })?;
        let body = std::mem::take(&mut *capture.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(body)
    }
}

/// Keeps at most `most`, forgetting all when they are too many.
fn remember<T>(all: &Mutex<HashMap<String, T>>, most: usize, new: impl IntoIterator<Item = (String, T)>) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= most {
        all.clear();
    }
    all.extend(new);
}

/// A revision as it was read; nothing of it changes but that its first task brings its digests.
#[derive(Debug)]
struct KnownRevision {
    revision: ServiceRevision,
    read: Instant,
    last: bool,
}

impl KnownRevision {
    fn new(revision: &ServiceRevision, ended: Option<i64>) -> Self {
        let images = revision.container_images();
        let digested = !images.is_empty() && images.iter().all(|i| i.image_digest().is_some());
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let last = digested || ended.is_some_and(|at| at.saturating_add_unsigned(DIGESTED.as_secs()) < now);
        Self { revision: revision.clone(), read: Instant::now(), last }
    }

    /// While its deployment is under way, one without digests serves for a while.
    fn serves(&self, ended: Option<i64>) -> bool {
        self.last || (ended.is_none() && self.read.elapsed() < UNDIGESTED)
    }
}

/// Takes the body of an answer as it came.
#[derive(Debug, Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "capture"
    }
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::ContainerImage as Pinned;

    #[test]
    fn a_revision_is_read_again_until_it_has_its_digests() {
        let revision = |digest: Option<&str>| {
            let image = Pinned::builder().container_name("app").set_image_digest(digest.map(str::to_owned)).build();
            ServiceRevision::builder().container_images(image).build()
        };
        let known = |digest, ended| KnownRevision::new(&revision(digest), ended);
        assert!(known(Some("sha256:1"), None).serves(Some(0)));
        let without = known(None, None);
        assert!(without.serves(None) && !without.serves(Some(0)), "it serves until its deployment has ended");
        let late = Instant::now().checked_sub(UNDIGESTED).unwrap();
        assert!(!KnownRevision { read: late, ..known(None, None) }.serves(None));
        assert!(!known(None, Some(i64::MAX)).serves(Some(i64::MAX)), "it has only just ended");
        assert!(known(None, Some(0)).serves(Some(0)), "it gets none any more");
    }
}

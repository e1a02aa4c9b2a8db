//! Hooks, as Jobs or as ECS tasks: whether one could be run, running it, following it, stopping it; and smoke tests that are Jobs.
//!
//! Each call about a hook asks once, on a deadline of its own. Nothing here retries, remembers a template, or decides what an answer
//! means. What a Job is made from is read again right before it is created, so that no environment of a tenant ever
//! stands in a decision or a status.

mod body;
mod error;
mod look;
mod output;
mod source;
mod task;
mod test;

use crate::api::MANAGER;
use crate::api::effect::Answer;
use crate::api::hook::{HookLook, HookRun, HookStop, HookView, JobRun};
use crate::api::{HookId, Reason};
use crate::aws::Aws;
use error::{Error, within};
use futures::stream::{self, StreamExt};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Hooks looked at at once for one Release.
const AT_ONCE: usize = 4;

/// Runs hooks on this cluster and on ECS.
pub struct Hooks {
    client: Client,
    aws: Arc<Aws>,
    timeout: Duration,
    /// Who we are, asked once.
    account: OnceCell<String>,
}

impl Hooks {
    /// `client` must not retry; `timeout` is that of one request to the API server, and of all requests to AWS for one answer.
    pub fn new(client: Client, aws: Arc<Aws>, timeout: Duration) -> Self {
        Self { client, aws, timeout, account: OnceCell::new() }
    }

    /// Each of `looks` as it is now. Of those on ECS only such whose role the Release may use may be among them.
    pub async fn look(&self, looks: &[(HookId, HookLook)]) -> BTreeMap<HookId, HookView> {
        let views = looks.iter().cloned().map(|(id, look)| async move {
            let view = match &look {
                HookLook::Fit(HookRun::Job(run)) => self.fit(run).await,
                HookLook::Found(HookRun::Job(run)) => look::found(&self.client, self.timeout, &run.job).await,
                HookLook::Fit(HookRun::Task(run)) => task::fit(&self.aws, self.timeout, run).await,
                HookLook::Found(HookRun::Task(run)) => task::found(&self.aws, self.timeout, run).await,
            };
            (id, view)
        });
        stream::iter(views).buffer_unordered(AT_ONCE).collect().await
    }

    /// Creates it, once.
    pub async fn run(&self, run: &HookRun) -> Answer {
        let run = match run {
            HookRun::Job(run) => run,
            HookRun::Task(run) => return task::run(&self.aws, self.timeout, run).await,
        };
        let answer = self.create(run).await;
        answer.unwrap_or_else(|error| {
            tracing::warn!(job = %run.job, effect = %run.effect, category = error.category(), %error, "not created");
            Answer::from(&error)
        })
    }

    /// Gives it no more time. It stays, and says how it ended.
    pub async fn stop(&self, stop: &HookStop) -> Answer {
        let (job, uid) = match stop {
            HookStop::Job { job, uid } => (job, uid),
            HookStop::Task { service, arn } => return task::stop(&self.aws, self.timeout, service, arn).await,
        };
        let api = Api::<Job>::namespaced(self.client.clone(), &job.namespace);
        let patch = json!({"metadata": {"uid": uid}, "spec": {"activeDeadlineSeconds": 1}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(&patch);
        match within(self.timeout, api.patch_metadata(&job.name, &params, &patch)).await {
            Ok(job) => Answer::Applied {
                generation: job.metadata.generation.unwrap_or_default(),
                resource_version: job.metadata.resource_version.unwrap_or_default(),
            },
            Err(error) => {
                tracing::warn!(%job, category = error.category(), %error, "not stopped");
                Answer::from(&error)
            }
        }
    }

    async fn create(&self, run: &JobRun) -> Result<Answer, Error> {
        let body = self.prepare(run).await?;
        let created = self.post(run, &body, false).await?;
        Ok(Answer::Created { uid: created.uid().unwrap_or_default() })
    }

    /// Asks the API server whether it would create it.
    async fn fit(&self, run: &JobRun) -> HookView {
        let asked = async { self.post(run, &self.prepare(run).await?, true).await };
        match asked.await {
            Ok(_) => HookView::Fit,
            Err(Error::Unfit { reason, message }) => HookView::Unfit { reason, message },
            Err(Error::Refused { message, .. }) => HookView::Unfit { reason: Reason::HookRefused, message },
            Err(other) => HookView::Unreachable(other.to_string()),
        }
    }

    async fn post(&self, run: &JobRun, body: &Value, dry_run: bool) -> Result<Job, Error> {
        let params = PostParams { dry_run, field_manager: Some(MANAGER.to_owned()) };
        let job = serde_json::from_value(body.clone())
            .map_err(|e| Error::unfit(&format!("its template is not one of a Job: {e}")))?;
        let api = Api::<Job>::namespaced(self.client.clone(), &run.job.namespace);
        within(self.timeout, api.create(&params, &job)).await
    }

    /// The Job as it is to be created.
    async fn prepare(&self, run: &JobRun) -> Result<Value, Error> {
        let source = source::read(&self.client, self.timeout, run).await?;
        let body = body::of(run, &source)?;
        let account = body["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        let user = format!("system:serviceaccount:{}:{account}", run.job.namespace);
        if self.account().await? == user {
            let message =
                format!("it would run as ServiceAccount {}/{account}, which is Tidegate's own", run.job.namespace);
            return Err(Error::unfit(&message));
        }
        Ok(body)
    }

    async fn account(&self) -> Result<&str, Error> {
        let ask = || async {
            let api = Api::<SelfSubjectReview>::all(self.client.clone());
            let who = within(self.timeout, api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
            Ok(who.status.and_then(|s| s.user_info).and_then(|u| u.username).unwrap_or_default())
        };
        self.account.get_or_try_init(ask).await.map(String::as_str)
    }
}

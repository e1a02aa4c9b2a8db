//! Writes to ECS services: a copy of a task definition with other images, and the update that brings it.
//!
//! ECS has no precondition on a write. So the service is read again right before it, and compared with what the decision
//! was taken on: a change by somebody else within the second between the two is not seen.

use super::Target;
use crate::api::effect::{Answer, EcsWrite, Refused, TargetWrite};
use crate::api::status::EcsService;
use crate::aws::{Account, Aws, Error, service, tag};
use aws_sdk_ecs::types::Service;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Writes to ECS services.
#[derive(Clone)]
pub struct EcsWriter {
    aws: Arc<Aws>,
    timeout: Duration,
}

/// Longest value of a tag.
const TAG: usize = 256;

impl EcsWriter {
    /// `timeout` is that of one write with all its calls.
    pub fn new(aws: Arc<Aws>, timeout: Duration) -> Self {
        Self { aws, timeout }
    }

    async fn carry_out(&self, of: &EcsService, write: &TargetWrite) -> Result<Answer, Error> {
        let account = self.aws.account(of).await;
        let mut found = unchanged(&account, of, write).await?;
        if let Some(EcsWrite::Stop(deployment)) = &write.ecs {
            account.stop(deployment).await?;
            return Ok(Answer::Stopping { deployment: deployment.clone() });
        }
        let runs = service::running(&found).1.to_owned();
        let definition = match usable(&account, write).await.map_err(Error::before)? {
            Some(arn) => arn,
            None => {
                let arn = account.registered(&runs, &write.images, &tags(write)).await.map_err(Error::before)?;
                // That took its time, and AWS grants few of these calls.
                found = unchanged(&account, of, write).await?;
                arn
            }
        };
        // Who was ended before the answer came has made it already, and ECS may even have taken it back. A definition of
        // an earlier deployment tells that only where it was asked for before.
        let first = matches!(write.ecs, Some(EcsWrite::TaskDefinition { again: false, .. }));
        if let Some(id) = service::brought(&found, &definition).filter(|_| !first).map(str::to_owned) {
            return Ok(Answer::Applied { generation: id.parse().unwrap_or_default(), resource_version: id });
        }
        let updated = account.update(of, &definition).await?;
        let id = service::bringing(&updated, &definition).map(str::to_owned);
        // Failed and forgotten already, perhaps: the service deployments tell.
        let id = id.ok_or_else(|| Error::Unanswered(format!("ECS took the update of {of}, and does not show it")))?;
        Ok(Answer::Applied { generation: id.parse().unwrap_or_default(), resource_version: id })
    }
}

impl Target for EcsWriter {
    fn write<'a>(&'a self, write: &'a TargetWrite) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let Some(service) = write.workload.ecs() else {
                let message = format!("{} is no ECS service", write.workload);
                return Answer::Refused { kind: Refused::Invalid, message };
            };
            let after = self.timeout;
            let error = match tokio::time::timeout(after, self.carry_out(service, write)).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(error)) => error,
                Err(_) => Error::Unanswered(format!("AWS did not answer within {} s", after.as_secs_f64())),
            };
            let category = error.category();
            tracing::warn!(workload = %write.workload, effect = %write.stamp.effect, category, %error, "not written");
            Answer::from(error)
        })
    }
}

/// The service, if it still is what the decision was taken on.
async fn unchanged(account: &Account, of: &EcsService, write: &TargetWrite) -> Result<Service, Error> {
    let found = account.service_now(of).await.map_err(Error::before)?.filter(|s| service::identity(s) == write.uid);
    let found = found.ok_or_else(|| Error::Gone(format!("{of} is gone, or another service of its name")))?;
    if service::version(&found) != write.resource_version {
        return Err(Error::Conflict(format!("{of} changed since it was looked at")));
    }
    Ok(found)
}

/// The task definition that the decision names, if it can still be brought: one that is INACTIVE, or gone, is refused by
/// ECS.
async fn usable(account: &Account, write: &TargetWrite) -> Result<Option<String>, Error> {
    let Some(EcsWrite::TaskDefinition { arn, .. }) = &write.ecs else { return Ok(None) };
    match account.definition_now(arn).await {
        Ok(definition) => Ok(definition.active.then(|| arn.clone())),
        Err(Error::Gone(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The stamp, as far as tags can carry it. What is too long for a tag is left out, and the stamp then counts as none.
fn tags(write: &TargetWrite) -> Vec<(&'static str, String)> {
    let stamp = &write.stamp;
    let containers: Vec<&str> = write.images.iter().map(|i| i.container.as_str()).collect();
    let mut tags = vec![
        (tag::EFFECT, stamp.effect.to_string()),
        (tag::RELEASE, stamp.release.to_string()),
        (tag::CONTAINERS, containers.join(" ")),
        (tag::VERIFIED, stamp.verified.to_string()),
    ];
    if stamp.irreversible {
        tags.push((tag::IRREVERSIBLE, true.to_string()));
    }
    tags.extend(stamp.task_definition.clone().map(|arn| (tag::WAY_BACK, arn)));
    tags.retain(|(_, value)| value.len() <= TAG);
    tags
}

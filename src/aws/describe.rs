//! Reading services: up to ten of a cluster in one call.

use super::account::Account;
use super::batch::Batches;
use super::error::Error;
use super::limits::Limits;
use crate::api::status::EcsService;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{Service, ServiceField};
use std::sync::Arc;
use std::time::Duration;

/// What one call said of each service that was asked for.
pub(super) type Rounds = Batches<Arc<Vec<(String, Found)>>>;
type Found = Result<Option<Service>, Error>;

impl Account {
    /// `None`: there is none. Waits up to `window` for others of its cluster, to ask for them in the same call.
    pub async fn service(&self, of: &EcsService, window: Duration) -> Found {
        let (client, cluster, limits) = (self.reading.clone(), of.cluster.clone(), self.limits.clone());
        let allowed = {
            let limits = limits.clone();
            async move { limits.services.until_ready().await }
        };
        let call = async move |names: Vec<String>| Arc::new(all(&client, &limits, &cluster, names).await);
        let told = self.services.ask((&of.cluster, &of.service), window, allowed, call).await;
        told.iter().find(|(name, _)| *name == of.service).map_or(Ok(None), |(_, found)| found.clone())
    }

    /// The same, at once and alone.
    pub async fn service_now(&self, of: &EcsService) -> Found {
        self.limits.services.until_ready().await;
        one(&self.reading, &of.cluster, &of.service).await
    }
}

async fn all(client: &Client, limits: &Limits, cluster: &str, names: Vec<String>) -> Vec<(String, Found)> {
    let found = describe(client, cluster, names.clone()).await;
    let mut told = Vec::new();
    for name in names.iter() {
        let found = match &found {
            Ok(all) => Ok(all.iter().find(|s| is_named(s, name)).cloned()),
            // One that may not be read must not hide the others.
            Err(Error::Denied(_) | Error::Invalid(_)) if names.len() > 1 => {
                limits.services.until_ready().await;
                one(client, cluster, name).await
            }
            Err(Error::Gone(_)) => Ok(None),
            Err(other) => Err(other.clone()),
        };
        told.push((name.clone(), found));
    }
    told
}

async fn one(client: &Client, cluster: &str, name: &str) -> Found {
    match describe(client, cluster, vec![name.to_owned()]).await {
        Ok(all) => Ok(all.into_iter().next()),
        Err(Error::Gone(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn describe(client: &Client, cluster: &str, names: Vec<String>) -> Result<Vec<Service>, Error> {
    let call = client.describe_services().cluster(cluster).set_services(Some(names)).include(ServiceField::Tags);
    let answer = call.send().await.map_err(|e| Error::of("ecs:DescribeServices", &e))?;
    Ok(answer.services.unwrap_or_default())
}

/// By its name or its ARN.
fn is_named(service: &Service, name: &str) -> bool {
    service.service_name() == Some(name) || service.service_arn() == Some(name)
}

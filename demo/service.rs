//! What runs on ECS, asked for with the AWS SDK, as `aws ecs describe-services` would.

use crate::ecs::{ACCOUNT, CLUSTER, Ecs, REGION, SERVICE};
use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Credentials;
use futures::stream::{BoxStream, StreamExt, unfold};
use std::time::Duration;
use tidegate::api::Image;
use tokio::time::sleep;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(crate) struct Service {
    client: Client,
}

/// What the service is told to run, and whether that is all that runs.
#[derive(PartialEq)]
pub(crate) struct Told {
    pub(crate) image: Image,
    pub(crate) complete: bool,
}

impl Service {
    pub(crate) async fn new(ecs: &Ecs) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCOUNT, "simulated", None, None, "demo"))
            .load()
            .await;
        // For ECS itself, which stands above whatever the environment says.
        let config = aws_sdk_ecs::config::Builder::from(&config).endpoint_url(&ecs.endpoint).build();
        Self { client: Client::from_conf(config) }
    }

    /// `prod/payments`.
    pub(crate) fn name() -> String {
        format!("{CLUSTER}/{SERVICE}")
    }

    pub(crate) async fn told(&self) -> Result<Told> {
        let services = self.client.describe_services().cluster(CLUSTER).services(SERVICE).send().await?;
        let service = services.services().first().context("the service is gone")?;
        let named = service.task_definition().context("a service without a task definition")?;
        let described = self.client.describe_task_definition().task_definition(named).send().await?;
        let containers = described.task_definition().map(|t| t.container_definitions()).unwrap_or_default();
        let image = containers.first().and_then(|c| c.image()).context("a task definition without an image")?;
        let only = service.deployments().len() == 1;
        let complete = only && service.running_count() == service.desired_count() && service.pending_count() == 0;
        Ok(Told { image: Image::new(image), complete })
    }

    /// What it is told to run, again and again. A failed look is left out: each act has its deadline.
    pub(crate) fn watch(self) -> BoxStream<'static, Told> {
        let looks = unfold(self, |service| async move {
            sleep(PAUSE).await;
            let told = service.told().await.ok();
            Some((told, service))
        });
        looks.filter_map(async |told| told).boxed()
    }
}

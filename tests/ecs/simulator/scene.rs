//! One account with one service on a simulator of its own, and a client.

use crate::sim::{Account, Handle, NewService, Sim};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Credentials;
use aws_sdk_ecs::types::{Deployment, Service, ServiceDeployment};
use std::time::Duration;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";
pub const GOOD: &str = "registry.example/app:sha-1";
pub const NEXT: &str = "registry.example/app:sha-2";

pub struct Scene {
    pub sim: Sim,
    pub account: Account,
    pub service: Handle,
    pub client: Client,
}

/// A service with two tasks and a circuit breaker that rolls back. Time stands still.
pub async fn scene() -> Scene {
    scene_with(|service| service.breaker(true)).await
}

pub async fn scene_with(change: impl FnOnce(NewService) -> NewService) -> Scene {
    scene_on(Sim::start().await, change).await
}

pub async fn scene_on(sim: Sim, change: impl FnOnce(NewService) -> NewService) -> Scene {
    sim.clock().run_at(0.0);
    let account = sim.account(ACCOUNT, REGION);
    account.register(&task_definition(GOOD));
    let service = change(account.service("prod", "app", "app:1")).create();
    let client = Client::new(&config(&sim, ACCOUNT).await);
    Scene { sim, account, service, client }
}

/// A client's settings, as this account.
pub async fn config(sim: &Sim, account: &str) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build();
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(sim.endpoint())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(account, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .load()
        .await
}

pub fn task_definition(image: &str) -> String {
    format!(
        r#"{{"family":"app","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512",
"volumes":[],"placementConstraints":[],"containerDefinitions":[{{"name":"app","image":"{image}","essential":true,
"environment":[{{"name":"EMPTY","value":""}},{{"name":"CANARY","value":"c4n4ry"}}],"portMappings":[],"mountPoints":[],
"volumesFrom":[]}}],"tags":[{{"key":"team","value":"platform"}}]}}"#
    )
}

impl Scene {
    /// Registers a revision with this image and updates the service to it. The deployment's number.
    pub async fn deploy(&self, image: &str) -> String {
        let arn = self.account.register(&task_definition(image));
        self.update(&arn).await
    }

    pub async fn update(&self, arn: &str) -> String {
        let call = self.client.update_service().cluster("prod").service("app").task_definition(arn);
        let service = call.send().await.unwrap().service.unwrap();
        let id = primary(&service).id().unwrap();
        id.strip_prefix("ecs-svc/").unwrap().to_owned()
    }

    pub async fn described(&self) -> Service {
        let call = self.client.describe_services().cluster("prod").services("app");
        call.send().await.unwrap().services.unwrap().remove(0)
    }

    pub async fn primary(&self) -> Deployment {
        primary(&self.described().await).clone()
    }

    /// The service deployment whose target is the revision with this number.
    pub async fn rollout(&self, number: &str) -> ServiceDeployment {
        let listed = self.client.list_service_deployments().cluster("prod").service("app").send().await.unwrap();
        let brief = listed.service_deployments().iter().find(|d| {
            let target = d.target_service_revision_arn().unwrap();
            target.rsplit('/').next() == Some(number)
        });
        let arn = brief.unwrap().service_deployment_arn().unwrap();
        let call = self.client.describe_service_deployments().service_deployment_arns(arn);
        call.send().await.unwrap().service_deployments.unwrap().remove(0)
    }

    /// Stopped tasks of this deployment: stop code, reason, exit code of the first container.
    pub async fn stopped(&self, number: &str) -> Vec<(String, String, Option<i32>)> {
        let list = self.client.list_tasks().cluster("prod").service_name("app");
        let arns = list.desired_status("STOPPED".into()).send().await.unwrap().task_arns.unwrap();
        if arns.is_empty() {
            return Vec::new();
        }
        let tasks = self.client.describe_tasks().cluster("prod").set_tasks(Some(arns)).send().await.unwrap();
        let ours = tasks.tasks().iter().filter(|t| t.started_by() == Some(&format!("ecs-svc/{number}")));
        ours.map(|t| {
            let code = t.stop_code().unwrap().as_str().to_owned();
            (code, t.stopped_reason().unwrap().to_owned(), t.containers()[0].exit_code())
        })
        .collect()
    }

    pub fn pass(&self, millis: u64) {
        self.sim.advance(Duration::from_millis(millis));
    }
}

/// The deployment that the service is to run. It need not be the first of the list.
fn primary(service: &Service) -> &Deployment {
    service.deployments().iter().find(|d| d.status() == Some("PRIMARY")).unwrap()
}

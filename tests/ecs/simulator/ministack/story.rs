//! One service, one deployment, and what is seen of it until it has ended: through the SDK only.

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, Deployment, DeploymentCircuitBreaker,
    DeploymentConfiguration, DeploymentRolloutState, NetworkConfiguration, NetworkMode,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const REGION: &str = "eu-west-1";
pub const CLUSTER: &str = "prod";

/// What was told of a deployment from its beginning to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub ours_completed: bool,
    pub ours_failed: bool,
    /// The old deployment became PRIMARY again, under its old id, and completed; the service names its task definition.
    pub old_again: bool,
    /// How our tasks stopped, where they did before we had landed.
    pub stopped: Option<&'static str>,
    pub exit: Option<i32>,
}

pub struct Stage {
    pub name: String,
    config: SdkConfig,
    client: Client,
}

pub fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/tidegate")
}

impl Stage {
    /// A service's name that nobody else has, and a client as this account.
    pub async fn new(endpoint: &str, account: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(account, "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        let name = format!("app{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { name, client: Client::new(&config), config }
    }

    /// The same, as a role of that account.
    pub async fn assume(self, account: &str) -> Self {
        let provider = aws_config::sts::AssumeRoleProvider::builder(role(account)).session_name("second-opinion");
        let provider = SharedCredentialsProvider::new(provider.configure(&self.config).build().await);
        let config = self.config.into_builder().credentials_provider(provider).build();
        Self { client: Client::new(&config), config, name: self.name }
    }

    /// Means the same service as that one.
    pub fn named(self, other: &Self) -> Self {
        Self { name: other.name.clone(), ..self }
    }

    pub fn image(&self, tag: &str) -> String {
        format!("registry.example/{}:sha-{tag}", self.name)
    }

    /// As the text of a request.
    pub fn definition(&self, tag: &str) -> String {
        let (family, image) = (&self.name, self.image(tag));
        format!(
            r#"{{"family":"{family}","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"256",
"memory":"512","containerDefinitions":[{{"name":"app","image":"{image}","essential":true}}]}}"#
        )
    }

    /// A cluster, a task definition and a service with a circuit breaker; returns once it is steady.
    pub async fn create(&self) {
        self.client.create_cluster().cluster_name(CLUSTER).send().await.unwrap();
        let arn = self.register("first").await;
        let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
        let vpc = AwsVpcConfiguration::builder().subnets("subnet-1").build().unwrap();
        let create = self.client.create_service().cluster(CLUSTER).service_name(&self.name).task_definition(arn);
        let create = create.desired_count(2).launch_type("FARGATE".into());
        let create = create
            .deployment_configuration(DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build());
        let network = NetworkConfiguration::builder().awsvpc_configuration(vpc).build();
        create.network_configuration(network).send().await.unwrap();
        self.until("steady", |deployments| deployments.len() == 1 && deployments[0].running_count() == 2).await;
    }

    /// The image that the service is to run.
    pub async fn runs(&self) -> String {
        let deployments = self.deployments().await;
        let call =
            self.client.describe_task_definition().task_definition(primary(&deployments).task_definition().unwrap());
        let definition = call.send().await.unwrap().task_definition.unwrap();
        definition.container_definitions()[0].image().unwrap().to_owned()
    }

    pub async fn exists(&self) -> bool {
        let call = self.client.describe_services().cluster(CLUSTER).services(&self.name);
        call.send().await.is_ok_and(|answer| !answer.services().is_empty())
    }

    /// Deploys the image with this tag and watches until it has landed or the old one is back.
    pub async fn deploy(&self, tag: &str) -> Told {
        let old = primary(&self.deployments().await).clone();
        let arn = self.register(tag).await;
        let update = self.client.update_service().cluster(CLUSTER).service(&self.name).task_definition(&arn);
        let service = update.send().await.unwrap().service.unwrap();
        // By its task definition: what fails at once may be rolled back before the answer comes.
        let ours = service.deployments().iter().find(|d| d.task_definition() == Some(arn.as_str()));
        let ours = ours.unwrap().id().unwrap().to_owned();
        assert_ne!(ours, old.id().unwrap());
        let mut told = Told::default();
        self.until("landed or back", |deployments| {
            let state = |id: &str| deployments.iter().find(|d| d.id() == Some(id))?.rollout_state().cloned();
            told.ours_completed |= state(&ours) == Some(DeploymentRolloutState::Completed);
            told.ours_failed |= state(&ours) == Some(DeploymentRolloutState::Failed);
            let first = primary(deployments);
            told.old_again =
                first.id() == old.id() && first.rollout_state() == Some(&DeploymentRolloutState::Completed);
            told.ours_completed || told.old_again
        })
        .await;
        let call = self.client.describe_services().cluster(CLUSTER).services(&self.name);
        let service = call.send().await.unwrap().services.unwrap().remove(0);
        let expected = if told.old_again { old.task_definition() } else { Some(arn.as_str()) };
        assert_eq!(service.task_definition(), expected);
        (told.stopped, told.exit) = self.stopped(&arn).await;
        told
    }

    async fn register(&self, tag: &str) -> String {
        let container = ContainerDefinition::builder().name("app").image(self.image(tag)).essential(true).build();
        let call = self.client.register_task_definition().family(&self.name).container_definitions(container);
        let call = call.network_mode(NetworkMode::Awsvpc).requires_compatibilities(Compatibility::Fargate);
        let answer = call.cpu("256").memory("512").send().await.unwrap();
        answer.task_definition.unwrap().task_definition_arn.unwrap()
    }

    /// How the first stopped task of this definition ended.
    async fn stopped(&self, definition: &str) -> (Option<&'static str>, Option<i32>) {
        let list = self.client.list_tasks().cluster(CLUSTER).service_name(&self.name);
        let arns = list.desired_status("STOPPED".into()).send().await.unwrap().task_arns.unwrap_or_default();
        if arns.is_empty() {
            return (None, None);
        }
        let tasks = self.client.describe_tasks().cluster(CLUSTER).set_tasks(Some(arns)).send().await.unwrap();
        let Some(task) = tasks.tasks().iter().find(|t| t.task_definition_arn() == Some(definition)) else {
            return (None, None);
        };
        let known = ["EssentialContainerExited", "TaskFailedToStart"];
        let code = task.stop_code().and_then(|code| known.into_iter().find(|known| *known == code.as_str()));
        if code == Some("TaskFailedToStart") {
            assert!(task.stopped_reason().unwrap().starts_with("CannotPull"), "{task:?}");
        }
        (code, task.containers()[0].exit_code())
    }

    async fn deployments(&self) -> Vec<Deployment> {
        let call = self.client.describe_services().cluster(CLUSTER).services(&self.name);
        call.send().await.unwrap().services.unwrap().remove(0).deployments.unwrap()
    }

    async fn until(&self, what: &str, mut is: impl FnMut(&[Deployment]) -> bool) {
        let seen = async {
            while !is(&self.deployments().await) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), seen).await;
        assert!(in_time.is_ok(), "not {what} after a minute: {:#?}", self.deployments().await);
    }
}

/// The one that the service is to run. It need not be the first of the list.
fn primary(deployments: &[Deployment]) -> &Deployment {
    deployments.iter().find(|d| d.status() == Some("PRIMARY")).unwrap()
}

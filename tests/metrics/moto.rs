//! A moto of one test's own: CloudWatch alarms that others have written.

use crate::support::cluster::repository;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

pub const REGION: &str = "eu-west-1";

/// Ends with the value.
pub struct Moto {
    pub endpoint: String,
    client: Client,
    _child: Child,
}

impl Moto {
    pub async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(repository().join("target/moto/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &free.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("moto is installed by `make cloudwatch-moto`");
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", free)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listens).await.expect("moto listens");
        let endpoint = format!("http://127.0.0.1:{free}");
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&endpoint)
            .credentials_provider(Credentials::new("test", "s3cret", None, None, "test"))
            .build();
        Self { endpoint, client: Client::from_conf(config), _child: child }
    }

    /// Creates it where it is not there, and sets its state.
    pub async fn alarm(&self, name: &str, state: StateValue) {
        let known = self.client.describe_alarms().alarm_names(name).send().await.unwrap();
        if known.metric_alarms().is_empty() {
            let alarm = self.client.put_metric_alarm().alarm_name(name).namespace("shop").metric_name("5xx");
            let alarm = alarm.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(5.0);
            alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
        }
        let set = self.client.set_alarm_state().alarm_name(name).state_value(state).state_reason("a test says so");
        set.send().await.unwrap();
    }
}

//! CloudWatch alarms on a ministack, which others have written and which speaks the protocol of AWS's newer clients.

use crate::process::Ministack;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};

pub const REGION: &str = "eu-west-1";

/// Ends with the value.
pub struct Alarms {
    pub ministack: Ministack,
    client: Client,
}

impl Alarms {
    pub async fn start() -> Self {
        let ministack = Ministack::start().await;
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&ministack.endpoint)
            .credentials_provider(Credentials::new("test", "s3cret", None, None, "test"))
            .build();
        Self { ministack, client: Client::from_conf(config) }
    }

    /// One that is raised when any of these is.
    pub async fn composite(&self, name: &str, of: &[&str]) {
        let rule = of.iter().map(|of| format!("ALARM(\"{of}\")")).collect::<Vec<_>>().join(" OR ");
        self.client.put_composite_alarm().alarm_name(name).alarm_rule(rule).send().await.unwrap();
    }

    /// Sets its state. It is made anew for that: ministack keeps the time at which a metric alarm was made as that at
    /// which its state last changed.
    pub async fn alarm(&self, name: &str, state: StateValue) {
        self.client.delete_alarms().alarm_names(name).send().await.unwrap();
        let alarm = self.client.put_metric_alarm().alarm_name(name).namespace("shop").metric_name("5xx");
        let alarm = alarm.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(5.0);
        alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
        self.set(name, state).await;
    }

    /// Changes its state alone.
    pub async fn set(&self, name: &str, state: StateValue) {
        let set = self.client.set_alarm_state().alarm_name(name).state_value(state).state_reason("a test says so");
        set.send().await.unwrap();
    }
}

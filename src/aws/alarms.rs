//! CloudWatch: the states of alarms.

use super::account::Account;
use super::error::Error;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm, StateValue};
use aws_smithy_types::DateTime;

const CALL: &str = "cloudwatch:DescribeAlarms";

/// One alarm, and since when it is in its state.
#[derive(Clone, Debug)]
pub struct Alarm {
    pub name: String,
    pub state: Option<StateValue>,
    pub since: Option<DateTime>,
}

impl Account {
    /// Those of the metric and composite alarms that there are; of other names AWS says nothing.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Error> {
        self.limits.alarms.until_ready().await;
        // Unless it is told otherwise AWS leaves composite alarms out.
        let types = vec![AlarmType::MetricAlarm, AlarmType::CompositeAlarm];
        let call = self.alarms.describe_alarms().set_alarm_names(Some(names.to_vec())).set_alarm_types(Some(types));
        let answer = call.send().await.map_err(|e| Error::of(CALL, &e))?;
        let metric = answer.metric_alarms.unwrap_or_default().into_iter().filter_map(of_metric);
        Ok(metric.chain(answer.composite_alarms.unwrap_or_default().into_iter().filter_map(of_composite)).collect())
    }
}

fn of_metric(alarm: MetricAlarm) -> Option<Alarm> {
    let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
    Some(Alarm { name: alarm.alarm_name?, state: alarm.state_value, since })
}

fn of_composite(alarm: CompositeAlarm) -> Option<Alarm> {
    let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
    Some(Alarm { name: alarm.alarm_name?, state: alarm.state_value, since })
}

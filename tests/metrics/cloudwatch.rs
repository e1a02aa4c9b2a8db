//! CloudWatch alarms while a stage bakes, on ministack.

use crate::alarms::{Alarms, REGION};
use crate::gates::{NEW, OLD, bakes, baking};
use crate::own::settled;
use crate::support::Scene;
use crate::support::wait::{is, until};
use aws_sdk_cloudwatch::types::StateValue::{Alarm, InsufficientData, Ok};
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::api::{Reason, ReleaseStatus};

/// Plays a scene with a controller that may use its own credentials on ministack, and a settled Release.
async fn on_aws(name: &str, play: impl AsyncFn(&Scene, &Alarms)) {
    let aws = Alarms::start().await;
    let environment = [
        ("AWS_ENDPOINT_URL", aws.ministack.endpoint.clone()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s3cret".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    settled(&format!("alarms-{name}"), &environment, async |s, _| play(s, &aws).await).await;
}

/// Until the second in which staging was written is over: ministack keeps whole seconds of when a state has changed, and an
/// alarm that was raised before the write says nothing of it.
async fn a_second_on(s: &Scene) {
    let written = s.status().await.rollout.unwrap().stages[0].first_write_at.unwrap().timestamp();
    let now = || Timestamp::now().as_second();
    until("the next second", async || is(now() > written.as_second(), (), now())).await;
}

fn gates(names: &[&str], limits: Value) -> Value {
    let alarms = json!({"region": REGION, "alarmNames": names});
    json!([{"name": "alarms", "interval": "5s", "cloudwatch": alarms, "limits": limits}])
}

fn message(status: &ReleaseStatus) -> String {
    status.message.clone().unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs ministack: make cloudwatch-ministack"]
async fn alarms_that_stay_quiet_let_it_pass() {
    on_aws("quiet", async |s, aws| {
        aws.alarm("errors", Ok).await;
        aws.alarm("latency", Ok).await;
        aws.composite("any", &["errors", "latency"]).await;
        baking(s, "6s", gates(&["errors", "any"], json!({}))).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(s.status().await.history[0].stages[0].gates[0].message, "2 alarms are OK");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs ministack: make cloudwatch-ministack"]
async fn an_alarm_that_is_raised_brings_the_old_version_back() {
    on_aws("raised", async |s, aws| {
        aws.alarm("errors", Ok).await;
        baking(s, "10m", gates(&["errors"], json!({"fail": {"consecutive": 2}}))).await;
        a_second_on(s).await;
        aws.alarm("errors", Alarm).await;
        let end = s.rolled_back(NEW, Reason::MetricGateFailed).await;
        let said = message(&end);
        assert!(said.contains("alarms failed for 2 rounds in a row: alarm \"errors\" is in ALARM;"), "{said}");
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.into(), NEW.into(), OLD.into()], 1));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs ministack: make cloudwatch-ministack"]
async fn a_composite_alarm_counts_as_any_other() {
    on_aws("composite", async |s, aws| {
        aws.alarm("errors", Ok).await;
        aws.composite("any", &["errors"]).await;
        baking(s, "10m", gates(&["any"], json!({"fail": {"consecutive": 1}}))).await;
        a_second_on(s).await;
        aws.set("errors", Alarm).await;
        let said = message(&s.rolled_back(NEW, Reason::MetricGateFailed).await);
        assert!(said.contains("alarm \"any\" is in ALARM;"), "{said}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs ministack: make cloudwatch-ministack"]
async fn what_alarms_cannot_tell_is_no_fault_of_the_image() {
    on_aws("open", async |s, aws| {
        aws.alarm("before", Alarm).await;
        aws.alarm("silent", InsufficientData).await;
        let limits = json!({"error": {"consecutive": 1}, "noData": {"consecutive": 1}});
        for (tag, name, said) in [
            ("sha-0000002", "before", "alarm \"before\" is in ALARM since before the stage was written"),
            ("sha-0000003", "silent", "had no data for 1 round in a row: alarm \"silent\" is in INSUFFICIENT_DATA"),
            ("sha-0000004", "missing", "there is no alarm \"missing\" in eu-west-1"),
        ] {
            bakes(s, tag, "10m", gates(&[name], limits.clone()), "Restore").await;
            let end = s.rolled_back(tag, Reason::Inconclusive).await;
            assert!(message(&end).contains(said), "{}", message(&end));
            assert!(end.quarantine.is_empty());
        }
        let mut denied = gates(&["before"], json!({"error": {"consecutive": 1}}));
        denied[0]["cloudwatch"]["roleArn"] = json!("arn:aws:iam::123456789012:role/other");
        bakes(s, "sha-0000005", "10m", denied, "Restore").await;
        let end = s.rolled_back("sha-0000005", Reason::Inconclusive).await;
        let said = "the role arn:aws:iam::123456789012:role/other may not be used from the namespace";
        assert!(message(&end).contains(said), "{}", message(&end));
    })
    .await;
}

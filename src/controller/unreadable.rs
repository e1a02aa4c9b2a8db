//! A Release that cannot be decoded: it is left alone, and says so itself.
//!
//! Nothing is known of it but its conditions, so nothing else of it is written.

use super::lease::{Leadership, held};
use crate::api::condition::{self, READY, STALLED, Wanted};
use crate::api::text::{MESSAGE, tidy};
use crate::api::{MANAGER, NsName, Reason, Release, Time};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// One that the watch has brought, and what is wrong with it.
pub(super) struct Unreadable {
    pub(super) name: NsName,
    pub(super) error: String,
}

/// More than so many are found again by the next list.
pub(super) const WAITING: usize = 256;
/// How long saying it may take: a read and a write.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says of each that it is left alone, while this replica leads. Ends with the watch that finds them.
pub(super) async fn say_so(
    client: Client,
    mut leadership: watch::Receiver<Leadership>,
    mut found: mpsc::Receiver<Unreadable>,
) {
    while let Some(Unreadable { name, error }) = found.recv().await {
        held(&mut leadership).await;
        match timeout(PATIENCE, mark(&client, &name, &error)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(release = %name, %error, "its conditions could not be written"),
            Err(_) => tracing::warn!(release = %name, "its conditions could not be written in time"),
        }
    }
}

async fn mark(client: &Client, name: &NsName, error: &str) -> kube::Result<()> {
    let kind = ApiResource::erase::<Release>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &name.namespace, &kind);
    let Some(mut object) = api.get_opt(&name.name).await? else { return Ok(()) };
    let mended = serde_json::to_value(&object).and_then(serde_json::from_value::<Release>).is_ok();
    let generation = object.metadata.generation.unwrap_or_default();
    if mended || !set_conditions(&mut object.data["status"], error, generation, Time::new(jiff::Timestamp::now())) {
        return Ok(());
    }
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match api.replace_status(&object.name_any(), &params, &object).await {
        // The newer version is looked at by itself.
        Err(kube::Error::Api(s)) if s.is_conflict() || s.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// Whether anything changed.
fn set_conditions(status: &mut Value, error: &str, generation: i64, now: Time) -> bool {
    let message = format!(
        "this Release cannot be decoded, and is left alone: {}; bring back the version of the controller that wrote it, or \
         empty its status: what was written is then read from the workloads",
        tidy(error, MESSAGE)
    );
    let want = |type_, status| Wanted { type_, status, reason: Reason::StatusUnreadable, message: message.clone() };
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    let before: Vec<Condition> = all.into_iter().filter_map(|c| serde_json::from_value(c).ok()).collect();
    let after = condition::merge(&before, vec![want(READY, "False"), want(STALLED, "True")], generation, now);
    if before == after {
        return false;
    }
    if !status.is_object() {
        *status = json!({});
    }
    status["conditions"] = json!(after);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_conditions_change_and_only_once() {
        let mut status = json!({
            "phase": "Dancing", "rollout": {"id": 7},
            "conditions": [{"type": "Reconciling", "status": "True"}, "no condition"],
        });
        let now = Time::from_millis(1_000_000);
        assert!(set_conditions(&mut status, "unknown variant `Dancing`", 3, now));
        assert_eq!((&status["phase"], &status["rollout"]["id"]), (&json!("Dancing"), &json!(7)));
        let conditions: Vec<Condition> = serde_json::from_value(status["conditions"].clone()).unwrap();
        let stalled = condition::find(&conditions, STALLED).unwrap();
        assert_eq!((stalled.reason.as_str(), stalled.observed_generation), ("StatusUnreadable", Some(3)));
        assert!(stalled.message.contains("unknown variant `Dancing`; bring back"), "{}", stalled.message);
        assert!(condition::find(&conditions, "Reconciling").is_none());
        let later = Time::from_millis(9_000_000);
        assert!(!set_conditions(&mut status, "unknown variant `Dancing`", 3, later), "said once");
        assert!(set_conditions(&mut status, "missing field `image`", 3, later));
        let mut none = Value::Null;
        assert!(set_conditions(&mut none, "missing field `stages`", 1, now));
    }
}

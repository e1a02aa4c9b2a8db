//! What became of a Job: its own conditions, and of one that failed the container that did.

use super::error::{Error, within};
use super::output;
use crate::api::hook::{HookView, JobVerdict, JobView};
use crate::api::text::{MESSAGE, tidy};
use crate::api::{NsName, annotation, label};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::time::Duration;

/// Pods of one Job that are looked at.
const PODS: u32 = 50;
/// What a kubelet says has become of a container of a pod that is deleted, of one that never ran too.
const LOST: &str = "ContainerStatusUnknown";

pub(super) async fn found(client: &Client, call: Duration, name: &NsName) -> HookView {
    let api = Api::<Job>::namespaced(client.clone(), &name.namespace);
    let job = match within(call, api.get_opt(&name.name)).await {
        Ok(Some(job)) => job,
        Ok(None) => return HookView::Absent,
        Err(error) => return HookView::Unreachable(error.to_string()),
    };
    let ended = ended(&job);
    let complete = matches!(ended, Some(("Complete", _)));
    let pods = match if complete { Ok(Vec::new()) } else { pods(client, call, name).await } {
        Ok(pods) => pods,
        // Without its pods nobody knows whose the failure is.
        Err(error) if ended.is_some() => return HookView::Unreachable(error.to_string()),
        Err(_) => Vec::new(),
    };
    let verdict = match ended {
        Some(("Complete", _)) => Some(JobVerdict::Complete),
        Some((_, condition)) => {
            let reason = condition.reason.clone().unwrap_or_default();
            let message = match failed(&pods) {
                Some((pod, status)) => said(client, call, name, pod, status).await,
                None => tidy(&format!("{reason}: {}", condition.message.as_deref().unwrap_or_default()), MESSAGE),
            };
            Some(JobVerdict::Failed { reason, message })
        }
        None => None,
    };
    let left = if complete { None } else { left(&job, &pods) };
    let waits = verdict.is_none().then(|| waiting(&pods)).flatten();
    HookView::Job(JobView {
        uid: job.uid().unwrap_or_default(),
        effect: job.annotations().get(annotation::EFFECT).cloned(),
        release: job.labels().get(label::RELEASE_UID).cloned(),
        verdict,
        waits,
        began: pods.iter().flat_map(statuses).any(ran) || left == Some(Left::Restarted),
        fell: failed(&pods).is_some(),
        disrupted: pods.iter().any(taken_away) || left == Some(Left::Deleted),
    })
}

/// The condition that says how it ended. Others come before it, and are no end.
fn ended(job: &Job) -> Option<(&str, &JobCondition)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let ends = |c: &&JobCondition| c.status == "True" && matches!(c.type_.as_str(), "Complete" | "Failed");
    conditions.iter().find(ends).map(|c| (c.type_.as_str(), c))
}

async fn pods(client: &Client, call: Duration, job: &NsName) -> Result<Vec<Pod>, Error> {
    let api = Api::<Pod>::namespaced(client.clone(), &job.namespace);
    let those = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", job.name)).limit(PODS);
    let mut pods = within(call, api.list(&those)).await?.items;
    pods.sort_by_key(|p| std::cmp::Reverse(p.metadata.creation_timestamp.as_ref().map(|t| t.0)));
    Ok(pods)
}

/// The container that ended badly, in the newest pod that has one.
fn failed(pods: &[Pod]) -> Option<(&Pod, &ContainerStatus)> {
    let exited = |s: &&ContainerStatus| {
        let end = s.state.as_ref().and_then(|s| s.terminated.as_ref());
        ran(s) && end.is_some_and(|t| t.exit_code != 0)
    };
    let by_themselves = pods.iter().filter(|pod| !taken_away(pod));
    by_themselves.into_iter().find_map(|pod| statuses(pod).find(exited).map(|s| (pod, s)))
}

/// How it ended, and its last words.
async fn said(client: &Client, call: Duration, job: &NsName, pod: &Pod, status: &ContainerStatus) -> String {
    let end = status.state.as_ref().and_then(|s| s.terminated.as_ref());
    let code = end.map(|t| t.exit_code).unwrap_or_default();
    let reason = end.and_then(|t| t.reason.clone()).unwrap_or_default();
    let how = format!("container {} exited with {code} ({reason})", status.name);
    let api = Api::<Pod>::namespaced(client.clone(), &job.namespace);
    let text = within(call, api.logs(&pod.name_any(), &output::params(&status.name))).await;
    match text {
        Ok(text) => match output::last(&text) {
            Some(words) => format!("{how}: {words}"),
            None => format!("{how}, and said nothing"),
        },
        Err(error) => tidy(&format!("{how}; its output cannot be read: {error}"), MESSAGE),
    }
}

/// Whether it was evicted, drained, preempted, or lost with its node (KEP-3329).
fn taken_away(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "DisruptionTarget" && c.status == "True")
}

/// What it says of a Job that used up its attempts that none of its pods is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Its pods ran: one that is restarted in place is deleted when that was tried often enough.
    Restarted,
    /// Somebody deleted them: those that failed are kept.
    Deleted,
}

fn left(job: &Job, pods: &[Pod]) -> Option<Left> {
    // At its deadline a Job deletes its pod itself.
    let late = ended(job)?.1.reason.as_deref() == Some("DeadlineExceeded");
    let policy = job.spec.as_ref().and_then(|s| s.template.spec.as_ref()?.restart_policy.as_deref());
    let left = if policy == Some("OnFailure") { Left::Restarted } else { Left::Deleted };
    (!late && pods.is_empty()).then_some(left)
}

/// Whether it was ever more than a name: one that could not be started has an id, too.
fn ran(status: &ContainerStatus) -> bool {
    let made = status.container_id.as_ref().is_some_and(|id| !id.is_empty());
    let ended = |t: &ContainerStateTerminated| made || t.reason.as_deref() != Some(LOST);
    let now = |s: &ContainerState| s.running.is_some() || s.terminated.as_ref().is_some_and(ended);
    status.state.as_ref().is_some_and(now) || status.restart_count > 0
}

/// What the newest pod waits for.
fn waiting(pods: &[Pod]) -> Option<String> {
    let pod = pods.first()?;
    let states = statuses(pod).filter_map(|s| Some((&s.name, s.state.as_ref()?.waiting.as_ref()?)));
    let ordinary = ["ContainerCreating", "PodInitializing"];
    let mut waits = states.filter(|(_, w)| w.reason.as_deref().is_some_and(|r| !ordinary.contains(&r)));
    if let Some((name, w)) = waits.next() {
        let reason = w.reason.clone().unwrap_or_default();
        return Some(tidy(
            &format!("container {name}: {reason}: {}", w.message.as_deref().unwrap_or_default()),
            MESSAGE,
        ));
    }
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let unscheduled = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    Some(tidy(&format!("its pod finds no node: {}", unscheduled.message.as_deref().unwrap_or_default()), MESSAGE))
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
    init.chain(status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    /// As kubelets were seen to report them.
    #[test]
    fn a_container_that_never_ran_neither_began_nor_failed() {
        let lost = json!({"terminated": {"exitCode": 137, "reason": LOST, "message": "could not be located"}});
        let ended =
            |code: i32| json!({"terminated": {"exitCode": code, "reason": "Error", "containerID": "containerd://1"}});
        let pod = |state: &Value, id: &str| -> Pod {
            let status = json!({"name": "app", "image": "a", "imageID": "", "ready": false, "restartCount": 0,
                "containerID": id, "state": state});
            from_value(json!({"status": {"containerStatuses": [status]}})).unwrap()
        };
        for (state, id, began, fell) in [
            (json!({"waiting": {"reason": "ContainerCreating"}}), "", false, false),
            (lost.clone(), "", false, false),
            (lost, "containerd://1", true, true),
            (json!({"running": {}}), "containerd://1", true, false),
            (ended(0), "containerd://1", true, false),
            (ended(128), "containerd://1", true, true),
        ] {
            let pods = [pod(&state, id)];
            assert_eq!((statuses(&pods[0]).any(ran), failed(&pods).is_some()), (began, fell), "{state}");
        }
    }

    #[test]
    fn what_is_taken_away_has_not_failed() {
        let end = json!({"name": "app", "image": "a", "imageID": "", "ready": false, "restartCount": 0, "containerID": "c://1",
            "state": {"terminated": {"exitCode": 143, "reason": "Error"}}});
        let pod = |disrupted: &str| -> Pod {
            let condition = json!({"type": "DisruptionTarget", "status": disrupted, "reason": "EvictionByEvictionAPI"});
            from_value(json!({"status": {"conditions": [condition], "containerStatuses": [end]}})).unwrap()
        };
        for (status, taken) in [("True", true), ("False", false)] {
            let pods = [pod(status)];
            assert_eq!((taken_away(&pods[0]), failed(&pods).is_none()), (taken, taken), "{status}");
        }
    }

    #[test]
    fn what_is_not_there_any_more_was_deleted_or_restarted() {
        for (policy, reason, wanted) in [
            ("Never", "BackoffLimitExceeded", Some(Left::Deleted)),
            ("Never", "DeadlineExceeded", None),
            ("OnFailure", "BackoffLimitExceeded", Some(Left::Restarted)),
            ("OnFailure", "DeadlineExceeded", None),
        ] {
            let condition = json!({"type": "Failed", "status": "True", "reason": reason});
            let template = json!({"spec": {"restartPolicy": policy, "containers": []}});
            let job = json!({"spec": {"template": template}, "status": {"conditions": [condition]}});
            let job: Job = from_value(job).unwrap();
            assert_eq!(left(&job, &[]), wanted, "{policy} {reason}");
            assert_eq!(left(&job, &[Pod::default()]), None, "{policy} {reason}");
        }
        assert_eq!(left(&Job::default(), &[]), None, "it has not ended");
    }
}

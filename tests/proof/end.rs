//! How a run ended, in one line that can be compared, and the story of it.

use crate::plays::{Play, SET};
use crate::support::Scene;
use crate::support::audit::Record;
use crate::support::people::RELEASE;
use crate::support::wait::{is, until};
use crate::support::workloads::tag_of;
use kube::api::Api;
use serde_json::Value;
use tidegate::api::status::Step;
use tidegate::api::{Release, ReleaseStatus};

/// Waits until the play is over and nothing is owed any more; how it ended.
pub(crate) async fn reached(s: &Scene, play: &Play) -> String {
    let gone = play.ends.iter().all(|e| e.starts_with("gone"));
    let api: Api<Release> = s.api();
    let says = until(&format!("{} ends", play.name), async || {
        let Some(release) = api.get_opt(RELEASE).await.unwrap() else {
            return is(gone, "gone".to_owned(), "it is gone");
        };
        let status = release.status.unwrap_or_default();
        let saw = format!("{:?}: {:?}", status.phase, status.message);
        let free = release.metadata.finalizers.unwrap_or_default().is_empty();
        let over = status.rollout.as_ref().is_some_and(|r| r.step == Step::Ended && r.image.short() == play.last);
        is(over && free && !gone, says(&status), format!("{saw}, finalizer free: {free}"))
    })
    .await;
    let records = s.records(std::slice::from_ref(&s.ns)).await;
    let staging = ran(&records, &["staging"]);
    let production = ran(&records, &["production", SET]);
    match says.split_once('|') {
        Some((end, quarantine)) => format!("{end}| {staging} | {production} | {quarantine}"),
        None => format!("{says} | {staging} | {production}"),
    }
}

fn says(status: &ReleaseStatus) -> String {
    let rollout = status.rollout.as_ref();
    let debug = |v: Option<String>| v.map(|v| format!("{v} ")).unwrap_or_default();
    let phase = debug(status.phase.map(|p| format!("{p:?}")));
    let reason = debug(rollout.and_then(|r| r.reason).map(|r| r.to_string()));
    let cause = debug(rollout.and_then(|r| r.cause.as_ref()).map(|c| c.reason.to_string()));
    let held: Vec<_> = status.quarantine.iter().map(|q| short(&q.image.short().to_string()).to_owned()).collect();
    let targets = rollout.into_iter().flat_map(|r| &r.stages).flat_map(|s| &s.targets);
    let pods = targets.flat_map(|t| &t.stuck_pods).filter(|p| p.deleted).count();
    let pods = if pods == 0 { String::new() } else { format!(" and {pods} pod deleted") };
    let debts = if status.debts.is_empty() { "" } else { " and debts" };
    format!("{phase}{reason}{cause}|{}{debts}{pods}", if held.is_empty() { "-".to_owned() } else { held.join(" ") })
}

/// Every tag that these workloads were told to run, in order; the StatefulSet is named.
fn ran(records: &[Record], workloads: &[&str]) -> String {
    let told = workloads.iter().filter_map(|name| {
        let versions = records.iter().filter(|r| r.done() && r.shows_workload() && r.key().1 == *name);
        let mut tags: Vec<_> = versions.map(|r| app(&r.response)).collect();
        tags.dedup();
        let named = if *name == SET { format!("{SET} ") } else { String::new() };
        (!tags.is_empty()).then(|| format!("{named}{}", tags.join(" ")))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn app(workload: &Value) -> String {
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array();
    let app = containers.into_iter().flatten().find(|c| c["name"] == "app");
    let image = app.and_then(|c| c["image"].as_str()).unwrap_or("none");
    short(&tag_of(image.split('@').next().unwrap_or(image))).to_owned()
}

/// `2` of `sha-0000002`.
fn short(tag: &str) -> &str {
    tag.strip_prefix("sha-000000").unwrap_or(tag)
}

/// One line for each write that was tried, in the order in which they took effect.
pub(crate) fn story(records: &[Record]) -> String {
    let lines = records.iter().map(|r| {
        let who = if r.by_controller() { "controller" } else { r.user.username.rsplit(':').next().unwrap_or_default() };
        let what = match r.response["kind"].as_str() {
            Some("Release") => {
                let status = &r.response["status"];
                let rollout = &status["rollout"];
                format!("{} {} {} {}", status["phase"], rollout["id"], rollout["step"], status["message"])
            }
            Some("Deployment" | "StatefulSet") => format!("runs {}", app(&r.response)),
            _ => r.request["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        };
        format!("{} {} {who}: {r} {what}\n", r.at, r.version().unwrap_or_default())
    });
    lines.collect()
}

//! It writes the listed containers' images, its stamp, its status, its finalizer, its events, and nothing else.

use super::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::annotation::STAMP;

/// Containers that Releases list, by the workload's namespace and name.
type Listed = BTreeMap<(String, String), BTreeSet<String>>;

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    let listed = listed(records);
    let ours = records.iter().filter(|r| r.by_controller());
    ours.filter_map(|r| complaint(r, &listed).map(|c| format!("{r}: {c}\n  {}", r.request))).collect()
}

fn complaint(r: &Record, listed: &Listed) -> Option<String> {
    let object = &r.object_ref;
    // Refused for want of rights before anybody read the body: nothing is known of it.
    let unread = r.response_status.code == 403 && r.request.is_null();
    match (object.resource.as_str(), object.subresource.as_str(), r.verb.as_str()) {
        ("releases", "status", "update") if unread => None,
        ("releases" | "deployments" | "statefulsets" | "daemonsets", "", "patch") if unread => None,
        ("releases", "status", "update") => on_a_version(&r.request),
        ("pods", "", "delete") => as_it_was_seen(r),
        ("releases", "", "patch") => finalizer_only(&r.request),
        ("deployments" | "statefulsets" | "daemonsets", "", "patch") => {
            apply_only(r).or_else(|| images_only(r, listed))
        }
        ("jobs", "", "create") => job_of_a_hook(r),
        ("jobs", "", "patch") => no_more_time(&r.request),
        ("events", "", "create" | "patch") => None,
        _ => Some("is not the controller's to write".to_owned()),
    }
}

fn as_it_was_seen(r: &Record) -> Option<String> {
    let this = &r.request["preconditions"];
    let guarded = this["uid"].is_string() && this["resourceVersion"].is_string();
    // Refused for want of rights before anybody read the body.
    let unread = r.response_status.code == 403 && r.request.is_null();
    (!guarded && !unread).then(|| "does not name the pod and the version that it was decided on".to_owned())
}

fn finalizer_only(body: &Value) -> Option<String> {
    extra(body, &["metadata"])
        .or_else(|| extra(&body["metadata"], &["finalizers", "resourceVersion", "uid"]))
        .or_else(|| on_a_version(body))
}

fn on_a_version(body: &Value) -> Option<String> {
    let version = &body["metadata"]["resourceVersion"];
    version.is_null().then(|| "does not say on which version it was decided".to_owned())
}

fn apply_only(r: &Record) -> Option<String> {
    let applied = r.uri.contains("fieldManager=tidegate&") || r.uri.ends_with("fieldManager=tidegate");
    let metadata = &r.request["metadata"];
    if !applied || r.request["apiVersion"].is_null() {
        return Some("is no server-side apply by the manager tidegate".to_owned());
    }
    let guarded = metadata["uid"].is_string() && metadata["resourceVersion"].is_string();
    (!guarded).then(|| "does not name the object and the version that it was decided on".to_owned())
}

fn images_only(r: &Record, listed: &Listed) -> Option<String> {
    let body = &r.request;
    let template = &body["spec"]["template"];
    let surplus = extra(body, &["apiVersion", "kind", "metadata", "spec"])
        .or_else(|| extra(&body["metadata"], &["name", "namespace", "uid", "resourceVersion", "annotations"]))
        .or_else(|| extra(&body["metadata"]["annotations"], &[STAMP]))
        .or_else(|| extra(&body["spec"], &["template"]))
        .or_else(|| extra(template, &["spec"]))
        .or_else(|| extra(&template["spec"], &["containers", "initContainers"]));
    if surplus.is_some() {
        return surplus;
    }
    let none = BTreeSet::new();
    let listed = listed.get(&r.key()).unwrap_or(&none);
    let lists = ["containers", "initContainers"].map(|l| template["spec"][l].as_array().cloned().unwrap_or_default());
    lists.concat().iter().find_map(|c| {
        let name = c["name"].as_str().unwrap_or_default();
        let foreign = (!listed.contains(name)).then(|| format!("container {name} is listed by no Release"));
        foreign.or_else(|| extra(c, &["name", "image"]))
    })
}

/// It says whose it is and which effect made it, and no GitOps tool takes it for its own.
fn job_of_a_hook(r: &Record) -> Option<String> {
    let metadata = &r.request["metadata"];
    let effect = metadata["annotations"]["tidegate.dev/effect"].as_str().unwrap_or_default();
    let uid = metadata["labels"]["tidegate.dev/release-uid"].as_str().unwrap_or_default();
    if uid.is_empty() || !effect.starts_with(uid) {
        return Some("does not say which effect of which Release it is".to_owned());
    }
    let named =
        [&metadata["labels"], &metadata["annotations"]].into_iter().flat_map(|m| m.as_object().into_iter().flatten());
    let tracked =
        named.map(|(key, _)| key).find(|k| k.contains("argocd") || k.contains("fluxcd") || k.ends_with("/instance"));
    if let Some(key) = tracked {
        return Some(format!("bears {key}"));
    }
    let account = &r.request["spec"]["template"]["spec"]["serviceAccountName"];
    let own = r.object_ref.namespace == super::super::cluster::HOME && *account == super::super::cluster::ACCOUNT;
    own.then(|| "runs as the controller".to_owned())
}

fn no_more_time(body: &Value) -> Option<String> {
    extra(body, &["metadata", "spec"])
        .or_else(|| extra(&body["metadata"], &["uid"]))
        .or_else(|| extra(&body["spec"], &["activeDeadlineSeconds"]))
        .or_else(|| body["metadata"]["uid"].is_null().then(|| "does not name the object".to_owned()))
}

/// The first key beside those allowed.
fn extra(object: &Value, allowed: &[&str]) -> Option<String> {
    let keys = object.as_object().into_iter().flat_map(|o| o.keys());
    keys.into_iter().find(|k| !allowed.contains(&k.as_str())).map(|k| format!("writes {k:?}"))
}

fn listed(records: &[Record]) -> Listed {
    let mut listed = Listed::new();
    for r in records.iter().filter(|r| r.object_ref.resource == "releases") {
        let targets = r.response["spec"]["stages"].as_array().into_iter().flatten();
        for target in targets.flat_map(|s| s["targets"].as_array().into_iter().flatten()) {
            let k = &target["kubernetes"];
            let namespace = k["namespace"].as_str().unwrap_or(&r.object_ref.namespace).to_owned();
            let name = k["name"].as_str().unwrap_or_default().to_owned();
            let containers = k["containers"].as_array().into_iter().flatten().filter_map(Value::as_str);
            listed.entry((namespace, name)).or_default().extend(containers.map(str::to_owned));
        }
    }
    listed
}

//! Who owns what of a pod template, read from managedFields.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use crate::api::MANAGER;

/// Names under which tools that bring manifests from elsewhere own fields.
const GITOPS_MANAGERS: [&str; 9] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "helm",
    "fleetagent",
    "kapp-controller",
    "kapp",
    "configsync.gke.io",
];
/// What such tools leave on the objects that they bring, and the name that they own fields under.
const GITOPS_MARKS: [(&str, &str); 5] = [
    ("argocd.argoproj.io/tracking-id", "argocd-controller"),
    ("argocd.argoproj.io/instance", "argocd-controller"),
    ("kustomize.toolkit.fluxcd.io/name", "kustomize-controller"),
    ("helm.toolkit.fluxcd.io/name", "helm-controller"),
    ("meta.helm.sh/release-name", "helm"),
];

/// Who owns fields of one container of the pod template.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ownership {
    /// Managers that own its image.
    pub(super) image: Vec<String>,
    /// Tidegate owns something of it, and nobody else does.
    pub(super) orphaned: bool,
}

pub(super) fn of_container(meta: &ObjectMeta, name: &str, init: bool) -> Ownership {
    let list = if init { "f:initContainers" } else { "f:containers" };
    let key = serde_json::json!({ "name": name });
    let mut image = Vec::new();
    let mut holders = Vec::new();
    for entry in spec_entries(meta) {
        let Some(container) = containers(entry, list).and_then(|all| find(all, &key)) else { continue };
        let manager = entry.manager.clone().unwrap_or_default();
        if container.get("f:image").is_some() && !image.contains(&manager) {
            image.push(manager.clone());
        }
        holders.push(manager);
    }
    let orphaned = !holders.is_empty() && holders.iter().all(|m| m == MANAGER);
    Ownership { image, orphaned }
}

/// The GitOps tool that brings this object: one that owns an image of it before one that owns anything else, and
/// that before one that only left its mark.
pub(super) fn gitops(meta: &ObjectMeta) -> Option<String> {
    let known = || spec_entries(meta).filter(|e| e.manager.as_deref().is_some_and(|m| GITOPS_MANAGERS.contains(&m)));
    let owner = known().find(|e| owns_an_image(e)).or_else(|| known().next());
    let marks = [&meta.annotations, &meta.labels];
    let marked = |key: &str| marks.iter().any(|m| m.as_ref().is_some_and(|m| m.contains_key(key)));
    owner
        .and_then(|e| e.manager.clone())
        .or_else(|| GITOPS_MARKS.iter().find(|(key, _)| marked(key)).map(|(_, manager)| (*manager).to_owned()))
}

/// Entries of the object itself, not of its status or scale.
fn spec_entries(meta: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let entries = meta.managed_fields.iter().flatten();
    entries.filter(|e| e.subresource.as_deref().unwrap_or_default().is_empty())
}

fn containers<'a>(entry: &'a ManagedFieldsEntry, list: &str) -> Option<&'a Value> {
    entry.fields_v1.as_ref()?.0.get("f:spec")?.get("f:template")?.get("f:spec")?.get(list)
}

/// An entry of a list that is a map by `name`; its key is JSON behind `k:`.
fn find<'a>(list: &'a Value, key: &Value) -> Option<&'a Value> {
    let same = |k: &str| k.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()).as_ref() == Some(key);
    list.as_object()?.iter().find(|(k, _)| same(k)).map(|(_, fields)| fields)
}

fn owns_an_image(entry: &ManagedFieldsEntry) -> bool {
    let lists = ["f:containers", "f:initContainers"].into_iter().filter_map(|list| containers(entry, list));
    lists.filter_map(Value::as_object).flatten().any(|(_, fields)| fields.get("f:image").is_some())
}

#[cfg(test)]
mod tests;

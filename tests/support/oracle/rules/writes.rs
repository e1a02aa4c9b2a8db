//! Every change to a workload: once, on the version that was seen, and nothing but images.

use crate::support::oracle::write::runs;
use crate::support::oracle::{History, Violation, Write};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::Verb;
use tidegate::api::annotation::STAMP;
use tidegate::api::effect::Stamp;

/// A rollout changes a target at most once forward.
pub(super) fn once_forward(h: &History) -> Vec<Violation> {
    let mut seen = BTreeSet::new();
    let forward = h.writes.iter().filter(|w| w.changed() && w.verb() == Some(Verb::Forward));
    let twice = forward.filter(|w| w.stamp.as_ref().is_some_and(|(s, _)| !seen.insert(s.effect.clone())));
    twice.map(|w| Violation::at(w.revision, format!("{} was written forward twice by one rollout", w.key))).collect()
}

/// What was written forward is taken back at most once, and nothing else is.
pub(super) fn once_back(h: &History) -> Vec<Violation> {
    let mut owed = BTreeMap::new();
    let mut broken = Vec::new();
    for w in h.writes.iter().filter(|w| w.changed()) {
        match w.verb() {
            Some(Verb::Forward) => drop(owed.insert(&w.key, w.revision)),
            Some(Verb::Restore) if owed.remove(&w.key).is_none() => {
                let says = format!("{} was taken back before, or never written", w.key);
                broken.push(Violation::at(w.revision, says));
            }
            _ => {}
        }
    }
    broken
}

/// An effect that was carried out changes nothing when it is carried out again.
pub(super) fn nothing_repeated(h: &History) -> Vec<Violation> {
    let mut done = BTreeSet::new();
    let mut broken = Vec::new();
    for w in &h.writes {
        let Some((stamp, _)) = &w.stamp else { continue };
        if !done.insert((&w.key, stamp.effect.clone())) && w.before["spec"] != w.after["spec"] {
            broken.push(Violation::at(w.revision, format!("{} changed {} again", stamp.effect, w.key)));
        }
    }
    broken
}

/// A write names the object and the version that it was decided on, and changes that one: of two writers one loses.
pub(super) fn on_the_version_decided_on(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in &h.writes {
        let metadata = &h.sources.records[w.record].request["metadata"];
        let on = metadata["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok());
        let same = metadata["uid"] == w.before["metadata"]["uid"] && on == Some(w.on);
        if !same {
            let says = format!("{} was decided on {on:?} and changed {}", w.key, w.on);
            broken.push(Violation::at(w.revision, says));
        }
    }
    broken
}

/// A write bears its stamp, brings what the stamp says, and changes nothing but the images that it speaks of.
pub(super) fn images_and_nothing_else(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for w in &h.writes {
        let Some((stamp, _)) = &w.stamp else {
            broken.push(Violation::at(w.revision, format!("the write to {} bears no readable stamp", w.key)));
            continue;
        };
        if !runs(&w.is(), &stamp.images) {
            broken.push(Violation::at(w.revision, format!("{} did not get what its stamp says", w.key)));
        }
        if without_images(&w.before, stamp, &w.after) != without_images(&w.after, stamp, &w.after) {
            let says = format!("more than images changed in {}", w.key);
            broken.push(Violation::at(w.revision, says));
        }
        if metadata(&w.before) != metadata(&w.after) {
            broken.push(Violation::at(w.revision, format!("labels or annotations changed in {}", w.key)));
        }
    }
    broken
}

/// Labels, and annotations but for the stamp and what the API server counts of a DaemonSet itself.
fn metadata(object: &Value) -> (Value, Value) {
    let mut annotations = object["metadata"]["annotations"].clone();
    if let Some(map) = annotations.as_object_mut() {
        map.remove(STAMP);
        map.remove("deprecated.daemonset.template.generation");
    }
    let some = annotations.as_object().is_some_and(|a| !a.is_empty());
    (object["metadata"]["labels"].clone(), if some { annotations } else { Value::Null })
}

/// The spec without the images that the stamp speaks of, and without containers that the apply let go of: they are not in
/// `after` any more.
fn without_images(object: &Value, stamp: &Stamp, after: &Value) -> Value {
    let mut spec = object["spec"].clone();
    for list in ["initContainers", "containers"] {
        let Some(all) = spec["template"]["spec"][list].as_array_mut() else { continue };
        let kept = after["spec"]["template"]["spec"][list].as_array().cloned().unwrap_or_default();
        all.retain(|c| !orphan(c) || kept.iter().any(|k| k["name"] == c["name"]));
        for c in all {
            if stamp.images.iter().any(|i| c["name"] == i.container.as_str()) {
                c["image"] = Value::Null;
            }
        }
    }
    spec
}

/// Nothing but what the API server fills in beside a name and an image: its owner has removed it.
fn orphan(c: &Value) -> bool {
    const DEFAULTS: [&str; 6] =
        ["name", "image", "resources", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy"];
    c.as_object().is_some_and(|c| c.keys().all(|k| DEFAULTS.contains(&k.as_str())))
}

/// The last forward write to the same workload before this one.
pub(super) fn last_forward<'h>(h: &'h History, w: &Write) -> Option<&'h Write> {
    let mut forward = h.writes.iter().filter(|f| f.changed() && f.verb() == Some(Verb::Forward));
    forward.rfind(|f| f.key == w.key && f.revision < w.revision)
}

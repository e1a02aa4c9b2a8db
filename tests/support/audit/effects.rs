//! Once forward per rollout and target, once back per debt, and back only over what was written forward.

use super::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate::api::annotation::STAMP;
use tidegate::api::effect::Stamp;
use tidegate::api::{EffectId, Verb};

type Key = (String, String);
/// Images by container.
type Images = BTreeMap<String, String>;

#[derive(Default)]
struct Watch {
    /// Every workload's latest version.
    live: BTreeMap<Key, Value>,
    /// What should have come of the last write, until it is seen.
    predicted: BTreeMap<Key, (Value, Stamp)>,
    /// Per workload the last forward write that nothing took back yet, and the object that it changed.
    debts: BTreeMap<Key, (Stamp, String)>,
    forward: BTreeSet<EffectId>,
    complaints: Vec<String>,
}

pub(super) fn broken(records: &[Record]) -> Vec<String> {
    let mut watch = Watch::default();
    for r in records.iter().filter(|r| r.done() && r.shows_workload()) {
        let Some(key) = r.workload() else { continue };
        watch.hold_against(r, &key);
        if r.by_controller() && r.verb == "patch" {
            watch.judge(r, &key);
        }
        watch.live.insert(key, r.response.clone());
    }
    watch.complaints
}

impl Watch {
    /// The first whole version of the same generation shows what the write before it really changed.
    fn hold_against(&mut self, r: &Record, key: &Key) {
        let Some((predicted, stamp)) = self.predicted.remove(key) else { return };
        let same = predicted["metadata"]["generation"] == r.response["metadata"]["generation"];
        if same && whole(&predicted, &stamp) != whole(&r.response, &stamp) {
            self.complain(r, &format!("the write before it, {}, changed more than the listed images", stamp.effect));
        }
    }

    fn judge(&mut self, r: &Record, key: &Key) {
        let Some(before) = self.live.get(key).cloned() else {
            return self.complain(r, "writes a workload that nobody created in this scene");
        };
        let Some((stamp, verb)) = stamp(r) else {
            return self.complain(r, "bears no readable stamp");
        };
        if r.predicted {
            self.predicted.insert(key.clone(), (r.response.clone(), stamp.clone()));
        }
        let (was, is) = (images(&before), images(&r.response));
        if without_images(&before, &stamp) != without_images(&r.response, &stamp) {
            self.complain(r, "changed more than the listed containers' images");
        }
        if stamp.images.iter().any(|i| is.get(&i.container).map(String::as_str) != Some(i.image.as_str())) {
            self.complain(r, "did not bring what its stamp says");
        }
        if was == is {
            return;
        }
        match verb {
            Verb::Forward => self.forward(r, key, stamp),
            Verb::Restore => self.back(r, key, &before, &was, &stamp),
        }
    }

    fn forward(&mut self, r: &Record, key: &Key, stamp: Stamp) {
        if !self.forward.insert(stamp.effect.clone()) {
            self.complain(r, &format!("{} was written forward twice", stamp.effect));
        }
        self.debts.insert(key.clone(), (stamp, uid(&r.response)));
    }

    fn back(&mut self, r: &Record, key: &Key, before: &Value, was: &Images, stamp: &Stamp) {
        let Some((forward, uid_then)) = self.debts.remove(key) else {
            return self
                .complain(r, &format!("{} takes back what was not written, or was taken back before", stamp.effect));
        };
        if uid_then != uid(before) {
            self.complain(r, "writes another object than the one it had written");
        }
        let ours = |i: &tidegate::api::status::ContainerImage| {
            was.get(&i.container).map(String::as_str) == Some(i.image.as_str())
        };
        if !forward.images.iter().all(ours) {
            self.complain(r, &format!("writes over a change of somebody else: {was:?} was not {:?}", forward.images));
        }
    }

    fn complain(&mut self, r: &Record, what: &str) {
        self.complaints.push(format!("{r}: {what}"));
    }
}

fn stamp(r: &Record) -> Option<(Stamp, Verb)> {
    let text = r.request["metadata"]["annotations"][STAMP].as_str()?;
    let stamp: Stamp = serde_json::from_str(text).ok()?;
    let verb = stamp.effect.parts()?.verb;
    Some((stamp, verb))
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn containers(object: &Value) -> Vec<Value> {
    let pod = &object["spec"]["template"]["spec"];
    ["initContainers", "containers"].map(|list| pod[list].as_array().cloned().unwrap_or_default()).concat()
}

fn images(object: &Value) -> Images {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    containers(object).iter().map(|c| (text(&c["name"]), text(&c["image"]))).collect()
}

/// The spec, without containers that the apply let go of, and the images that the stamp speaks of.
fn whole(object: &Value, stamp: &Stamp) -> (Value, Images) {
    let of_stamp = |(name, _): &(String, String)| stamp.images.iter().any(|i| i.container == *name);
    (without_images(object, stamp), images(object).into_iter().filter(of_stamp).collect())
}

/// The spec without the images that the stamp speaks of, and without containers that the apply let go of.
fn without_images(object: &Value, stamp: &Stamp) -> Value {
    let mut spec = object["spec"].clone();
    for list in ["initContainers", "containers"] {
        let Some(all) = spec["template"]["spec"][list].as_array_mut() else { continue };
        all.retain(|c| !orphan(c));
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

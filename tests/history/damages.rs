//! For each rule a damage that breaks it, and may break others too.

use crate::play::{BAD, GOOD, SECRET};
use crate::support::oracle::version::uid;
use crate::tape::Tape;
use serde_json::{Value, json};
use tidegate::api::Verb::{Forward, Restore};
use tidegate::api::annotation::{PROMOTE, STAMP};
use tidegate::api::status::Step;

pub(crate) const PRODUCTION: &str = "deployments/t-history/production";
/// An image that nobody asked for.
pub(crate) const OTHER: &str = "registry.test/shop/checkout:sha-0000009";

pub(crate) type Damage = fn(&mut Tape);

pub(crate) const DAMAGES: [(&str, Damage); 40] = [
    ("stages in order", staging_unverified),
    ("the image of the spec", |t| {
        let write = t.write("production", Forward, GOOD);
        let stamp =
            t.record(write).request["metadata"]["annotations"][STAMP].as_str().unwrap().replace(GOOD, "sha-0000009");
        t.record(write).request["metadata"]["annotations"][STAMP] = json!(stamp);
    }),
    ("one digest", |t| {
        let end = t.moments(GOOD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| s["rollout"]["digest"] = json!(digest()));
    }),
    ("the digest that runs", |t| {
        let pods = t.sources.stored.iter_mut().filter(|s| s.key.starts_with("pods/"));
        for container in pods.flat_map(|s| s.value["status"]["containerStatuses"].as_array_mut().into_iter().flatten())
        {
            container["imageID"] = json!(format!("registry.test/shop/checkout@{}", digest()));
        }
    }),
    ("approved first", |t| {
        let all = t.moments(GOOD, |_, r| !r.approvals.is_empty());
        t.statuses(&all, |s| drop(s["rollout"].as_object_mut().unwrap().remove("approvals")));
    }),
    ("an approval counts once", |t| t.from("/checkout", 0, |o| o["metadata"]["annotations"][PROMOTE] = json!("yes"))),
    ("the way back first", |t| {
        let all = t.moments(GOOD, |_, _| true);
        t.statuses(&all, |s| drop(production(s).as_object_mut().unwrap().remove("wayBack")));
    }),
    ("the way back is kept", |t| {
        let end = t.moments(BAD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| production(s)["wayBack"]["images"][0]["image"] = json!(OTHER));
    }),
    ("the way back is another version", |t| {
        let all = t.moments(BAD, |_, r| r.stages[1].targets[0].way_back.is_some());
        let brought = OTHER.replace("sha-0000009", BAD);
        t.statuses(&all, |s| production(s)["wayBack"]["images"] = json!([{"container": "app", "image": brought}]));
        let write = t.write("production", Forward, BAD);
        let stamp = &mut t.record(write).request["metadata"]["annotations"][STAMP];
        let mut said: Value = serde_json::from_str(stamp.as_str().unwrap()).unwrap();
        said["images"] = json!([{"container": "app", "image": brought}]);
        *stamp = json!(said.to_string());
    }),
    ("a frozen spec", |t| {
        let last = t.moments(GOOD, |_, r| r.spec.is_some()).pop().unwrap();
        t.statuses(&[last], |s| s["rollout"]["spec"]["historyLimit"] = json!(9));
    }),
    ("once forward", forward_again),
    ("once back", back_again),
    ("nothing is repeated", back_again),
    ("on the version it was decided on", |t| {
        let write = t.write("production", Forward, GOOD);
        t.copy(t.before(write), write - 1, false);
    }),
    ("images and nothing else", |t| {
        let write = t.write("production", Forward, GOOD);
        t.object(write)["spec"]["replicas"] = json!(7);
    }),
    ("back over our own only", |t| {
        let write = t.write("production", Restore, GOOD);
        set_image(&mut t.copy(t.before(write), write - 1, false).value, OTHER);
    }),
    ("exactly the way back", |t| {
        let write = t.write("production", Restore, GOOD);
        set_image(t.object(write), OTHER);
    }),
    ("no fight", forward_again),
    ("one at a time", |t| {
        let at_work = t.first(GOOD, |_, r| r.step == Step::Rolling && r.stages[1].first_write_at.is_some());
        let write = t.write("production", Forward, GOOD);
        let other = t.copy(at_work, write - 1, true);
        other.key = other.key.replace("checkout", "other");
        other.value["metadata"]["uid"] = json!("another");
        production(&mut other.value["status"])["state"] = json!("Written");
    }),
    ("one Job for ever", |t| {
        let job = t.sources.stored.iter().find(|s| s.key.starts_with("jobs/")).unwrap().revision;
        t.copy(job, job + 1, true).key += "-again";
    }),
    ("Jobs in order", staging_unverified),
    ("available first", |t| {
        let write = t.write("production", Forward, GOOD);
        t.from(PRODUCTION, write, unavailable);
    }),
    ("verified is what runs", |t| {
        let write = t.write("production", Forward, GOOD);
        t.from(PRODUCTION, write, |o| set_image(o, OTHER));
    }),
    ("verified is available", |t| {
        let write = t.write("production", Forward, GOOD);
        t.from(PRODUCTION, write, unavailable);
    }),
    ("restored is what runs", |t| {
        let write = t.write("production", Restore, GOOD);
        t.from(PRODUCTION, write, unavailable);
    }),
    ("asked of what runs", |t| t.sources.requests.retain(|r| !r.image.ends_with(GOOD) || r.path != "/health")),
    ("asked after the restore", |t| {
        let write = t.write("production", Restore, GOOD);
        let since = t.record(write).at.parse().unwrap();
        t.sources.requests.retain(|r| r.time < since);
    }),
    ("verdicts by the budget", |t| {
        let all = t.moments(GOOD, |_, r| r.stages[0].checks.iter().any(|c| c.verdict.is_some()));
        t.statuses(&all, |s| s["rollout"]["stages"][0]["checks"][0]["passes"] = json!(0));
    }),
    ("verified has passed", |t| {
        let all = t.moments(GOOD, |_, r| r.stages[0].verified_at.is_some());
        t.statuses(&all, |s| drop(s["rollout"]["stages"][0]["checks"][0].as_object_mut().unwrap().remove("verdict")));
    }),
    ("baked in full", |t| {
        let verified = t.first(GOOD, |_, r| r.stages[0].verified_at.is_some());
        let available = t.first(GOOD, |_, r| r.stages[0].available_at.is_some());
        t.record(available).at = t.record(verified).at.clone();
    }),
    ("nothing after the end", |t| {
        let asked = t.first(GOOD, |_, r| r.step == Step::Verifying);
        let end = t.first(GOOD, |_, r| r.step == Step::Ended);
        t.copy(asked, end + 1, true);
    }),
    ("every rollout ends", |t| {
        let end = t.moments(GOOD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| (s["rollout"]["step"], s["rollout"]["spec"]) = (json!("Verifying"), json!({})));
        let next = t.moments(BAD, |_, _| true);
        t.statuses(&next, |s| s["history"] = json!([]));
    }),
    ("no debt is forgotten", |t| {
        let write = t.write("production", Restore, GOOD);
        t.forget(PRODUCTION, write);
    }),
    ("deleted in order", |t| {
        let spec = t.first(GOOD, |_, r| r.spec.is_some());
        let spec = t.object(spec)["status"]["rollout"]["spec"].clone();
        let end = t.moments(GOOD, |m, r| r.step == Step::Ended && m.held);
        t.statuses(&end, |s| (s["rollout"]["step"], s["rollout"]["spec"]) = (json!("Rolling"), spec.clone()));
    }),
    ("a lost status brings nothing back", |t| {
        let begun = t.first(BAD, |_, _| true);
        t.record(begun).user.username = "ann".to_owned();
        let write = t.write("production", Forward, BAD);
        let brought = OTHER.replace("sha-0000009", BAD);
        let before = t.before(write);
        let stamp = &mut t.object(before)["metadata"]["annotations"][STAMP];
        let mut said: Value = serde_json::from_str(stamp.as_str().unwrap()).unwrap();
        said["effect"] = json!(said["effect"].as_str().unwrap().replace("/forward", "/restore"));
        said["took"] = json!([brought]);
        *stamp = json!(said.to_string());
    }),
    ("says what it saw", |t| {
        let all = t.moments(GOOD, |_, r| r.step == Step::Verifying);
        t.statuses(&all, |s| s["observedGeneration"] = json!(99));
    }),
    ("edits are seen", |t| {
        let created =
            t.sources.stored.iter().find(|s| s.key.ends_with("releases/t-history/checkout")).unwrap().revision;
        t.record(created).at = "2026-01-01T00:00:00Z".to_owned();
        t.record(created).done_at = "2026-01-01T00:00:00Z".to_owned();
        let other = t.copy(created, created + 1, true);
        other.key = other.key.replace("checkout", "other");
        other.value["metadata"]["uid"] = json!("another");
    }),
    ("short and rare", |t| {
        let end = t.moments(GOOD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| s["message"] = json!("x".repeat(70_000)));
    }),
    ("conditions keep time", |t| {
        let last = t.moments(GOOD, |m, r| m.ours() && r.step == Step::AwaitingPromotion).pop().unwrap();
        t.copy(last, last + 1, true).value["status"]["conditions"][0]["lastTransitionTime"] =
            json!("2026-01-01T00:00:00Z");
    }),
    ("no secret is told", |t| {
        let end = t.moments(GOOD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| s["message"] = json!(format!("refused with {SECRET}")));
    }),
];

fn staging_unverified(t: &mut Tape) {
    let all = t.moments(GOOD, |_, r| r.stages[0].verified_at.is_some());
    t.statuses(&all, |s| drop(s["rollout"]["stages"][0].as_object_mut().unwrap().remove("verifiedAt")));
}

/// Somebody takes the image away in mid-rollout, and it is brought again.
fn forward_again(t: &mut Tape) {
    let write = t.write("production", Forward, GOOD);
    t.copy(t.before(write), write + 1, false);
    t.copy(write, write + 2, true);
}

/// Somebody brings the bad image again after the restore, and it is taken back once more.
fn back_again(t: &mut Tape) {
    let write = t.write("production", Restore, GOOD);
    t.copy(t.before(write), write + 1, false);
    t.copy(write, write + 2, true);
}

pub(crate) fn production(status: &mut Value) -> &mut Value {
    &mut status["rollout"]["stages"][1]["targets"][0]
}

pub(crate) fn set_image(deployment: &mut Value, image: &str) {
    assert!(!uid(deployment).is_empty());
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
}

fn unavailable(deployment: &mut Value) {
    deployment["status"]["availableReplicas"] = json!(0);
}

pub(crate) fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

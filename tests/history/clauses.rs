//! Rules of several clauses, and for each further clause a damage of its own.

use crate::damages::{Damage, OTHER, PRODUCTION, digest, production, set_image};
use crate::play::{BAD, GOOD, SECRET};
use crate::support::oracle::images;
use crate::tape::Tape;
use serde_json::json;
use tidegate::api::Verb::{Forward, Restore};
use tidegate::api::annotation::{PROMOTE, STAMP};
use tidegate::api::status::{Rollout, Step};

pub(crate) const CLAUSES: [(&str, &str, Damage); 28] = [
    ("stages in order", "no stored status knew", |t| {
        let all = t.moments(GOOD, |_, _| true);
        t.statuses(&all, |s| s["rollout"]["id"] = json!("77-1"));
    }),
    ("an approval counts once", "approved Some", |t| promoted_by(t, "staging:sha-0000002")),
    ("an approval counts once", "approved rollout", |t| promoted_by(t, "production:sha-0000002#77-1")),
    ("the way back first", "before its way back was stored", |t| {
        let all = t.moments(GOOD, |_, r| r.stages[1].targets[0].uid.is_some());
        t.statuses(&all, |s| production(s)["uid"] = json!("another"));
    }),
    ("the way back is kept", "to None", |t| {
        let end = t.moments(BAD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| drop(production(s).as_object_mut().unwrap().remove("wayBack")));
    }),
    ("a frozen spec", "went on with another spec", |t| {
        let all = t.moments(GOOD, |_, r| r.spec.is_some() && r.step == Step::Verifying);
        t.statuses(&all, |s| drop(s["rollout"].as_object_mut().unwrap().remove("spec")));
    }),
    ("a frozen spec", "without a frozen spec", |t| {
        let all = t.moments(GOOD, |_, _| true);
        t.statuses(&all, |s| drop(s["rollout"].as_object_mut().unwrap().remove("spec")));
    }),
    ("images and nothing else", "did not get what its stamp says", |t| {
        let write = t.write("production", Forward, GOOD);
        set_image(t.object(write), OTHER);
    }),
    ("images and nothing else", "no readable stamp", |t| {
        let write = t.write("production", Forward, GOOD);
        t.record(write).request["metadata"]["annotations"][STAMP] = json!("{");
    }),
    ("images and nothing else", "labels or annotations", |t| {
        let write = t.write("production", Forward, GOOD);
        t.object(write)["metadata"]["labels"]["team"] = json!("other");
    }),
    // One with a name and an image alone, as an apply that lets go of it leaves it.
    ("images and nothing else", "more than images", |t| {
        let write = t.write("production", Forward, GOOD);
        for (revision, image) in [(t.before(write), OTHER), (write, "registry.test/shop/sidecar:2")] {
            let containers = &mut t.object(revision)["spec"]["template"]["spec"]["containers"];
            containers.as_array_mut().unwrap().push(json!({"name": "sidecar", "image": image}));
        }
    }),
    ("back over our own only", "another object", |t| {
        let write = t.write("production", Restore, GOOD);
        t.object(write)["metadata"]["uid"] = json!("another");
    }),
    ("exactly the way back", "what no status had stored", |t| {
        let all = t.moments(BAD, |_, _| true);
        t.statuses(&all, |s| drop(production(s).as_object_mut().unwrap().remove("wayBack")));
    }),
    ("one Job for ever", "intended by no stored status", |t| {
        let all = t.moments(GOOD, |_, r| !r.stages[1].hooks.is_empty());
        t.statuses(&all, |s| s["rollout"]["stages"][1]["hooks"] = json!([]));
    }),
    ("the digest that runs", "pods t-history/staging", |t| {
        let pods = t.sources.stored.iter_mut().filter(|s| s.key.starts_with("pods/t-history/staging"));
        for container in pods.flat_map(|s| s.value["status"]["containerStatuses"].as_array_mut().into_iter().flatten())
        {
            container["imageID"] = json!(format!("registry.test/shop/checkout@{}", digest()));
        }
    }),
    // It was said right after the write, when the counts were still those of the version that failed.
    ("restored is what runs", "was called restored", |t| {
        let write = t.write("production", Restore, GOOD);
        let old = t.object(write)["status"].clone();
        t.from(PRODUCTION, write, |o| o["status"] = old.clone());
    }),
    // Only pods of the version that failed answered.
    ("asked after the restore", "was called restored, but", |t| {
        let write = t.write("production", Restore, GOOD);
        let since = t.record(write).at.parse().unwrap();
        let failed = images(t.object(t.before(write)))["app"].clone();
        for request in t.sources.requests.iter_mut().filter(|r| r.time >= since) {
            request.image.clone_from(&failed);
        }
    }),
    ("asked after the restore", "before its checks had passed", |t| {
        let end = t.moments(BAD, |_, r| r.step == Step::Ended);
        t.statuses(&end, |s| s["rollout"]["stages"][1]["checks"][0]["verdict"] = json!("Failed"));
    }),
    ("verdicts by the budget", "Failed", |t| called(t, "Failed")),
    ("verdicts by the budget", "Inconclusive", |t| called(t, "Inconclusive")),
    ("every rollout ends", "rolls on", |t| long_since(t, GOOD, Step::Rolling)),
    ("every rollout ends", "nobody is told", |t| long_since(t, BAD, Step::Restoring)),
    ("nothing after the end", "by a rollout that had ended", |t| {
        let write = t.write("production", Forward, GOOD);
        let all = t.moments(GOOD, |m, r| m.revision < write && r.step != Step::Ended);
        t.statuses(&all[all.len() - 1..], |s| s["rollout"]["step"] = json!("Ended"));
    }),
    ("nothing after the end", "began after the end", |t| {
        let end = t.first(GOOD, |_, r| r.step == Step::Ended);
        let job = t.sources.stored.iter().find(|s| s.key.starts_with("jobs/")).unwrap().revision;
        t.copy(job, end + 1, true).key += "-again";
    }),
    // What staging is known to run says nothing of production.
    ("no debt is forgotten", "and nothing says so", |t| {
        let all = t.moments(GOOD, |_, r| r.step == Step::Ended);
        t.statuses(&all, |s| {
            s["stable"].as_array_mut().unwrap().retain(|s| s["stage"] == "staging");
            production(s)["state"] = json!("Written");
        });
    }),
    ("deleted in order", "was not held", |t| {
        t.from("/checkout", 0, |o| drop(o["metadata"].as_object_mut().unwrap().remove("finalizers")));
    }),
    ("says what it saw", "changed the spec", |t| {
        let all = t.moments(GOOD, |m, r| m.ours() && r.step == Step::Verifying);
        t.object(all[0])["spec"]["historyLimit"] = json!(7);
    }),
    ("no secret is told", "a log tells", |t| t.sources.logs += &format!("refused with {SECRET}\n")),
];

/// The annotation said so all the time, and was recorded so.
fn promoted_by(t: &mut Tape, token: &str) {
    let approved = t.moments(GOOD, |_, r| !r.approvals.is_empty());
    t.statuses(&approved, |s| s["rollout"]["approvals"][0]["token"] = json!(token));
    let since = approved[0];
    t.from("/checkout", since, |o| o["metadata"]["annotations"][PROMOTE] = json!(token));
}

/// What the rounds of a check came to, though they all passed.
fn called(t: &mut Tape, verdict: &str) {
    let all = t.moments(GOOD, |_, r| r.stages[0].checks.iter().any(|c| c.verdict.is_some()));
    t.statuses(&all, |s| s["rollout"]["stages"][0]["checks"][0]["verdict"] = json!(verdict));
}

/// It had been in this step for a year when that was stored.
fn long_since(t: &mut Tape, tag: &str, step: Step) {
    let written = |r: &Rollout| r.stages.iter().any(|s| s.first_write_at.is_some());
    let at = t.first(tag, |m, r| m.ours() && r.step == step && written(r));
    t.record(at).at = "2025-01-01T00:00:00Z".to_owned();
}

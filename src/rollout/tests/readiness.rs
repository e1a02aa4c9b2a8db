//! A stage that is entered only with evidence about the image.

use super::workloads::Behaviour;
use super::world::World;
use crate::api::spec::{EvidenceMap, Readiness, Weights};
use crate::api::status::Phase;
use crate::api::time::Duration;
use crate::api::view::EvidenceView;
use crate::api::{Reason, annotation};
use crate::rollout::plan::evidence_of_rollout;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// `sha-b2` is asked for, and the stage asks for evidence in the ConfigMap `ci`.
fn asked(stage: usize) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        let config_map = Some(EvidenceMap { name: "ci".into() });
        s.stages[stage].readiness =
            Some(Readiness { config_map, threshold: 90, weights: Weights::default(), max_age: DAY });
    });
    w.evidence.insert("ci".into(), EvidenceView::Absent);
    w
}

fn evidence(w: &World, coverage: i32) -> Value {
    json!({"tag": "sha-b2", "at": w.now, "ci": "passed", "coverage": coverage, "security": {}, "quality": 100})
}

fn publish(w: &mut World, coverage: i32) {
    let data = BTreeMap::from([("sha-b2".to_owned(), evidence(w, coverage).to_string())]);
    w.evidence.insert("ci".into(), EvidenceView::Found(data));
}

#[test]
fn it_waits_for_evidence_and_goes_on_when_there_is_enough() {
    let mut w = asked(0);
    w.look_on(Duration::from_secs(60));
    assert_eq!((w.phase(), w.writes.len()), (Phase::Pending, 0));
    assert!(w.message().contains("ConfigMap ci does not exist"), "{}", w.message());
    publish(&mut w, 80);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-b2"), "{}", w.message());
    assert!(w.announced(Reason::ReadinessPassed));
    assert_eq!(w.rel.status.rollout.as_ref().unwrap().stages[0].ready.as_ref().unwrap().score, 94);
}

#[test]
fn too_little_ends_it_before_anything_is_touched_and_names_what_was_short() {
    let mut w = asked(0);
    publish(&mut w, 20);
    w.run();
    assert_eq!((w.phase(), w.reason(), w.writes.len()), (Phase::Failed, Reason::ReadinessTooLow, 0));
    assert!(w.message().contains("has 76 (coverage 20 of 100 at weight 30, "), "{}", w.message());
    assert!(w.rel.status.quarantine.is_empty() && !w.rel.finalizer, "it did not fail here");
    publish(&mut w, 90);
    w.annotate(annotation::RETRY, "again");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// A later stage is asked before a person is, and does not wait for ever.
#[test]
fn a_later_stage_is_judged_before_a_person_is_asked() {
    let mut w = asked(1);
    publish(&mut w, 20);
    w.run();
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::ReadinessTooLow, "sha-b2"), "{}", w.message());
    assert!(!w.announced(Reason::AwaitingPromotion));
    let mut w = asked(1);
    w.run();
    assert_eq!((w.reason(), w.runs("production").as_str()), (Reason::EvidenceMissing, "sha-a1"), "{}", w.message());
}

/// Judged once: what is old by the time that a person approves was fresh when it counted.
#[test]
fn what_was_enough_stays_enough_in_its_rollout_alone() {
    let mut w = asked(1);
    w.edit(|s| {
        s.stages[1].promotion = Some(serde_json::from_value(json!({"mode": "Manual", "timeout": "72h"})).unwrap())
    });
    publish(&mut w, 90);
    w.run();
    w.evidence.insert("ci".into(), EvidenceView::Absent);
    w.pass(Duration::from_secs(48 * 3600));
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    w.tag("sha-c3");
    w.run();
    assert_eq!(w.reason(), Reason::EvidenceMissing, "{}", w.message());
}

#[test]
fn evidence_of_another_image_or_from_too_long_ago_is_none() {
    for (change, said) in [
        (json!({"tag": "sha-a1"}), "another tag, sha-a1"),
        (json!({"at": "2020-01-01T00:00:00Z"}), "and counts for 24h"),
        (json!({"ci": null}), "does not tell ci"),
    ] {
        let mut w = asked(0);
        let mut told = evidence(&w, 100);
        told.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let data = BTreeMap::from([("sha-b2".to_owned(), told.to_string())]);
        w.evidence.insert("ci".into(), EvidenceView::Found(data));
        w.look_on(Duration::from_secs(30));
        assert_eq!((w.phase(), w.writes.len()), (Phase::Pending, 0), "{change}");
        assert!(w.message().contains(said), "{change}: {}", w.message());
    }
}

#[test]
fn an_annotation_must_say_what_it_is_about() {
    let mut w = asked(0);
    w.edit(|s| s.stages[0].readiness.as_mut().unwrap().config_map = None);
    let mut told = evidence(&w, 100);
    told["tag"] = Value::Null;
    w.annotate(annotation::EVIDENCE, &told.to_string());
    w.look_on(Duration::from_secs(30));
    assert!(w.message().contains("names neither tag nor digest"), "{}", w.message());
    let told = evidence(&w, 100);
    w.annotate(annotation::EVIDENCE, &told.to_string());
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

/// Nothing is written, so nothing is asked.
#[test]
fn what_runs_already_needs_no_evidence() {
    let mut w = asked(0);
    w.edit(|s| s.image.tag = Some("sha-a1".into()));
    w.annotate(annotation::RETRY, "again");
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
}

/// A newer tag that inherits and may not enter pays what it inherited.
#[test]
fn a_newer_tag_without_enough_pays_for_the_last_one() {
    let mut w = asked(0).behave("sha-b2", Behaviour::NeverReady);
    publish(&mut w, 100);
    w.run_until(|w| w.writes.len() == 1);
    w.turn();
    let short = json!({"at": w.now, "ci": "failed", "coverage": 0, "security": 0, "quality": 0});
    let Some(EvidenceView::Found(data)) = w.evidence.get_mut("ci") else { panic!() };
    data.insert("sha-c3".into(), short.to_string());
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
    assert!(w.message().contains("asks for 90 of 100"), "{}", w.message());
}

/// It is read for stages that were not judged and not begun.
#[test]
fn evidence_that_was_judged_is_not_read_again() {
    let mut w = asked(0);
    let read = |w: &World| evidence_of_rollout(w.rel.status.rollout.as_ref().unwrap());
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.spec.is_some()) || w.again.is_some());
    publish(&mut w, 90);
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].ready.is_some()));
    let stage = &w.rel.status.rollout.as_ref().unwrap().stages[0];
    assert!(stage.first_write_at.is_none());
    assert_eq!(read(&w), Vec::<String>::new());
    w.rel.status.rollout.as_mut().unwrap().stages[0].ready = None;
    assert_eq!(read(&w), ["ci"]);
    w.rel.status.rollout.as_mut().unwrap().stages[0].first_write_at = Some(w.now);
    assert_eq!(read(&w), Vec::<String>::new());
}

#[test]
fn evidence_without_end_is_not_read() {
    let mut w = asked(0);
    let mut much = evidence(&w, 90);
    much["more"] = "x".repeat(16 * 1024).into();
    w.evidence.insert("ci".into(), EvidenceView::Found(BTreeMap::from([("sha-b2".to_owned(), much.to_string())])));
    w.look_on(Duration::from_secs(60));
    assert_eq!((w.phase(), w.writes.len()), (Phase::Pending, 0));
    assert!(w.message().contains("bytes, more than 16384"), "{}", w.message());
}

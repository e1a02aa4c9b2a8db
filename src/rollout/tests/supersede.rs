//! A newer tag while the last one is on its way: who takes over at once, what is owed then, and who waits.

use super::begun::id;
use super::hooks::hook;
use super::jobs::Ending;
use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World, spec, two_stages};
use crate::api::effect::Refused;
use crate::api::spec::{Promotion, PromotionMode, ReleaseSpec};
use crate::api::status::{Phase, Step, TargetStep};
use crate::api::time::Duration;
use crate::api::{Image, Reason, TargetId, annotation};
use serde_json::json;

/// `sha-b2` is written to staging and does not become available.
fn on_its_way() -> World {
    started(World::verified("sha-a1"))
}

fn started(mut w: World) -> World {
    w.behaviour.insert("sha-b2".into(), Behaviour::NeverReady);
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Rolling && !w.writes.is_empty());
    w.turn();
    w
}

fn brought(w: &World) -> Vec<String> {
    w.writes.iter().map(|x| x.images[0].image.short()).collect()
}

/// What became of the rollouts before, newest first.
fn ended(w: &World) -> Vec<(String, Reason)> {
    w.rel.status.history.iter().map(|h| (h.image.short(), h.reason)).collect()
}

#[test]
fn a_newer_tag_takes_over_at_once_and_goes_on_to_the_end() {
    let mut w = on_its_way();
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), brought(&w)), (Phase::AwaitingPromotion, vec!["sha-b2".into(), "sha-c3".into()]));
    assert_eq!(ended(&w)[0], ("sha-b2".into(), Reason::Superseded));
    w.approve();
    w.run();
    assert_eq!((w.phase(), w.rel.finalizer), (Phase::Verified, false), "{}", w.message());
    assert!(w.rel.status.debts.is_empty() && w.rel.status.quarantine.is_empty());
}

#[test]
fn while_it_waits_for_a_person_too() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w.tag("sha-d4");
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::AwaitingPromotion, "sha-d4"));
    assert!(w.announced(Reason::Superseded));
}

#[test]
fn what_it_inherited_is_its_own_way_back() {
    let mut w = on_its_way().behave("sha-d4", Behaviour::FailsHealth);
    for tag in ["sha-c3", "sha-d4"] {
        w.behaviour.insert("sha-c3".into(), Behaviour::NeverReady);
        w.tag(tag);
        w.run_until(|w| brought(w).last().is_some_and(|b| b == tag));
        w.turn();
    }
    w.run();
    assert_eq!((w.phase(), brought(&w).join(" ").as_str()), (Phase::RolledBack, "sha-b2 sha-c3 sha-d4 sha-a1"));
    let held: Vec<String> = w.rel.status.quarantine.iter().map(|q| q.image.short()).collect();
    assert_eq!(held, ["sha-d4"], "only what failed by its own fault");
    assert!(w.rel.status.debts.is_empty(), "{:?}", w.rel.status.debts);
}

#[test]
fn going_back_to_what_was_there_is_its_restore() {
    let mut w = on_its_way();
    w.tag("sha-a1");
    w.run();
    assert_eq!((w.phase(), brought(&w).join(" ").as_str()), (Phase::Verified, "sha-b2 sha-a1"), "{}", w.message());
    assert_eq!(w.rel.status.rollout.as_ref().unwrap().stages[0].targets[0].state, TargetStep::Verified);
}

/// The newer rollout ends before its first write. What it inherited is taken back all the same.
#[test]
fn it_pays_even_if_it_ends_before_its_own_first_write() {
    let refused = |w: &mut World| w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    let abort = |w: &mut World| {
        w.refuse = None;
        let id = id(w);
        w.annotate(annotation::ABORT, &id);
    };
    let delete = |w: &mut World| {
        w.refuse = None;
        w.rel.deleting = true;
    };
    // Admission refuses until the time is over.
    let wait = |w: &mut World| {
        w.look_on(Duration::from_secs(700));
        w.refuse = None;
    };
    type Way<'a> = (&'a str, &'a dyn Fn(&mut World), Reason);
    let ways: [Way; 3] = [
        ("abort", &abort, Reason::Aborted),
        ("delete", &delete, Reason::Deleted),
        ("deadline", &wait, Reason::RolledBack),
    ];
    for (name, end, reason) in ways {
        let mut w = on_its_way();
        refused(&mut w);
        w.tag("sha-c3");
        w.look_on(Duration::from_secs(60));
        assert_eq!((w.phase(), brought(&w).len()), (Phase::Pending, 1), "{name}: {}", w.message());
        end(&mut w);
        w.run();
        assert_eq!(brought(&w).join(" "), "sha-b2 sha-a1", "{name}: {}", w.message());
        assert_eq!((w.phase(), w.reason()), (Phase::RolledBack, reason), "{name}: {}", w.message());
        assert!(w.rel.status.debts.is_empty() && !w.rel.finalizer, "{name}");
    }
}

#[test]
fn a_target_that_was_not_written_yet_is_no_debt() {
    let yaml = format!(
        "image: {{repository: {REPOSITORY}, tag: sha-a1}}
stages:
- name: staging
  targets:
  - {{name: web, kubernetes: {{kind: Deployment, name: web, containers: [app]}}}}
  - {{name: worker, kubernetes: {{kind: Deployment, name: worker, containers: [app]}}}}
  healthChecks: [{{name: health, http: {{pods: {{port: 8080, target: web}}}}, retry: {{attempts: 3, interval: 1s}}}}]
- name: production
  targets: [{{name: web, kubernetes: {{kind: Deployment, name: production, containers: [app]}}}}]
  checks: None"
    );
    let mut w = World::of(spec(&yaml), "sha-a1");
    w.run();
    w.forget();
    w.tag("sha-b2");
    w.run_until(|w| w.writes.len() == 1);
    w.refuse = Some((Refused::Forbidden, "User cannot patch resource".into()));
    w.turn();
    w.tag("sha-c3");
    w.turn();
    w.refuse = None;
    w.behaviour.insert("sha-c3".into(), Behaviour::CrashLoop);
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "sha-a1"), "{}", w.message());
    let effects: std::collections::BTreeSet<_> = w.writes.iter().map(|w| w.stamp.effect.to_string()).collect();
    assert_eq!(effects.len(), w.writes.len(), "{effects:?}");
}

#[test]
fn who_changed_it_meanwhile_is_not_overwritten_unasked() {
    let mut w = on_its_way();
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    w.tag("sha-c3");
    w.look_on(Duration::from_secs(5));
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
    w.converge();
    w.behaviour.insert("sha-c3".into(), Behaviour::FailsHealth);
    w.refuse = None;
    w.run();
    assert_eq!((w.phase(), w.runs("staging").as_str()), (Phase::RolledBack, "x9"), "what they brought is the way back");
}

#[test]
fn where_it_may_not_the_stage_is_taken_back_first() {
    let manual = Some(Promotion { mode: PromotionMode::Manual, timeout: Duration::from_secs(60) });
    let by_hand = manual.clone();
    type Change = (&'static str, Box<dyn Fn(&mut ReleaseSpec)>);
    let changes: Vec<Change> = vec![
        ("a person is asked", Box::new(move |s| s.stages[0].promotion = manual.clone())),
        ("other stages", Box::new(|s| s.stages[1].name = "live".into())),
        ("another repository", Box::new(|s| s.image.repository = "ghcr.io/acme/other".into())),
        ("suspended", Box::new(|s| s.suspend = true)),
        ("a limit that compares", Box::new(|s| s.stages[0].performance_checks = vec![compares()])),
    ];
    for (name, change) in changes {
        let mut w = on_its_way();
        w.edit(|s| {
            s.image.tag = Some("sha-c3".into());
            change(s);
        });
        w.run_until(|w| w.rel.status.running().is_none() || w.writes.len() > 1);
        w.turn();
        assert_eq!(brought(&w)[..2].join(" "), "sha-b2 sha-a1", "{name}");
    }
    let mut w = World::new("sha-a1", "sha-a1");
    w.edit(|s| s.stages[0].promotion = by_hand.clone());
    w.run();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
    w.approve();
    w.run_until(|w| w.step_name() == Step::Rolling && w.writes.len() == 1);
    w.turn();
    w.tag("sha-c3");
    w.run();
    assert_eq!(brought(&w)[..2].join(" "), "sha-b2 sha-a1", "the first stage was approved by a person");
    let mut single = two_stages("sha-a1");
    single.stages.truncate(1);
    single.stages[0].promotion = Some(Promotion { mode: PromotionMode::Automatic, timeout: Duration::from_secs(60) });
    let mut w = World::of(single, "sha-a1");
    w.run();
    w.forget();
    w = started(w);
    w.tag("sha-c3");
    w.run();
    assert_eq!(brought(&w).join(" "), "sha-b2 sha-a1 sha-c3", "the only stage is production");
}

fn compares() -> crate::api::spec::PerformanceCheck {
    let check = serde_json::json!({
        "name": "load", "http": {"pods": {"port": 80}}, "thresholds": {"p95": {"maxIncrease": "20%"}},
    });
    serde_json::from_value(check).unwrap()
}

#[test]
fn an_image_that_failed_here_takes_nobodys_place() {
    let mut w = World::verified("sha-a1").behave("sha-c3", Behaviour::FailsHealth);
    w.tag("sha-c3");
    w.run();
    assert_eq!(w.reason(), Reason::RolledBack);
    w.forget();
    let mut w = started(w);
    w.tag("sha-c3");
    w.run();
    assert_eq!((brought(&w).join(" ").as_str(), w.reason()), ("sha-b2 sha-a1", Reason::Quarantined));
}

#[test]
fn a_write_of_which_nothing_is_known_is_taken_back_first() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.next_write().is_some());
    w.carry_out(w.decide(), Fate::NotDone);
    w.tag("sha-c3");
    w.run();
    assert_eq!((w.phase(), brought(&w).join(" ").as_str()), (Phase::AwaitingPromotion, "sha-c3"), "{}", w.message());
    assert_eq!(ended(&w)[0], ("sha-b2".into(), Reason::Superseded));
}

#[test]
fn a_stage_that_inherited_has_begun_and_is_not_suspended() {
    let mut w = on_its_way();
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    w.tag("sha-c3");
    w.look_on(Duration::from_secs(5));
    w.edit(|s| s.suspend = true);
    w.refuse = None;
    w.run();
    assert_eq!(w.runs("staging"), "sha-c3", "{}", w.message());
    assert_ne!(w.rel.status.rollout.as_ref().unwrap().stages[0].verified_at, None);
}

#[test]
fn a_lost_status_does_not_lose_what_was_inherited() {
    let mut w = on_its_way().behave("sha-c3", Behaviour::FailsHealth);
    w.refuse = Some((Refused::Invalid, "denied by policy".into()));
    w.tag("sha-c3");
    w.look_on(Duration::from_secs(5));
    w.rel.status = crate::api::ReleaseStatus::default();
    w.refuse = None;
    w.run();
    assert_eq!(w.targets.len(), 2);
    assert!(w.targets.contains_key(&TargetId::new("staging", "web")));
    assert_eq!(w.runs("staging"), "sha-a1", "{}", w.message());
}

/// While its own hook runs nothing of it is written yet.
#[test]
fn who_changes_what_was_taken_over_is_not_overwritten() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| s.stages[0].hooks = vec![hook("one", json!({}))]);
    let mut w = started(w);
    w.endings.insert("one".into(), Ending::Never);
    w.tag("sha-c3");
    let inherited =
        |w: &World| w.rel.status.rollout.as_ref().unwrap().stages[0].targets[0].state == TargetStep::Inherited;
    w.run_until(|w| inherited(w) && w.runs_of("one") == 2);
    set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
    w.endings.clear();
    w.run();
    assert_eq!((w.reason(), w.runs("staging").as_str()), (Reason::Contended, "x9"), "{}", w.message());
    assert_eq!(brought(&w), ["sha-b2"]);
}

/// Each of those that could not write owes what it took over, and what was owed before it; the latest two are enough.
#[test]
fn what_is_owed_by_many_is_remembered_of_the_latest() {
    let mut w = on_its_way();
    w.live("staging").paused = true;
    w.tag("sha-c3");
    w.come_to_rest();
    let owed = |w: &World| w.rel.status.debts.iter().map(|b| b.written[0].image.short()).collect::<Vec<_>>();
    assert_eq!((w.condition("Ready").unwrap().1.as_str(), owed(&w)), ("TargetPaused", vec!["sha-b2".to_owned()]));
    for (n, tag) in ["x1", "x2"].into_iter().enumerate() {
        let mut older = w.rel.status.debts[n].clone();
        older.written[0].image = Image::build(REPOSITORY, Some(tag), None);
        w.rel.status.debts.insert(n, older);
    }
    w.tag("sha-d4");
    w.come_to_rest();
    assert_eq!(owed(&w), ["x2", "sha-b2"], "{}", w.message());
}

/// What runs is not known from a look that is older than our own write.
#[test]
fn nobody_takes_over_on_the_word_of_an_old_look() {
    let mut w = World::verified("sha-a1");
    let before = w.live("staging").clone();
    let mut w = started(w);
    let now = std::mem::replace(w.live("staging"), before);
    w.tag("sha-c3");
    assert_eq!(w.decide().status.rollout.unwrap().image.short(), "sha-b2");
    *w.live("staging") = now;
    assert_eq!(w.decide().status.rollout.unwrap().image.short(), "sha-c3");
}

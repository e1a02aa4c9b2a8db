//! A write that was given up on, and was made after all.

use super::begun::{id, rolling};
use super::jobs::Ending;
use super::play::Fate;
use super::workloads::{Behaviour, set_image};
use super::world::World;
use crate::api::effect::{Refused, TargetWrite};
use crate::api::spec::Hook;
use crate::api::status::{Phase, Step};
use crate::api::time::Duration;
use crate::api::{Image, annotation};
use serde_json::json;

/// The first forward write is under way, its deadline has passed, and what ran before is being proven.
fn given_up() -> (World, TargetWrite) {
    let mut w = rolling(|_| {});
    let late = unanswered(&mut w);
    w.pass(Duration::from_secs(3600));
    w.run_until(|w| w.step_name() == Step::VerifyingRestore);
    (w, late)
}

#[test]
fn one_that_lands_while_the_old_version_is_proven_is_taken_back() {
    let (mut w, late) = given_up();
    w.write(late);
    assert_eq!(w.runs("staging"), "sha-b2");
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.phase()), ("sha-a1", Phase::RolledBack), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

#[test]
fn the_same_image_by_somebody_else_is_left_alone() {
    let (mut w, late) = given_up();
    let image = late.images[0].image.clone();
    w.write(late);
    set_image(w.live("staging"), "app", Image::new("ghcr.io/acme/shop:sha-a1"), "kubectl-edit");
    set_image(w.live("staging"), "app", image, "kubectl-edit");
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.phase()), ("sha-b2", Phase::Failed), "{}", w.message());
}

/// Its answer was lost, the next try is refused, and then the first one comes through after all.
fn refused_and_made_after_all(behaviour: Behaviour) -> World {
    let mut w = rolling(|_| {}).behave("sha-b2", behaviour);
    let late = unanswered(&mut w);
    w.refuse = Some((Refused::Forbidden, "admission webhook denied the request".into()));
    w.run_until(|w| w.step_name() == Step::Preflight);
    w.refuse = None;
    w.write(late);
    assert_eq!(w.runs("staging"), "sha-b2");
    w
}

#[test]
fn one_that_was_refused_and_landed_is_taken_back_when_it_fails() {
    let mut w = refused_and_made_after_all(Behaviour::FailsHealth);
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.phase()), ("sha-a1", Phase::RolledBack), "{}", w.message());
    assert!(w.rel.status.debts.is_empty() && w.rel.status.quarantine.len() == 1);
}

#[test]
fn one_that_was_refused_and_landed_is_verified_when_it_is_well() {
    let mut w = refused_and_made_after_all(Behaviour::Healthy);
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.phase()), ("sha-b2", Phase::AwaitingPromotion), "{}", w.message());
    assert!(w.rel.status.debts.is_empty());
}

#[test]
fn one_that_was_refused_and_landed_is_taken_back_after_an_abort() {
    let mut w = refused_and_made_after_all(Behaviour::Healthy);
    w.annotate(annotation::ABORT, &id(&w));
    w.run();
    assert_eq!((w.runs("staging").as_str(), w.rel.status.debts.len()), ("sha-a1", 0), "{}", w.message());
}

/// Its answer was lost, somebody aborts, and what undoes the migration is at work when it comes through.
#[test]
fn one_that_lands_while_a_hook_undoes_the_migration_is_taken_back() {
    let hook = |name| json!({"name": name, "timeout": "60s", "job": {"fromCronJob": {"name": name}}});
    let hooks = |name| vec![serde_json::from_value::<Hook>(hook(name)).unwrap()];
    for (ending, phase) in [(Ending::Well, Phase::RolledBack), (Ending::Badly, Phase::Failed)] {
        let mut w = World::verified("sha-a1");
        w.edit(|s| {
            (s.stages[0].hooks, s.stages[0].on_rollback) = (hooks("one"), hooks("undo"));
            s.image.tag = Some("sha-b2".into());
        });
        w.run_until(|w| w.step_name() == Step::Rolling);
        let late = unanswered(&mut w);
        w.annotate(annotation::ABORT, &id(&w));
        w.endings.insert("undo".into(), ending);
        w.run_until(|w| w.runs_of("undo") == 1);
        w.write(late);
        assert_eq!(w.runs("staging"), "sha-b2");
        w.run();
        assert_eq!((w.runs("staging").as_str(), w.phase()), ("sha-a1", phase), "{}", w.message());
        assert!(w.rel.status.debts.is_empty() && w.runs_of("undo") == 1);
    }
}

/// The next write, which is under way for longer than anybody waits.
fn unanswered(w: &mut World) -> TargetWrite {
    w.run_until(|w| w.next_write().is_some());
    let write = w.next_write().unwrap();
    w.carry_out(w.decide(), Fate::NotDone);
    write
}

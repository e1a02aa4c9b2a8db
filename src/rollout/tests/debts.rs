//! What is remembered of targets, and for how long: what was verified, and what was written and neither verified nor taken back.

use super::workloads::{Behaviour, set_image};
use super::world::{REPOSITORY, World, two_targets};
use crate::api::effect::Refused;
use crate::api::spec::RollbackMode;
use crate::api::status::{Debt, Step};
use crate::api::{Image, Reason, annotation};

/// A stage of two Deployments that ran `sha-a1`, verified, and got `sha-b2`, which is ill and cannot be taken back.
fn left() -> World {
    let mut w = World::of(two_targets("sha-a1"), "sha-a1").behave("sha-b2", Behaviour::FailsHealth);
    w.run();
    w.forget();
    w.tag("sha-b2");
    w.run_until(|w| w.step_name() == Step::Verifying);
    w.refuse = Some((Refused::Forbidden, "forbidden".into()));
    w.run_until(|w| w.announced(Reason::RollbackFailed));
    w
}

/// What each target owes: its name, and what was written there.
fn owed(w: &World) -> Vec<(String, String)> {
    let debt = |b: &Debt| (b.target.clone(), b.written[0].image.short());
    let mut all: Vec<_> = w.rel.status.debts.iter().map(debt).collect();
    all.sort();
    all
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn each_target_owes_what_was_written_to_it() {
    let mut w = left();
    w.tag("sha-c3");
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.image.short() == "sha-c3"));
    assert_eq!(owed(&w), pairs(&[("api", "sha-b2"), ("web", "sha-b2")]));
}

/// Another rollout that ends before it writes owes the same, once.
#[test]
fn a_debt_that_is_taken_over_and_not_paid_is_remembered_once() {
    let mut w = left();
    w.tag("sha-c3");
    let waits =
        |w: &World| w.rel.status.rollout.as_ref().is_some_and(|r| r.image.short() == "sha-c3" && r.blocked.is_some());
    w.run_until(waits);
    w.tag("sha-d4");
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.image.short() == "sha-d4"));
    assert_eq!(owed(&w), pairs(&[("api", "sha-b2"), ("web", "sha-b2")]));
    w.refuse = None;
    w.run();
    assert_eq!(w.reason(), Reason::Verified, "{}", w.message());
    assert_eq!(owed(&w), []);
}

/// What is no target any more is not remembered as stable, though its stage or a namesake of another stage is left.
#[test]
fn what_was_verified_is_remembered_of_targets_that_are_there() {
    let mut w = left();
    w.refuse = None;
    w.run();
    w.edit(|s| {
        s.stages[0].targets.truncate(1);
        s.image.tag = Some("sha-c3".into());
    });
    w.run();
    let stable: Vec<_> = w.rel.status.stable.iter().map(|s| (s.target.as_str(), s.images[0].image.short())).collect();
    assert_eq!(stable, [("web", "sha-c3".to_owned())], "{}", w.message());
}

/// A short history forgets that an image was verified; what its only stage was last verified with does not.
#[test]
fn an_image_that_is_stable_everywhere_was_verified_before() {
    for stable in [true, false] {
        let mut one = two_targets("sha-a1");
        one.stages[0].targets.truncate(1);
        let mut w = World::of(one, "sha-a1");
        w.run();
        w.rel.status.history.clear();
        if !stable {
            w.rel.status.stable[0].images[0].image = Image::build(REPOSITORY, Some("sha-0"), None);
        }
        // Somebody brings another one, and it is brought again by an edit that asks for no other image.
        set_image(w.live("staging"), "app", Image::build(REPOSITORY, Some("x9"), None), "kubectl");
        w.converge();
        w.behaviour.insert("sha-a1".into(), Behaviour::FailsHealth);
        w.edit(|s| s.stages[0].rollback.mode = RollbackMode::Manual);
        w.annotate(annotation::RETRY, "again");
        w.run();
        let held = &w.rel.status.quarantine;
        assert_eq!(held.iter().map(|q| q.verified_before).collect::<Vec<_>>(), [stable], "{}", w.message());
    }
}

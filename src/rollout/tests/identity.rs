//! What registries say, and what follows from it.

use super::world::{REPOSITORY, World, two_stages};
use crate::api::spec::Resolve;
use crate::api::status::{Phase, ResolvedImage, Step};
use crate::api::time::Duration;
use crate::api::view::{Lookup, Manifest};
use crate::api::{Digest, Image, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";
const MIRROR: &str = "mirror.example/shop";

fn digest(n: u8) -> Digest {
    Digest::parse(&format!("sha256:{n:064x}")).unwrap()
}
fn index(n: u8, members: &[u8]) -> Lookup<Manifest> {
    let members = members.iter().map(|m| digest(*m)).collect();
    Lookup::Known(Manifest::Found(ResolvedImage { digest: digest(n), members, partial: false }))
}
fn image(repository: &str) -> Image {
    Image::build(repository, Some(NEW), None)
}

/// Both stages run `OLD`; the new tag is to be resolved, to what the world's registry says.
fn world(said: Lookup<Manifest>) -> World {
    let mut spec = two_stages(NEW);
    spec.image.resolve = Resolve::Registry;
    let mut w = World::of(spec, OLD);
    w.registries.insert(image(REPOSITORY), said);
    w
}

/// What the pods of the new image report from now on.
fn pods_report(w: &mut World, stage: &str, found: &Digest) {
    w.reports.insert((stage.to_owned(), image(REPOSITORY)), found.clone());
}

#[test]
fn a_registry_is_asked_before_each_stage_and_not_in_between() {
    let mut w = world(index(1, &[2, 3]));
    pods_report(&mut w, "staging", &digest(2));
    pods_report(&mut w, "production", &digest(3));
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
    assert_eq!(w.asked_for.len(), 1);
    w.pass(Duration::from_secs(60));
    w.turn();
    w.turn();
    assert_eq!(w.asked_for.len(), 1, "nobody asks while a person is waited for");
    w.approve();
    w.run();
    assert_eq!(w.rel.status.phase, Some(Phase::Verified));
    assert_eq!(w.asked_for.len(), 2);
    let status = &w.rel.status;
    assert_eq!(status.rollout.as_ref().unwrap().digest, Some(digest(1)));
    assert_eq!(status.history[0].digest, Some(digest(1)));
    assert_eq!(status.indexes[0].members, [digest(2), digest(3)]);
    assert!(w.events.iter().any(|(r, note)| *r == Reason::RolloutStarted && note.contains(digest(1).as_str())));
    let tags: Vec<_> = w.writes.iter().flat_map(|x| &x.images).map(|i| i.image.clone()).collect();
    assert_eq!(tags, [image(REPOSITORY), image(REPOSITORY)], "what is written is the tag");
}

#[test]
fn without_being_told_nobody_is_asked() {
    let mut w = World::new(OLD, NEW);
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
    assert!(w.asked_for.is_empty());
}

#[test]
fn a_missing_image_is_waited_for() {
    let mut w = world(Lookup::Known(Manifest::Missing));
    for _ in 0..4 {
        w.turn();
    }
    assert_eq!(w.condition("Ready").unwrap(), ("Unknown".into(), "ImageNotFound".into()));
    assert!(w.writes.is_empty() && w.message().contains("push it"), "{}", w.message());
    assert!(w.rel.status.rollout.as_ref().unwrap().spec.is_none(), "an edit of the spec begins it anew");
    w.registries.insert(image(REPOSITORY), index(1, &[]));
    pods_report(&mut w, "staging", &digest(1));
    w.pass(Duration::from_secs(10));
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
}

#[test]
fn a_moved_tag_never_reaches_production() {
    let mut w = world(index(1, &[2]));
    pods_report(&mut w, "staging", &digest(1));
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
    w.registries.insert(image(REPOSITORY), index(4, &[5]));
    w.approve();
    w.run();
    let rollout = w.rel.status.rollout.clone().unwrap();
    assert_eq!((w.rel.status.phase, rollout.reason), (Some(Phase::Failed), Some(Reason::DigestDiffers)));
    assert_eq!(w.writes.len(), 1, "staging alone was written, once");
    let said = rollout.cause.unwrap().message;
    assert!(said.contains(digest(1).as_str()) && said.contains(digest(4).as_str()), "{said}");
    assert!(w.rel.status.quarantine.is_empty());
}

#[test]
fn pods_that_run_something_else_end_the_stage() {
    let mut w = world(index(1, &[2]));
    pods_report(&mut w, "staging", &digest(7));
    w.run();
    assert_eq!(w.rel.status.phase, Some(Phase::RolledBack));
    assert_eq!(w.rel.status.rollout.clone().unwrap().cause.unwrap().reason, Reason::DigestDiffers);
    assert!(w.rel.status.quarantine.is_empty());
}

#[test]
fn what_a_registry_does_not_tell_is_said_once_or_waited_for() {
    for said in [Lookup::Denied("no".into()), Lookup::Unanswered("silence".into())] {
        let mut w = world(said.clone());
        w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
        let told = w.events.iter().filter(|(r, _)| *r == Reason::DigestUnknown).count();
        assert_eq!(told, 1, "{:?}", w.events);
        let mut w = world(said);
        w.rel.spec.image.require_digest = true;
        for _ in 0..4 {
            w.turn();
        }
        assert_eq!(w.condition("Ready").unwrap().1, "DigestUnknown");
        assert!(w.writes.is_empty());
        w.registries.insert(image(REPOSITORY), index(1, &[]));
        pods_report(&mut w, "staging", &digest(1));
        w.pass(Duration::from_secs(10));
        w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
    }
}

#[test]
fn being_turned_away_is_tried_again_soon() {
    let mut w = world(Lookup::NotAsked);
    for _ in 0..4 {
        w.turn();
    }
    assert!(w.writes.is_empty() && w.again == Some(w.now.plus(Duration::from_secs(1))), "{:?}", w.again);
    assert!(w.rel.status.rollout.as_ref().unwrap().blocked.is_none(), "nothing is wrong");
    w.registries.insert(image(REPOSITORY), index(1, &[]));
    pods_report(&mut w, "staging", &digest(1));
    w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
}

#[test]
fn a_mirror_must_have_the_same_image() {
    for (mirrored, same) in
        [(index(1, &[2, 3]), true), (index(2, &[]), true), (index(8, &[3]), true), (index(8, &[9]), false)]
    {
        let mut w = world(index(1, &[2, 3]));
        w.rel.spec.stages[1].targets[0].repository = Some(MIRROR.to_owned());
        w.live("production").allow_repository = Some(MIRROR.to_owned());
        w.registries.insert(image(MIRROR), mirrored.clone());
        pods_report(&mut w, "staging", &digest(1));
        for _ in 0..4 {
            w.turn();
        }
        if !same {
            assert_eq!(w.condition("Ready").unwrap().1, "DigestDiffers");
            assert!(w.writes.is_empty() && w.message().contains("packed anew"), "{}", w.message());
            w.registries.insert(image(MIRROR), index(1, &[2, 3]));
            w.pass(Duration::from_secs(10));
        }
        w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
        let Lookup::Known(Manifest::Found(found)) = w.registries[&image(MIRROR)].clone() else { panic!() };
        w.reports.insert(("production".to_owned(), image(MIRROR)), found.digest);
        w.approve();
        w.run();
        assert_eq!(w.rel.status.phase, Some(Phase::Verified), "{mirrored:?}: {}", w.message());
    }
}

#[test]
fn a_crash_after_any_status_asks_again_and_ends_the_same() {
    use super::play::Fate;
    for at in 0..12 {
        let mut w = world(index(1, &[2]));
        pods_report(&mut w, "staging", &digest(2));
        pods_report(&mut w, "production", &digest(1));
        for n in 0..=at {
            let decision = w.decide();
            w.carry_out(decision, if n == at { Fate::Crash } else { Fate::Done });
            w.converge();
        }
        w.run_until(|w| w.step_name() == Step::AwaitingPromotion);
        w.approve();
        w.run();
        assert_eq!((w.rel.status.phase, w.writes.len()), (Some(Phase::Verified), 2), "crash at {at}");
    }
}

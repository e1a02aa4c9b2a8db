//! What load balancers and registries say, and what follows from it.

use super::services::{NEW, service, target, view};
use super::world::{REPOSITORY, World};
use crate::api::status::{Phase, Step, TargetStep};
use crate::api::view::{
    DeploymentStatus, EcsView, HealthState, LiveTarget, Lookup, RegistryImage, StopCode, TargetHealth, TaskView,
};
use crate::api::{Image, Reason};
use crate::rollout::ecs;
use HealthState::{Draining, Healthy, Initial, Unavailable, Unhealthy, Unknown, Unused};

fn health(task: &str, state: HealthState, reason: &str) -> TargetHealth {
    TargetHealth {
        task: task.into(),
        address: "10.0.1.2".into(),
        later: false,
        group: "shop".into(),
        state,
        reason: (!reason.is_empty()).then(|| reason.into()),
        description: None,
    }
}

/// A service that ECS calls done, with this health.
fn done(health: Lookup<Vec<TargetHealth>>) -> LiveTarget {
    let mut live = service(NEW, NEW, DeploymentStatus::Successful);
    live.ecs.as_mut().unwrap().health = health;
    live
}

#[test]
fn what_load_balancers_have_not_taken_in_is_not_rolled_out() {
    let known = |state, reason| Lookup::Known(vec![health("a", Healthy, ""), health("b", state, reason)]);
    let later = |state, reason| {
        Lookup::Known(vec![health("a", Healthy, ""), TargetHealth { later: true, ..health("b", state, reason) }])
    };
    for (found, wanted) in [
        (Lookup::NotAsked, true),
        (Lookup::Denied("no".into()), true),
        // Unknown is never a pass.
        (Lookup::Unanswered("no".into()), false),
        (Lookup::Known(vec![]), true),
        // Two are wanted, and one ended before it was asked for.
        (Lookup::Known(vec![health("a", Healthy, "")]), false),
        (Lookup::Known(vec![health("a", Healthy, ""), health("a", Healthy, "")]), false),
        (known(Healthy, ""), true),
        (known(Initial, "Elb.RegistrationInProgress"), false),
        (known(Unhealthy, "Target.Timeout"), false),
        (known(Draining, "Target.DeregistrationInProgress"), false),
        (known(Unknown, ""), false),
        (known(Unused, "Target.NotRegistered"), false),
        // Scaling is no part of it, but what it brings must not be ill.
        (later(Initial, "Elb.RegistrationInProgress"), true),
        (later(Unused, "Target.NotRegistered"), true),
        (later(Unhealthy, "Target.Timeout"), false),
        // Nobody judges these.
        (known(Unused, "Target.NotInUse"), true),
        (known(Unavailable, "Elb.InternalError"), true),
    ] {
        let live = done(found.clone());
        assert_eq!(ecs::rolled_out(&live, view(&live)), wanted, "{found:?}");
    }
}

#[test]
fn a_deadline_names_what_load_balancers_wait_for() {
    let said = |found| {
        let live = done(found);
        ecs::waiting_for(&live, view(&live))
    };
    let mut wrong = health("a1", Unhealthy, "Target.ResponseCodeMismatch");
    wrong.description = Some("Health checks failed with these codes: [503]".into());
    let (reason, message) = said(Lookup::Known(vec![health("b2", Initial, ""), wrong.clone()]));
    assert_eq!(reason, Reason::ProgressDeadlineExceeded);
    assert_eq!(
        message,
        "task a1 at 10.0.1.2 is unhealthy in target group shop (Target.ResponseCodeMismatch: Health checks failed with \
         these codes: [503])"
    );
    let (_, message) = said(Lookup::Known(vec![wrong.clone(), wrong]));
    assert!(message.ends_with(", and 1 more"), "{message}");
    let (_, message) = said(Lookup::Known(vec![health("c3", Unused, "Target.NotRegistered")]));
    assert_eq!(message, "task c3 at 10.0.1.2 is not registered in target group shop (Target.NotRegistered)");
    let (reason, message) = said(Lookup::Unanswered("nobody".into()));
    assert!(reason == Reason::Inconclusive && message.ends_with("nobody"), "{reason} {message}");
}

/// A load balancer's word ends nothing before ECS has acted on it, more than once.
#[test]
fn tasks_that_no_load_balancer_finds_well_are_proof() {
    let ill = "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:::targetgroup/shop)";
    let wrong = health("x", Unhealthy, "Target.ResponseCodeMismatch");
    let silent = health("x", Unhealthy, "Target.Timeout");
    let well = health("y", Healthy, "");
    let half = health("x", Healthy, "");
    let known = |all: Vec<TargetHealth>| Lookup::Known(all);
    for (times, reason, found, wanted) in [
        (0, ill, known(vec![wrong.clone()]), None),
        (2, ill, known(vec![wrong.clone()]), None),
        (3, ill, known(vec![wrong.clone()]), Some(true)),
        (3, ill, known(vec![silent]), Some(false)),
        (3, ill, known(vec![]), Some(false)),
        (9, ill, known(vec![wrong.clone(), well]), None),
        // Who does not answer may find the others well.
        (9, ill, Lookup::Unanswered("timeout".into()), None),
        // Nothing runs, or nobody may ever know.
        (3, ill, Lookup::NotAsked, Some(false)),
        (3, ill, Lookup::Denied("no".into()), Some(false)),
        // Well for one load balancer and not for the other.
        (3, ill, known(vec![wrong.clone(), half]), Some(true)),
        (9, "Scaling activity initiated by deployment", known(vec![wrong]), None),
    ] {
        let mut live = service(NEW, NEW, DeploymentStatus::InProgress);
        let stopped = TaskView { id: "t".into(), code: StopCode::Other, reason: reason.into(), containers: vec![] };
        let ecs: &mut EcsView = live.ecs.as_mut().unwrap();
        (ecs.stopped, ecs.health) = (vec![stopped; times], found);
        let proof = ecs::failure(&live, view(&live), &target(TargetStep::Written));
        assert_eq!(proof.as_ref().map(|f| f.fault), wanted, "{times} x {reason}: {proof:?}");
        assert!(proof.is_none_or(|f| f.reason == Reason::HealthCheckFailed));
        // ECS is going back: whose health is seen is another version's.
        live.revision = Some(super::services::OLD.into());
        let proof = ecs::failure(&live, view(&live), &target(TargetStep::Written));
        assert_eq!(proof.map(|f| f.fault), (times >= 3 && reason == ill).then_some(false), "{times} x {reason}");
    }
}

/// A world whose production knows this of its image.
fn world(found: Lookup<RegistryImage>) -> World {
    let mut w = World::verified("sha-a1");
    let mut ecs = service(NEW, NEW, DeploymentStatus::Successful).ecs.unwrap();
    ecs.image = found;
    w.live("production").ecs = Some(ecs);
    w.tag("sha-b2");
    w
}

#[test]
fn an_image_that_is_not_there_stops_everything_before_the_first_write() {
    let image = Image::build(REPOSITORY, Some("sha-b2"), None);
    let mut w = world(Lookup::Known(RegistryImage { image: image.clone(), there: false }));
    for _ in 0..5 {
        w.turn();
    }
    assert_eq!((w.phase(), w.writes.len(), w.runs("staging").as_str()), (Phase::Pending, 0, "sha-a1"));
    assert_eq!(w.condition("Ready").unwrap(), ("Unknown".into(), "ImageNotFound".into()));
    assert!(w.message().contains(&format!("{image} is not in its ECR repository")), "{}", w.message());
    assert!(w.again.is_some(), "nothing else tells when it is pushed");
    w.live("production").ecs.as_mut().unwrap().image = Lookup::Known(RegistryImage { image, there: true });
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion, "{}", w.message());
}

#[test]
fn only_a_clear_word_stops_and_a_refusal_is_said_once() {
    for (found, said) in
        [(Lookup::NotAsked, 0), (Lookup::Unanswered("timeout".into()), 0), (Lookup::Denied("no right".into()), 1)]
    {
        let mut w = world(found.clone());
        w.run();
        w.run();
        assert_eq!(w.phase(), Phase::AwaitingPromotion, "{found:?}: {}", w.message());
        let told: Vec<_> = w.events.iter().filter(|e| e.0 == Reason::LookupDenied).collect();
        assert_eq!(told.len(), said, "{found:?}: {told:?}");
        assert!(told.iter().all(|e| e.1.contains("no right")), "{told:?}");
    }
}

#[test]
fn an_image_is_looked_for_until_it_is_written() {
    let mut w = World::verified("sha-a1");
    let asked = |w: &mut World, stage: &str| {
        let live = w.live(stage).clone();
        crate::rollout::image_to_bring(&w.rel, &live).map(|i| i.to_string())
    };
    assert_eq!(asked(&mut w, "staging"), None, "it runs there");
    w.tag("sha-b2");
    let wanted = Some(format!("{REPOSITORY}:sha-b2"));
    assert_eq!((asked(&mut w, "staging"), asked(&mut w, "production")), (wanted.clone(), wanted.clone()));
    w.run_until(|w| w.step_name() == Step::Rolling);
    assert_eq!(asked(&mut w, "production"), None, "this stage is being written");
    w.run();
    assert_eq!(w.phase(), Phase::AwaitingPromotion);
    // The rollout keeps to the spec that it froze.
    w.tag("sha-c3");
    assert_eq!((asked(&mut w, "staging"), asked(&mut w, "production")), (None, wanted));
    w.rel.deleting = true;
    assert_eq!(asked(&mut w, "production"), None);
}

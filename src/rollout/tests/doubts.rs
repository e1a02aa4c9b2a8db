//! Scenes in which a hasty answer would be a wrong one.

use super::world::World;
use crate::api::{Reason, annotation};

/// The intent is stored, the write was never made, and a person aborts.
#[test]
fn an_intent_that_was_never_carried_out_is_taken_back_too() {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run_until(|w| w.decide().effect.is_some_and(|e| matches!(e, crate::api::effect::Effect::Write(_))));
    let decision = w.decide();
    w.carry_out(decision, super::world::Fate::Crash);
    let id = w.rel.status.rollout.as_ref().unwrap().id.to_string();
    w.annotate(annotation::ABORT, &id);
    w.run();
    assert_eq!((w.reason(), w.runs("staging").as_str(), w.writes.len()), (Reason::Aborted, "sha-a1", 0), "{}", w.message());
}

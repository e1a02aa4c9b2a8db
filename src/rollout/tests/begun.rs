//! Worlds in which `sha-b2` has come so far.

use super::workloads::Behaviour;
use super::world::{World, timeout};
use crate::api::spec::Rollback;
use crate::api::status::Phase;
use crate::api::time::Duration;

pub(super) fn id(w: &World) -> String {
    w.rel.status.rollout.as_ref().unwrap().id.to_string()
}

/// `sha-b2` is on its way.
pub(super) fn rolling(change: impl Fn(&mut Rollback)) -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages.iter_mut().for_each(|s| change(&mut s.rollback));
    });
    w
}

/// It failed in production.
pub(super) fn failed_in_production(change: impl Fn(&mut Rollback)) -> World {
    let mut w = rolling(change).behave("production:sha-b2", Behaviour::FailsHealth);
    w.run();
    w.approve();
    w.run();
    w
}

/// It is verified in both stages.
pub(super) fn brought(change: impl Fn(&mut Rollback)) -> World {
    let mut w = rolling(change);
    w.run();
    w.approve();
    w.run();
    assert_eq!(w.phase(), Phase::Verified);
    w.forget();
    w
}

/// Staging has passed its checks and bakes for a minute.
pub(super) fn baking() -> World {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].bake = Some(Duration::from_secs(60));
        timeout(&mut s.stages[0].health_checks[0].question, Duration::from_millis(100));
    });
    w.run_until(|w| w.rel.status.rollout.as_ref().is_some_and(|r| r.stages[0].bake_until.is_some()));
    w
}

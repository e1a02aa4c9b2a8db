//! Where a Release may stand when something happens.

use super::super::jobs::Ending;
use super::super::workloads::Behaviour;
use super::super::world::World;
use crate::api::effect::Effect;
use crate::api::status::Step;
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Reason, TargetId};

pub(super) struct Situation {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) build: fn() -> World,
}

const fn situation(name: &'static str, about: &'static str, build: fn() -> World) -> Situation {
    Situation { name, about, build }
}

pub(super) const ALL: &[Situation] = &[
    situation("New", "The Release was just created; nobody has looked at it.", || {
        quiet(World::new("sha-a1", "sha-b2"))
    }),
    situation("Verified, at rest", "Every stage runs `sha-a1`, verified.", || quiet(World::verified("sha-a1"))),
    situation(
        "Rolled back, at rest",
        "`sha-b2` failed its health check in staging; `sha-a1` is back and verified.",
        || {
            let mut w = failing(Behaviour::FailsHealth);
            w.run();
            quiet(w)
        },
    ),
    situation("Preflight, blocked", "`sha-b2` is asked for, and staging's Deployment is not there.", || {
        let mut w = quiet(World::verified("sha-a1"));
        w.targets.insert(TargetId::new("staging", "web"), TargetView::Absent);
        w.tag("sha-b2");
        w.turn();
        w
    }),
    situation(
        "ChoosingWayBack",
        "A first rollout: what runs now was never verified, so its health check is asked before anything is written.",
        || {
            let mut w = quiet(World::new("sha-a1", "sha-b2"));
            w.run_until(|w| w.step_name() == Step::ChoosingWayBack);
            w
        },
    ),
    situation(
        "ChoosingWayBack, under load",
        "`sha-a1` is verified; before `sha-b2` is written, staging is measured as it is, for a limit that compares with it.",
        || {
            let mut w = quiet(World::verified("sha-a1"));
            w.edit(|s| {
                let check = serde_json::json!({
                    "name": "load", "http": {"pods": {"port": 80}}, "thresholds": {"p95": {"maxIncrease": "20%"}},
                });
                s.stages[0].performance_checks = vec![serde_json::from_value(check).unwrap()];
                s.image.tag = Some("sha-b2".into());
            });
            w.run_until(|w| w.step_name() == Step::ChoosingWayBack);
            w
        },
    ),
    situation(
        "Rolling, before the write",
        "The way back and the intent are stored; staging is not written yet.",
        || {
            let mut w = quiet(World::verified("sha-a1"));
            w.tag("sha-b2");
            stop_before_the_write(w)
        },
    ),
    situation("Rolling, written", "Staging is written and not available yet.", || {
        let mut w = quiet(World::verified("sha-a1"));
        w.tag("sha-b2");
        w.run_until(|w| w.writes.len() == 1);
        w.turn();
        w
    }),
    situation("RunningHooks", "A migration of staging is at work; nothing is written.", || {
        let mut w = hooked();
        w.run_until(|w| w.step_name() == Step::RunningHooks && w.created.len() == 1);
        w.turn();
        quiet(w)
    }),
    situation(
        "RunningHooks, irreversible",
        "A migration that cannot be undone has succeeded in staging, which is written.",
        || {
            let mut w = hooked();
            w.edit(|s| s.stages[0].hooks[0].irreversible = true);
            w.endings.clear();
            w.run_until(|w| w.writes.len() == 1);
            w.turn();
            quiet(w)
        },
    ),
    situation(
        "RunningRollbackHooks",
        "Staging failed and runs `sha-a1` again; what undoes its migration is at work.",
        || {
            let mut w = hooked().behave("sha-b2", Behaviour::FailsHealth);
            w.endings.remove("migrate");
            w.run_until(|w| w.step_name() == Step::RunningRollbackHooks && w.created.len() == 2);
            w.turn();
            quiet(w)
        },
    ),
    situation("Verifying staging", "Staging runs `sha-b2`; its health check is being asked.", || {
        let mut w = quiet(World::verified("sha-a1"));
        w.tag("sha-b2");
        w.run_until(|w| w.step_name() == Step::Verifying);
        w
    }),
    situation("AwaitingPromotion", "Staging is verified; production waits for an approval.", || quiet(waiting())),
    situation("Holding", "Staging runs `sha-b2`, and its checks could not be asked; a person decides.", || {
        let mut w = World::verified("sha-a1").behave("sha-b2", Behaviour::CannotAsk);
        w.edit(|s| {
            s.image.tag = Some("sha-b2".into());
            s.stages[0].rollback.on_inconclusive = crate::api::spec::OnInconclusive::Hold;
        });
        w.run_until(|w| w.step_name() == Step::Holding);
        quiet(w)
    }),
    situation("Baking", "Staging runs `sha-b2` and passed its checks; it bakes for a minute.", || {
        let mut w = World::verified("sha-a1");
        w.edit(|s| {
            s.image.tag = Some("sha-b2".into());
            s.stages[0].bake = Some(crate::api::time::Duration::from_secs(60));
        });
        w.run_until(|w| w.message().contains("bakes until"));
        quiet(w)
    }),
    situation("Verifying production", "Production runs `sha-b2`; its health check is being asked.", || {
        let mut w = quiet(waiting());
        w.approve();
        w.run_until(|w| w.step_name() == Step::Verifying);
        w
    }),
    situation("Restoring, before the write", "Staging failed; the way back is about to be written.", || {
        let mut w = failing(Behaviour::FailsHealth);
        w.run_until(|w| w.step_name() == Step::Verifying);
        for _ in 0..400 {
            if w.next_write().is_some() {
                break;
            }
            if !w.turn() {
                w.now = w.again.unwrap();
            }
        }
        stop_before_the_write(quiet(w))
    }),
    situation("Restoring, written", "The way back is written to staging and not available yet.", || {
        let mut w = failing(Behaviour::FailsHealth);
        w.run_until(|w| w.writes.len() == 2);
        w.turn();
        quiet(w)
    }),
    situation("VerifyingRestore", "Staging runs `sha-a1` again; its health check is being asked.", || {
        let mut w = failing(Behaviour::FailsHealth);
        w.run_until(|w| w.writes.len() == 2);
        w = quiet(w);
        w.run_until(|w| w.step_name() == Step::VerifyingRestore);
        w
    }),
    situation(
        "Restoring, past its deadline",
        "The API server refuses the restoring write; the deadline has passed, and it is tried on.",
        || {
            let mut w = failing(Behaviour::FailsHealth);
            w.run_until(|w| w.step_name() == Step::Verifying);
            w.refuse = Some((crate::api::effect::Refused::Forbidden, "cannot patch resource".into()));
            w.run_until(|w| w.announced(Reason::RollbackFailed));
            w.come_to_rest();
            w.pass(Duration::from_secs(31));
            w = stop_before_the_write(w);
            w.refuse = None;
            quiet(w)
        },
    ),
];

/// From here on no question is answered by itself.
fn quiet(mut w: World) -> World {
    w.mute = true;
    w
}

/// `sha-b2` comes with a migration of staging, and with what undoes it; both take long.
fn hooked() -> World {
    let mut w = World::verified("sha-a1");
    let hook = |name: &str| {
        let job = serde_json::json!({"fromCronJob": {"name": name}});
        serde_json::from_value(serde_json::json!({"name": name, "job": job})).unwrap()
    };
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        (s.stages[0].hooks, s.stages[0].on_rollback) = (vec![hook("migrate")], vec![hook("undo")]);
    });
    for name in ["migrate", "undo"] {
        w.endings.insert(name.into(), Ending::Never);
    }
    w
}

fn failing(behaviour: Behaviour) -> World {
    let mut w = World::verified("sha-a1").behave("sha-b2", behaviour);
    w.tag("sha-b2");
    w
}

fn waiting() -> World {
    let mut w = World::verified("sha-a1");
    w.tag("sha-b2");
    w.run();
    w
}

/// Up to a write whose intent is stored; the write itself is not made.
fn stop_before_the_write(mut w: World) -> World {
    for _ in 0..20 {
        let decision = w.decide();
        if matches!(decision.effect, Some(Effect::Write(_))) {
            w.answer = None;
            w.store(&decision);
            return w;
        }
        assert!(w.turn(), "no write comes: {}", w.message());
    }
    panic!("no write comes: {}", w.message());
}

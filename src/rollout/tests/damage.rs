//! A status that was damaged, at any time and in any way: it is refused as a whole, or what follows is safe.
//!
//! Safe: nothing panics, and no workload is written but for an intent that stands in the status that is stored before.

use super::workloads::Behaviour;
use super::world::{World, two_stages};
use crate::api::ReleaseStatus;
use crate::api::effect::{Effect, TargetWrite};
use crate::api::status::{ContainerImage, TargetStep};
use crate::api::time::Duration;
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{TargetId, Verb, places};
use crate::rollout::Decision;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// What happens to one value of it.
#[derive(Clone, Debug)]
enum Damage {
    Gone,
    Becomes(Value),
    /// Text: only its beginning is left.
    Cut(Index),
    /// Text: far too much of it.
    Huge,
    /// It takes the value that stands elsewhere.
    Swapped(Index),
    Doubled,
}

fn damages() -> impl Strategy<Value = Damage> {
    let other = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!(-1)),
        Just(json!(i64::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(1.5)),
        Just(json!(true)),
        Just(json!("")),
        Just(json!("9999-12-31T23:59:59.999Z")),
        Just(json!("-009999-01-01T00:00:00Z")),
        Just(json!("other/1-1/staging/web/forward")),
        Just(json!("u-1/2-1/production/web/forward")),
        Just(json!("ghcr.io/acme/shop:sha-a1")),
        Just(json!("9223372036854775807-2147483647")),
        Just(json!("Ended")),
        Just(json!("Restoring")),
        Just(json!("Written")),
        ".{0,6}".prop_map(Value::from),
    ];
    prop_oneof![
        3 => Just(Damage::Gone),
        5 => other.prop_map(Damage::Becomes),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => Just(Damage::Huge),
        3 => any::<Index>().prop_map(Damage::Swapped),
        1 => Just(Damage::Doubled),
    ]
}

fn damage(status: &mut Value, at: Index, how: &Damage) {
    let all = places::all(status);
    damage_at(status, at.get::<String>(&all), how);
}

fn damage_at(status: &mut Value, place: &str, how: &Damage) {
    let elsewhere = match how {
        Damage::Swapped(to) => status.pointer(to.get::<String>(&places::all(status))).cloned(),
        _ => None,
    };
    let value = status.pointer_mut(place).unwrap();
    match (how, &mut *value) {
        (Damage::Gone, _) => places::remove(status, place),
        (Damage::Doubled, twice) => {
            let twice = twice.clone();
            let list = places::parent(place).and_then(|(parent, _)| status.pointer_mut(parent)?.as_array_mut());
            list.into_iter().for_each(|list| list.push(twice.clone()));
        }
        (Damage::Becomes(other), _) => *value = other.clone(),
        (Damage::Swapped(_), _) => *value = elsewhere.unwrap_or_default(),
        (Damage::Cut(to), Value::String(text)) => {
            let letters: Vec<char> = text.chars().collect();
            *text = letters.iter().take(to.index(letters.len() + 1)).collect();
        }
        (Damage::Huge, Value::String(text)) => *text = text.repeat(2000),
        _ => {}
    }
}

/// `sha-b2` is on its way through `moves` decisions, and does as it does.
fn world(moves: usize, behaviour: Behaviour, approved: bool) -> World {
    let mut w = World::of(two_stages("sha-a1"), "sha-a1");
    w.run();
    w.behaviour.insert("sha-b2".into(), behaviour);
    w.tag("sha-b2");
    for _ in 0..moves {
        let moved = w.turn();
        let grown = w.converge();
        if approved && w.step_name() == crate::api::status::Step::AwaitingPromotion {
            w.approve();
        } else if let Some(at) = w.again.filter(|at| !moved && !grown && *at < w.now.plus(Duration::from_secs(3600))) {
            w.now = at;
        }
    }
    w
}

/// The intent of this write is stored before it, and speaks of what is seen.
fn intended(w: &World, decision: &Decision, write: &TargetWrite) -> Result<(), TestCaseError> {
    let effect = &write.stamp.effect;
    let rollout = decision.status.running();
    prop_assert!(rollout.is_some(), "{effect}, and nothing runs");
    let stage = rollout.and_then(|r| r.stage_state(&write.stage));
    let state = stage.and_then(|s| s.targets.iter().find(|t| t.name == write.target && t.workload == write.workload));
    prop_assert!(state.is_some_and(|s| s.effect.as_ref() == Some(effect)), "{effect} is not the intent of {state:?}");
    let state = state.unwrap();
    let verb = effect.parts().map(|p| p.verb);
    let image = &rollout.unwrap().image;
    match verb {
        Some(Verb::Forward) => {
            prop_assert!(state.state == TargetStep::Writing, "{effect} in {:?}", state.state);
            prop_assert!(
                write.images.iter().all(|i| i.image == *image),
                "{effect} brings {:?}, not {image}",
                write.images
            );
            prop_assert!(state.way_back.is_some(), "{effect} without a way back");
        }
        Some(Verb::Restore) => {
            prop_assert!(state.state == TargetStep::Restoring, "{effect} in {:?}", state.state);
            let back = state.way_back.as_ref().map(|b| b.images.clone()).unwrap_or_default();
            let (to_bring, kept): (Vec<_>, Vec<_>) = write.images.iter().partition(|i| back.contains(i));
            prop_assert!(!to_bring.is_empty() && to_bring.len() == back.len(), "{effect} brings less than {back:?}");
            // What the way back does not name stays as it is.
            let runs = |i: &&ContainerImage| live(w, write).and_then(|l| l.container(&i.container)).map(|c| &c.image);
            prop_assert!(kept.iter().all(|i| runs(i) == Some(&i.image)), "{effect} brings {kept:?}, not {back:?}");
        }
        None => prop_assert!(false, "{effect} is no effect of a target"),
    }
    prop_assert!(w.rel.finalizer, "{effect} without a finalizer");
    let Some(live) = live(w, write) else {
        return Err(TestCaseError::fail(format!("{effect} is blind")));
    };
    prop_assert!(
        live.uid == write.uid && live.resource_version == write.resource_version,
        "{effect} is of another object"
    );
    Ok(())
}

fn live<'w>(w: &'w World, write: &TargetWrite) -> Option<&'w LiveTarget> {
    match w.targets.get(&TargetId::new(&write.stage, &write.target)) {
        Some(TargetView::Live(live)) => Some(live),
        _ => None,
    }
}

fn is_safe(mut w: World) -> Result<(), TestCaseError> {
    for _ in 0..24 {
        let decision = w.decide();
        if let Some(Effect::Write(write)) = &decision.effect {
            intended(&w, &decision, write)?;
        }
        // What was decided can be stored, and read back by the next version.
        let json = serde_json::to_value(&decision.status).unwrap();
        prop_assert!(serde_json::from_value::<ReleaseStatus>(json).is_ok_and(|s| s == decision.status));
        let moved = w.carry_out(decision, super::play::Fate::Done);
        if !moved && !w.converge() {
            match w.again.filter(|at| *at > w.now) {
                Some(at) => w.now = at,
                None => break,
            }
        }
    }
    Ok(())
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::Healthy),
        Just(Behaviour::FailsHealth),
        Just(Behaviour::CrashLoop),
        Just(Behaviour::CannotAsk)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_status_leads_to_no_write_that_nobody_intended(
        moves in 0..40_usize,
        behaviour in behaviours(),
        approved: bool,
        damages in prop::collection::vec((any::<Index>(), damages()), 1..4),
    ) {
        let mut w = world(moves, behaviour, approved);
        let mut status = serde_json::to_value(&w.rel.status).unwrap();
        damages.iter().for_each(|(at, how)| damage(&mut status, *at, how));
        // What cannot be read at all is left alone, as a whole.
        let Ok(status) = serde_json::from_value::<ReleaseStatus>(status) else { return Ok(()) };
        w.rel.status = status;
        is_safe(w)?;
    }

    #[test]
    fn any_text_is_a_status_or_is_none(text in ".{0,200}", moves in 0..40_usize, at in any::<Index>()) {
        let _ = serde_json::from_str::<ReleaseStatus>(&text);
        let w = world(moves.min(6), Behaviour::Healthy, false);
        let whole = serde_json::to_string(&w.rel.status).unwrap();
        let cut: String = whole.chars().take(at.index(whole.len())).collect();
        prop_assert!(serde_json::from_str::<ReleaseStatus>(&cut).is_err(), "half a status is no status");
    }
}

/// One value after the other is damaged, in one way after the other.
#[test]
fn no_single_damage_leads_to_a_write_that_nobody_intended() {
    let (mut tried, mut wrong) = (0, vec![]);
    for (moves, behaviour) in [(2, Behaviour::Healthy), (6, Behaviour::FailsHealth), (12, Behaviour::Healthy)] {
        let whole = world(moves, behaviour, true);
        let status = serde_json::to_value(&whole.rel.status).unwrap();
        for place in places::all(&status) {
            for how in [Damage::Becomes(json!("")), Damage::Becomes(Value::Null), Damage::Gone, Damage::Doubled] {
                let mut damaged = status.clone();
                damage_at(&mut damaged, &place, &how);
                let Ok(damaged) = serde_json::from_value::<ReleaseStatus>(damaged) else { continue };
                let mut w = whole.clone();
                w.rel.status = damaged;
                if let Err(e) = is_safe(w) {
                    wrong.push(format!("{moves} {place} {how:?} was {:?}: {e}", status.pointer(&place)));
                }
                tried += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}: {wrong:#?}", wrong.len());
    assert!(tried > 300, "only {tried}");
}

//! Every step against every event: what `step` really does, written down in `docs/state-machine.md`.
//!
//! The page is compared with the committed one; `UPDATE=1 cargo test` writes it anew.

mod events;
mod page;
mod situations;

use super::world::World;
use crate::api::effect::Effect;
use crate::api::status::{Phase, Step};
use events::Event;
use situations::Situation;

/// What came of one event in one situation.
pub(super) struct Row {
    pub(super) event: &'static str,
    /// Where it stood before and stands afterwards.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) reason: String,
    pub(super) does: Vec<String>,
    pub(super) changed: bool,
}

/// More decisions than any event needs until nothing more follows from it.
const TURNS: usize = 12;

#[test]
fn every_step_answers_every_event() {
    let mut sections = Vec::new();
    for situation in situations::ALL {
        let before = (situation.build)();
        let rows: Vec<Row> = events::ALL.iter().filter_map(|e| row(situation, &before, e)).collect();
        sections.push((situation, rows));
    }
    let page = page::write(&sections);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/state-machine.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let differs = committed.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(committed == page, "docs/state-machine.md is not what the code does: {differs:?}; UPDATE=1 cargo test");
}

fn row(situation: &Situation, before: &World, event: &Event) -> Option<Row> {
    let mut w = before.clone();
    let from = place(&w);
    let stored = w.rel.status.clone();
    if !(event.happen)(&mut w) {
        return None;
    }
    let at = || format!("{} x {}", situation.name, event.name);
    let mut does: Vec<String> = w.writes.iter().skip(before.writes.len()).map(said).collect();
    let mut still = false;
    for _ in 0..TURNS {
        let decision = w.decide();
        if let Some(Effect::Write(write)) = &decision.effect {
            does.push(said(write));
            w.store(&decision);
            still = true;
            break;
        }
        match &decision.effect {
            Some(Effect::SetFinalizer) => does.push("sets the finalizer".into()),
            Some(Effect::RunHook(run)) => {
                does.push(format!("runs hook {}", run.effect().as_str().split('/').nth(3).unwrap_or_default()));
                w.store(&decision);
                still = true;
                break;
            }
            Some(Effect::StopHook(_)) => does.push("stops the hook".into()),
            Some(Effect::RemoveFinalizer) => does.push("removes the finalizer".into()),
            _ => {}
        }
        let idle = decision.effect.is_none() && decision.status == w.rel.status;
        if idle {
            has_a_way_out(&w, &decision, &at());
            does.extend(asks(&decision));
            still = true;
            break;
        }
        w.turn();
        if w.rel.deleting && !w.rel.finalizer {
            does.push("the Release is gone".into());
            still = true;
            break;
        }
    }
    assert!(still, "{}: no rest after {TURNS} decisions: {}", at(), w.message());
    let told = w.events.iter().skip(before.events.len()).map(|(r, _)| r.to_string());
    let told: std::collections::BTreeSet<String> = told.filter(|r| !reason(&w).starts_with(r.as_str())).collect();
    does.dedup();
    does.extend(told.into_iter().map(|r| format!("says {r}")));
    let changed = w.rel.status != stored || !does.is_empty();
    Some(Row { event: event.name, from, to: place(&w), reason: reason(&w), does, changed })
}

/// A rollout in work asks something, or is woken, or says which edit or watched object it waits for.
fn has_a_way_out(w: &World, decision: &crate::rollout::Decision, at: &str) {
    let Some(rollout) = decision.status.running() else { return };
    let waits = rollout.blocked.is_some() && rollout.step == Step::Preflight;
    assert!(
        decision.again.is_some_and(|t| t > w.now) || !decision.asks.is_empty() || waits,
        "{at}: nothing leads out of {:?}",
        rollout.step
    );
}

fn said(write: &crate::api::effect::TargetWrite) -> String {
    format!("writes {} to {}", write.images[0].image.short(), write.stage)
}

fn asks(decision: &crate::rollout::Decision) -> Option<String> {
    let names: Vec<&str> = decision.asks.iter().map(|a| a.id.check.as_str()).collect();
    (!names.is_empty()).then(|| format!("asks {}", names.join(", ")))
}

/// The step while a rollout runs, the phase when none does.
pub(super) fn place(w: &World) -> String {
    match (w.step_name(), w.rel.status.phase) {
        (_, None) => "New".into(),
        (Step::Ended, phase) => format!("{:?}", phase.unwrap_or(Phase::Pending)),
        (step, _) => format!("{step:?}"),
    }
}

fn reason(w: &World) -> String {
    let stalled = w.condition("Stalled").filter(|_| w.rel.status.running().is_some());
    let stalled = stalled.map(|c| format!("{}, stalled", c.1));
    stalled.or_else(|| Some(w.condition("Ready")?.1)).unwrap_or_default()
}

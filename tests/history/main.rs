//! The oracle itself: it finds nothing wrong with what really happened, and sees each promise when it is broken.
//!
//! One real history is recorded (`play`): adopted, released with a hook, a bake and an approval, then taken back from
//! production. Then it is damaged, for each rule in a way that breaks it (`damages`), and for what else a rule says
//! (`clauses`).

// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod clauses;
mod damages;
mod play;
mod tape;

use clauses::CLAUSES;
use damages::DAMAGES;
use std::collections::BTreeSet;
use support::oracle::History;
use support::oracle::rules::{RULES, broken};
use support::scene;
use tape::Tape;

#[tokio::test]
async fn each_promise_is_seen_to_be_broken() {
    scene("history", async |s| {
        play::play(s).await;
        let tape = Tape::new(s.sources(std::slice::from_ref(&s.ns)).await);
        let undamaged = broken(&History::new(tape.sources.clone()));
        assert!(undamaged.is_empty(), "{undamaged:#?}");
        let mut missed = Vec::new();
        let clauses = CLAUSES.into_iter().chain(DAMAGES.into_iter().map(|(rule, damage)| (rule, "", damage)));
        for (rule, clause, damage) in clauses {
            let mut damaged = tape.clone();
            damage(&mut damaged);
            let found = broken(&History::new(damaged.sources));
            if !found.iter().any(|(name, violation)| *name == rule && violation.says.contains(clause)) {
                missed.push((rule, clause, found));
            }
        }
        assert!(missed.is_empty(), "broken and not seen: {missed:#?}");
    })
    .await;
}

#[test]
fn no_rule_is_without_its_damage() {
    let damaged: BTreeSet<_> = DAMAGES.iter().map(|(rule, _)| *rule).collect();
    // Those on ECS have a history of their own, in `tests/ecs`.
    let rules: BTreeSet<_> = RULES.iter().map(|r| r.name).filter(|r| !r.starts_with("ECS")).collect();
    assert_eq!(damaged, rules);
}

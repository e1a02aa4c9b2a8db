//! How many answers decide about a check, and which.

use super::begun::rolling;
use super::world::World;
use crate::api::ask::Outcome::{self, Error, Fail, NoData, Pass};
use crate::api::status::{CheckRecord, Step, Verdict};

/// What health comes to, in how many rounds, where the n-th is answered as `answers` says; after its end with the last.
fn judged(attempts: i32, successes: i32, answers: &[Outcome]) -> (Verdict, i32) {
    let mut w = rolling(|_| {});
    w.edit(|s| {
        let retry = &mut s.stages[0].health_checks[0].retry;
        (retry.attempts, retry.successes) = (attempts, successes);
    });
    w.run_until(|w| w.step_name() == Step::Verifying);
    w.results.clear();
    for _ in 0..500 {
        if let Some(health) = verdict(&w) {
            return health;
        }
        let next = w.decide().asks.iter().find(|a| a.id.check == "health").map(|a| a.id.number);
        let nth = next.and_then(|n| usize::try_from(n - 1).ok()).unwrap_or_default();
        w.force = Some(*answers.get(nth).or(answers.last()).unwrap());
        if !w.turn() {
            w.now = w.again.unwrap();
        }
    }
    panic!("it comes to nothing: {}", w.message());
}

fn verdict(w: &World) -> Option<(Verdict, i32)> {
    let stage = &w.rel.status.rollout.as_ref()?.stages[0];
    let kept = |c: &CheckRecord| Some((c.verdict?, c.rounds));
    let open = stage.checks.iter().find(|c| c.name == "health");
    let ended = stage.answers.iter().find(|c| c.name == "health");
    open.and_then(|c| Some((c.verdict?, c.number))).or_else(|| ended.and_then(kept))
}

#[test]
fn as_many_rounds_in_a_row_as_it_says_decide() {
    assert_eq!(judged(3, 1, &[Pass]), (Verdict::Passed, 1));
    assert_eq!(judged(3, 2, &[Pass, Fail, Pass, Pass]), (Verdict::Passed, 4));
    assert_eq!(judged(3, 1, &[Fail]), (Verdict::Failed, 3));
    assert_eq!(judged(3, 2, &[Fail, Fail, Pass, Fail, Fail, Fail]), (Verdict::Failed, 6));
}

/// Only what the application answered counts against it, and only where that is most of it.
#[test]
fn what_is_not_known_is_not_held_against_it() {
    assert_eq!(judged(5, 1, &[Error]), (Verdict::Inconclusive, 5));
    assert_eq!(judged(5, 1, &[NoData]), (Verdict::Inconclusive, 5));
    assert_eq!(judged(4, 1, &[Fail, Fail, Error, NoData]), (Verdict::Inconclusive, 4));
    assert_eq!(judged(5, 1, &[Fail, Error, Fail, Error, Fail]), (Verdict::Failed, 5));
}

/// A check that is asked once hangs on no single answer of a name server.
#[test]
fn what_nobody_could_ask_is_asked_four_times() {
    assert_eq!(judged(1, 1, &[Error]), (Verdict::Inconclusive, 4));
    assert_eq!(judged(1, 1, &[Error, Error, Error, Pass]), (Verdict::Passed, 4));
    assert_eq!(judged(1, 1, &[Error, NoData, Fail]), (Verdict::Failed, 3));
    assert_eq!(judged(1, 1, &[Fail]), (Verdict::Failed, 1));
    assert_eq!(judged(2, 1, &[Fail, Error, Error, Error]), (Verdict::Inconclusive, 4));
}

/// One that answers now so, now so, would never come to an end.
#[test]
fn it_ends_by_number_too() {
    assert_eq!(judged(3, 2, &[Fail, Pass, Fail, Pass, Fail, Pass, Fail, Pass, Fail]), (Verdict::Failed, 9));
    let last = [Pass, Fail, Pass, Fail, Pass, Fail, Pass, Fail, Pass, Pass];
    assert_eq!(
        judged(3, 2, &last),
        (Verdict::Passed, 10),
        "a round that passes may be followed by the one that is missing"
    );
}

/// A round that passed waits for the next answer only where that is asked for at once.
#[test]
fn a_round_that_passed_is_stored_at_once_where_the_next_is_not_due() {
    let mut w = World::verified("sha-a1");
    w.edit(|s| {
        s.image.tag = Some("sha-b2".into());
        s.stages[0].health_checks[0].retry.successes = 2;
    });
    w.run_until(|w| w.step_name() == Step::Verifying && !w.results.is_empty());
    w.turn();
    let check = w.rel.status.rollout.as_ref().unwrap().stages[0].checks[0].clone();
    assert_eq!((check.name.as_str(), check.passes), ("health", 1), "{}", w.message());
}

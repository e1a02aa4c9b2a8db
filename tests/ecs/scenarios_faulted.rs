//! One call to AWS after the other goes wrong once, in one way after the other: it ends as if none had, and with the
//! same writes.
//!
//! By default one play in 24, drawn by a fixed seed; with `TIDEGATE_KILLS` set to anything, all of them; with
//! `TIDEGATE_FAULT="0 stale"` the one of this name.

use crate::scenarios_kills::{AT_A_TIME, calls_of, draw};
use crate::scenarios_row::{Row, When};
use crate::scenarios_table::{gone, tasks};
use crate::sim::faults::{Fault, On};
use crate::sim::record::is_write;
use futures::{FutureExt as _, StreamExt as _, stream};
use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;

/// A name, and what happens to the call.
type Trouble = (&'static str, fn() -> Fault);

const FAULTS: [Trouble; 7] = [
    ("lost", || Fault::Lost),
    ("answer-lost", || Fault::AnswerLost),
    ("silence", || Fault::Silence),
    ("throttled", Fault::throttle),
    ("error-before", Fault::server_error),
    ("error-after", Fault::server_error_after),
    ("stale", || Fault::Stale("UpdateService")),
];

/// How often a service is looked at before its deployment has landed is not the same each time: the last calls of the
/// play that counts them, those of one look, may not come in another.
const LAST: usize = 5;

#[tokio::test]
async fn of_a_good_image() {
    play("faulted", tasks(), When::First).await;
}

#[tokio::test]
async fn of_a_restore() {
    play("faulted", tasks(), When::Restore).await;
}

#[tokio::test]
async fn of_a_restore_that_registers_anew() {
    play("faulted-anew", gone(), When::Restore).await;
}

/// The first of these rows.
async fn play(name: &'static str, rows: Vec<Row>, when: When) {
    let row = rows.into_iter().next().unwrap().called(name);
    let calls = calls_of(&row, when).await;
    let (some, one) = (std::env::var_os("TIDEGATE_KILLS").is_none(), std::env::var("TIDEGATE_FAULT").ok());
    let chosen = |n: usize, f: &str| match &one {
        Some(one) => *one == format!("{n} {f}"),
        None => !some || draw(&row, when, 0, (n, f)).is_multiple_of(24),
    };
    let all = FAULTS.into_iter().flat_map(|fault| (0..can_go_wrong(&calls, fault.0)).map(move |n| (n, fault)));
    let plays: Vec<_> = all.filter(|(n, (f, _))| chosen(*n, f)).collect();
    let (count, missed, wrong) = (plays.len(), RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    assert!(count > 1 || one.is_some(), "only {count} of {} calls", calls.len());
    stream::iter(plays)
        .for_each_concurrent(AT_A_TIME, |(n, fault)| {
            let (row, calls, missed, wrong) = (&row, &calls, &missed, &wrong);
            async move {
                match AssertUnwindSafe(play_one(row, when, n, fault)).catch_unwind().await {
                    Ok(true) => {}
                    Ok(false) => missed.borrow_mut().push((can_go_wrong(calls, fault.0) - n, n, fault.0)),
                    Err(_) => wrong.borrow_mut().push(format!("{} {when:?}: {n} {}", row.name, fault.0)),
                }
            }
        })
        .await;
    let (missed, wrong) = (missed.into_inner(), wrong.into_inner());
    let met = count - missed.len() - wrong.len();
    eprintln!(
        "{name}: {count} plays, in {met} of them a call went wrong, {} of them end wrong; missed: {missed:?}",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let early: Vec<_> = missed.iter().filter(|(left, ..)| *left > LAST).collect();
    assert!(early.is_empty(), "these calls should have come: {early:?}");
    assert!(missed.len() <= 1 + count / 10, "in {met} of {count} plays alone a call went wrong");
}

/// So many calls there are that can go wrong like this. An old read is one of those after an update.
fn can_go_wrong(calls: &[String], fault: &str) -> usize {
    let updated = calls.iter().position(|op| op == "UpdateService").map_or(calls.len(), |at| at + 1);
    if fault == "stale" { calls[updated..].iter().filter(|op| !is_write(op)).count() } else { calls.len() }
}

/// Whether the call came that was to go wrong.
async fn play_one(row: &Row, when: When, n: usize, (name, fault): Trouble) -> bool {
    let met = Cell::new(false);
    row.stage(&format!("{when:?}-{n}-{name}"), async |s| {
        row.prepare(s, when).await;
        row.lead(s, when).await;
        s.sim.fault(On::any().skip(n).once(), fault());
        row.bring_disturbed(s, when).await;
        met.set(s.sim.all_faults_met());
    })
    .await;
    met.get()
}

//! One call to AWS after the other goes wrong once, in one way after the other: it ends as if none had, and with the
//! same writes.
//!
//! By default one play in 24, drawn by a fixed seed; with `TIDEGATE_KILLS` set to anything, all of them; with
//! `TIDEGATE_FAULT="0 stale"` the one of this name.

use crate::scenarios_kills::{AT_A_TIME, calls_of, draw};
use crate::scenarios_row::{Row, When};
use crate::scenarios_table::{gone, tasks};
use crate::sim::faults::{Fault, On};
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
    let all = (0..calls).flat_map(|n| FAULTS.map(|fault| (n, fault)));
    let (some, one) = (std::env::var_os("TIDEGATE_KILLS").is_none(), std::env::var("TIDEGATE_FAULT").ok());
    let chosen = |n: usize, f: &str| match &one {
        Some(one) => *one == format!("{n} {f}"),
        None => !some || draw(&row, when, 0, (n, f)).is_multiple_of(24),
    };
    let plays: Vec<_> = all.filter(|(n, (f, _))| chosen(*n, f)).collect();
    let (count, met, wrong) = (plays.len(), Cell::new(0), RefCell::new(Vec::new()));
    assert!(count > 1 || one.is_some(), "only {count} of {calls} calls");
    stream::iter(plays)
        .for_each_concurrent(AT_A_TIME, |(n, fault)| {
            let (row, met, wrong) = (&row, &met, &wrong);
            async move {
                match AssertUnwindSafe(play_one(row, when, n, fault)).catch_unwind().await {
                    Ok(struck) => met.set(met.get() + usize::from(struck)),
                    Err(_) => wrong.borrow_mut().push(format!("{} {when:?}: {n} {}", row.name, fault.0)),
                }
            }
        })
        .await;
    let wrong = wrong.into_inner();
    let met = met.get();
    eprintln!("{count} plays, in {met} of them a call went wrong, {} of them end wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // How often a service is looked at is not the same each time, and after the last write no read is too old.
    assert!(met * 3 >= count, "in {met} of {count} plays alone a call went wrong");
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

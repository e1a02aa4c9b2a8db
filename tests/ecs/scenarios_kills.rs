//! Plays cells of the table again while the controller is killed between its calls to ECS, and another one goes on.
//!
//! A cell is played once and killed again and again on its way: before and after its writes, at most [`WRITES`] of these
//! points, and before one call of any kind. Which ones is drawn by a seed, so that it is always the same. By default half
//! of the cells are played, drawn likewise; `TIDEGATE_KILLS=0` plays all, `TIDEGATE_KILLS=7` all by another seed, and
//! `TIDEGATE_KILLS=all` each cell once for each point there is.

use crate::scenarios_row::{Cell, Row, SHORT, When};
use crate::scenarios_stage::Stage;
use crate::sim::faults::{Fault, Gate, On};
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _, stream};
use std::cell::{Cell as Shared, RefCell};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::time::Instant;
use tokio::sync::Mutex;

/// Kills around writes in one play.
const WRITES: usize = 4;
/// A call of any kind is drawn among so many.
const CALLS: usize = 24;
/// Plays at a time, of each test.
pub const AT_A_TIME: usize = 6;

/// Where it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Point {
    /// The nth call of this operation has arrived and is not carried out.
    Before(&'static str, usize),
    /// It was carried out and is not answered.
    After(&'static str, usize),
    /// The nth call of any kind is not carried out.
    Call(usize),
}

type Play<'a> = (&'a Row, When, Vec<Point>);

/// Plays every cell that can be, and says at its end which went wrong.
pub async fn play(rows: Vec<Row>) {
    let cells: Vec<_> = rows.iter().flat_map(|row| row.possible().map(move |when| (row, when))).collect();
    let chosen = std::env::var("TIDEGATE_KILLS").unwrap_or_default();
    let plays = if chosen == "all" {
        let each = stream::iter(cells).map(|(row, when)| every(row, when));
        each.buffered(AT_A_TIME).collect::<Vec<_>>().await.concat()
    } else {
        let seed: Option<u64> = chosen.parse().ok();
        let played = cells.into_iter().filter(|(row, when)| seed.is_some() || draw(row, *when, 0, "cell") % 2 == 0);
        played.map(|(row, when)| (row, when, drawn(row, when, seed.unwrap_or_default()))).collect()
    };
    play_all(plays).await;
}

/// Plays this cell once for each point there is.
pub async fn play_at_every_call(row: Row, when: When) {
    play_all(every(&row, when).await).await;
}

async fn play_all(plays: Vec<Play<'_>>) {
    let (began, count) = (Instant::now(), plays.len());
    let first = plays.first().map_or("none", |(row, ..)| row.name);
    let points: usize = plays.iter().map(|(_, _, points)| points.len()).sum();
    let (kills, wrong) = (Shared::new(0), RefCell::new(Vec::new()));
    stream::iter(plays)
        .for_each_concurrent(AT_A_TIME, |(row, when, points)| {
            let (kills, wrong) = (&kills, &wrong);
            async move {
                match AssertUnwindSafe(play_one(row, when, &points)).catch_unwind().await {
                    Ok(n) => kills.set(kills.get() + n),
                    Err(_) => wrong.borrow_mut().push(format!("{} {when:?} killed at {points:?}", row.name)),
                }
            }
        })
        .await;
    let (kills, wrong, took) = (kills.get(), wrong.into_inner(), began.elapsed().as_secs());
    eprintln!("{first} and on: {count} plays, {points} points, {kills} kills, {} wrong, {took} s", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One play; how often the controller was killed.
async fn play_one(row: &Row, when: When, points: &[Point]) -> usize {
    let name = match points {
        [one] => format!("{when:?}-{}", one.short()),
        _ => format!("{when:?}-killed"),
    };
    let killed = RefCell::new(Vec::new());
    row.stage(&name, async |s| {
        s.patience.set(row.patience(when));
        row.prepare(s, when).await;
        row.lead(s, when).await;
        let gates: Vec<_> = points.iter().map(|p| (*p, p.gate(s))).collect();
        tokio::select! {
            biased;
            () = row.bring_killed(s, when) => {}
            () = kill(s, &gates, &killed) => unreachable!(),
        }
    })
    .await;
    let killed = killed.into_inner();
    // How often a service is looked at is not the same each time; its writes are.
    let missed: Vec<_> = points.iter().filter(|p| !killed.contains(*p) && !matches!(p, Point::Call(_))).collect();
    assert!(missed.is_empty(), "{} {when:?}: was not killed at {missed:?}", row.name);
    killed.len()
}

/// Kills the controller whenever a call waits at one of these gates, and starts another one.
async fn kill(s: &Stage<'_>, gates: &[(Point, Gate)], killed: &RefCell<Vec<Point>>) {
    let one_at_a_time = Mutex::new(());
    let each = gates.iter().map(|(point, gate)| {
        let one_at_a_time = &one_at_a_time;
        async move {
            gate.reached().await;
            let _alone = one_at_a_time.lock().await;
            s.kill();
            gate.left().await;
            s.start();
            gate.open();
            killed.borrow_mut().push(*point);
        }
    });
    join_all(each).await;
    std::future::pending().await
}

impl Point {
    fn gate(self, s: &Stage<'_>) -> Gate {
        let gate = Gate::new();
        match self {
            Self::Before(op, n) => s.sim.fault(On::op(op).skip(n).once(), Fault::HoldBefore(gate.clone())),
            Self::After(op, n) => s.sim.fault(On::op(op).skip(n).once(), Fault::HoldAfter(gate.clone())),
            Self::Call(n) => s.sim.fault(On::any().skip(n).once(), Fault::HoldBefore(gate.clone())),
        }
        gate
    }

    fn short(self) -> String {
        let (of, n) = match self {
            Self::Before(op, n) => (format!("b{}", &op[..1]), n),
            Self::After(op, n) => (format!("a{}", &op[..1]), n),
            Self::Call(n) => ("c".to_owned(), n),
        };
        format!("{of}{n}")
    }
}

/// Before and after each write that this cell has from the moment that its plan counts.
fn around_writes(row: &Row, when: When) -> Vec<Point> {
    let Cell::Ends { writes, .. } = row.cell(when) else { return Vec::new() };
    let from = if when == When::Restore { "RU".len() } else { 0 };
    let mut seen = BTreeMap::new();
    let ops = writes[from..].chars().map(|letter| match letter.to_ascii_uppercase() {
        'R' => "RegisterTaskDefinition",
        'U' => "UpdateService",
        _ => "StopServiceDeployment",
    });
    ops.flat_map(|op| {
        let n: &mut usize = seen.entry(op).or_default();
        *n += 1;
        [Point::Before(op, *n - 1), Point::After(op, *n - 1)]
    })
    .collect()
}

fn drawn(row: &Row, when: When, seed: u64) -> Vec<Point> {
    let mut points = around_writes(row, when);
    points.sort_by_cached_key(|p| draw(row, when, seed, p));
    // Each kill costs time, which a play that ends by its deadline does not have.
    points.truncate(if row.patience(when) == SHORT { WRITES / 2 } else { WRITES });
    let call = draw(row, when, seed, "call") % CALLS as u64;
    points.push(Point::Call(usize::try_from(call).unwrap()));
    points
}

/// Chance that is the same each time.
pub fn draw(row: &Row, when: When, seed: u64, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, row.name, when, what).hash(&mut hasher);
    hasher.finish()
}

/// A play for each call that an undisturbed one has, and for each point around a write.
async fn every(row: &Row, when: When) -> Vec<Play<'_>> {
    let calls = calls_of(row, when).await.len();
    let points = around_writes(row, when).into_iter().chain((0..calls).map(Point::Call));
    points.map(|point| (row, when, vec![point])).collect()
}

/// The calls of this cell when nothing else happens, by the names of their operations.
pub async fn calls_of(row: &Row, when: When) -> Vec<String> {
    let calls = RefCell::default();
    row.stage(&format!("{when:?}-calls"), async |s| {
        row.prepare(s, when).await;
        row.lead(s, when).await;
        let before = s.sim.calls().len();
        row.bring(s, when).await;
        calls.replace(s.sim.calls().split_off(before).into_iter().map(|c| c.op).collect());
    })
    .await;
    calls.into_inner()
}

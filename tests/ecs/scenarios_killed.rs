//! The controller is killed before and after each of its calls to ECS, and another one goes on.

use crate::scenarios_row::{Row, SECOND, When, lands, restored};
use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs, release};
use crate::sim::course::{Course, Failure};
use crate::sim::faults::{Fault, Gate, On};
use futures::{StreamExt as _, stream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidegate::api::{Phase, Reason};

const WRITES: [&str; 3] = ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"];

/// Kills at the nth call of `op`, before or after it was carried out, and starts another controller.
async fn killed_at(s: &Stage<'_>, op: &str, nth: usize, after: bool) {
    let gate = Gate::new();
    let hold = if after { Fault::HoldAfter(gate.clone()) } else { Fault::HoldBefore(gate.clone()) };
    s.sim.fault(On::op(op).skip(nth).once(), hold);
    gate.reached().await;
    s.kill();
    s.start();
    gate.open();
}

#[tokio::test]
async fn at_every_write_of_a_good_image() {
    let points = WRITES[..2].iter().flat_map(|op| [false, true].map(|after| (*op, after)));
    stream::iter(points.collect::<Vec<_>>())
        .for_each_concurrent(4, |(op, after)| async move {
            on_ecs(
                &format!("killed-{}-{after}", op.to_lowercase()),
                |s| s,
                async |s| {
                    s.service.plan([Course::lands().after(SECOND)]);
                    s.apply(&release(NEW)).await;
                    killed_at(s, op, 0, after).await;
                    s.verified(NEW).await;
                    assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RU", NEW), "killed at {op}, after: {after}");
                },
            )
            .await;
        })
        .await;
}

#[tokio::test]
async fn at_every_write_of_a_bad_image() {
    let points = WRITES.iter().flat_map(|op| [false, true].map(|after| (*op, after)));
    stream::iter(points.collect::<Vec<_>>())
        .for_each_concurrent(4, |(op, after)| async move {
            on_ecs(
                &format!("killed-bad-{}-{after}", op.to_lowercase()),
                |s| s,
                async |s| {
                    s.settled().await;
                    s.service.plan([Course::fails(Failure::Exits(1)).after(SECOND)]);
                    s.set_tag(NEW).await;
                    killed_at(s, op, 0, after).await;
                    s.rolled_back(NEW, Reason::CrashLoop).await;
                    let writes = s.writes();
                    // To stop what is stopped already changes nothing.
                    assert!(["RUS", "RUSS"].contains(&writes.as_str()), "killed at {op}, after: {after}: {writes}");
                    assert_eq!(s.tag(), OLD);
                },
            )
            .await;
        })
        .await;
}

/// A restore of what had landed, from a task definition that cannot be used any more.
#[tokio::test]
async fn at_every_write_of_a_restore() {
    let points = WRITES[..2].iter().flat_map(|op| [false, true].map(|after| (*op, after)));
    stream::iter(points.collect::<Vec<_>>())
        .for_each_concurrent(4, |(op, after)| async move {
            on_ecs(
                &format!("killed-back-{}-{after}", op.to_lowercase()),
                |s| s,
                async |s| {
                    s.judged().await;
                    s.service.plan([Course::lands().after(SECOND), Course::lands().after(SECOND)]);
                    s.judge(500).await;
                    s.set_tag(NEW).await;
                    s.phase(NEW, Phase::Verifying).await;
                    s.account.deregister("app:1");
                    killed_at(s, op, 0, after).await;
                    s.judge(200).await;
                    s.rolled_back(NEW, Reason::HealthCheckFailed).await;
                    assert_eq!(
                        (s.writes().as_str(), s.tag().as_str()),
                        ("RURU", OLD),
                        "killed at {op}, after: {after}"
                    );
                },
            )
            .await;
        })
        .await;
}

/// Between any two calls, reads included: the controller is killed before it hears the answer of the nth call.
#[tokio::test]
async fn between_any_two_calls_of_a_good_image() {
    between_any_two_calls(Row::new("any", good, [lands("RU"); 3]), When::First).await;
}

#[tokio::test]
async fn between_any_two_calls_of_a_restore() {
    between_any_two_calls(Row::new("any", good, [restored("RUU"); 3]), When::Restore).await;
}

#[tokio::test]
async fn between_any_two_calls_of_a_restore_that_registers_anew() {
    let row = Row::new("any-inactive", good, [restored("RURU"); 3]).fault(|s| s.account.deregister("app:1"));
    between_any_two_calls(row, When::Restore).await;
}

fn good() -> Course {
    Course::lands().after(SECOND)
}

async fn between_any_two_calls(row: Row, when: When) {
    let (from, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    on_ecs(
        &format!("{}-{when:?}-none", row.name).to_lowercase(),
        |s| s,
        async |s| {
            row.prepare(s, when).await;
            let before = s.sim.calls().len();
            row.bring(s, when).await;
            let calls = s.sim.calls().split_off(before);
            // What comes before a restore is the rollout of a good image.
            let brought = calls.iter().position(|c| c.op == "UpdateService").filter(|_| when == When::Restore);
            from.store(brought.map_or(0, |n| n + 1), Ordering::Relaxed);
            all.store(calls.len(), Ordering::Relaxed);
        },
    )
    .await;
    let (from, all, killed) = (from.into_inner(), all.into_inner(), AtomicUsize::new(0));
    stream::iter(from..all)
        .for_each_concurrent(4, |n| {
            let (row, killed) = (&row, &killed);
            async move {
                on_ecs(
                    &format!("{}-{when:?}-{n}", row.name).to_lowercase(),
                    |s| s,
                    async |s| {
                        row.prepare(s, when).await;
                        let gate = Gate::new();
                        s.sim.fault(On::any().skip(n).once(), Fault::HoldAfter(gate.clone()));
                        let kill = async {
                            gate.reached().await;
                            s.kill();
                            s.start();
                            gate.open();
                            killed.fetch_add(1, Ordering::Relaxed);
                        };
                        let mut bring = pin!(row.bring(s, when));
                        tokio::select! {
                            () = kill => bring.await,
                            () = &mut bring => {}
                        }
                    },
                )
                .await;
            }
        })
        .await;
    // How often a service is looked at is not the same each time.
    let (killed, all) = (killed.into_inner(), all - from);
    eprintln!("{} {when:?}: killed at {killed} of {all} calls", row.name);
    assert!(killed + 5 >= all && killed >= 10, "{killed} of {all}");
}

//! The controller is killed before and after each of its calls to ECS, and another one goes on.

use crate::scenarios_kills::play_at_every_call;
use crate::scenarios_row::{Row, SECOND, When};
use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs, release, settled_on_ecs};
use crate::scenarios_table::{READS, gone, tasks};
use crate::sim::course::{Course, Failure};
use crate::sim::faults::{Fault, Gate, On};
use crate::support::wait::BOUND;
use futures::{StreamExt as _, stream};
use tidegate::api::{Phase, Reason};
use tokio::time::timeout;

const WRITES: [&str; 3] = ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"];

/// Kills at the nth call of `op`, before or after it was carried out, and starts another controller.
pub async fn killed_at(s: &Stage<'_>, op: &str, nth: usize, after: bool) {
    let gate = Gate::new();
    let hold = if after { Fault::HoldAfter(gate.clone()) } else { Fault::HoldBefore(gate.clone()) };
    s.sim.fault(On::op(op).skip(nth).once(), hold);
    timeout(BOUND, gate.reached()).await.expect("the call comes");
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
            settled_on_ecs(&format!("killed-bad-{}-{after}", op.to_lowercase()), async |s| {
                s.service.plan([Course::fails(Failure::Exits(1)).after(SECOND)]);
                s.set_tag(NEW).await;
                killed_at(s, op, 0, after).await;
                s.rolled_back(NEW, Reason::CrashLoop).await;
                let writes = s.writes();
                // To stop what is stopped already changes nothing.
                assert!(["RUS", "RUSS"].contains(&writes.as_str()), "killed at {op}, after: {after}: {writes}");
                assert_eq!(s.tag(), OLD);
            })
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

/// Killed right behind a write that no read shows yet, and aborted: what reads say still runs the old version is about
/// to show the new one, and is restored only when it does.
#[tokio::test]
async fn an_abort_before_reads_show_the_write_waits_for_it() {
    settled_on_ecs("killed-abort", async |s| {
        s.service.plan([Course::lands().after(SECOND), Course::lands().after(SECOND)]);
        let late = |op: &str| On::op(op).times(3).within(3 * SECOND);
        READS.iter().for_each(|op| s.sim.fault(late(op), Fault::Stale("UpdateService")));
        let gate = Gate::new();
        s.sim.fault(On::op("UpdateService").once(), Fault::HoldAfter(gate.clone()));
        s.set_tag(NEW).await;
        timeout(BOUND, gate.reached()).await.expect("the write comes");
        s.kill();
        s.abort(s.status().await.rollout.unwrap().id).await;
        s.start();
        gate.open();
        s.ends(NEW, Phase::RolledBack, Reason::Aborted).await;
        let writes = s.writes();
        assert!(["RUS", "RUU"].contains(&writes.as_str()) && s.tag() == OLD, "{writes} {}", s.tag());
    })
    .await;
}

/// Between any two calls, reads included.
#[tokio::test]
async fn at_every_call_of_a_good_image() {
    play_at_every_call(called("any", tasks()), When::First).await;
}

#[tokio::test]
async fn at_every_call_of_a_restore() {
    play_at_every_call(called("any", tasks()), When::Restore).await;
}

#[tokio::test]
async fn at_every_call_of_a_restore_that_registers_anew() {
    play_at_every_call(called("any-inactive", gone()), When::Restore).await;
}

/// The first of these, under a name of its own.
fn called(name: &'static str, rows: Vec<Row>) -> Row {
    rows.into_iter().next().unwrap().called(name)
}

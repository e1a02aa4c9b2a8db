//! The controller is killed before and after each of its calls to ECS, and another one goes on.

use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs, release};
use crate::sim::course::{Course, Failure};
use crate::sim::faults::{Fault, Gate, On};
use crate::support::wait::{is, until};
use futures::{StreamExt as _, stream};
use std::time::Duration;
use tidegate::api::{Phase, Reason};

const SECOND: Duration = Duration::from_secs(1);
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

/// Between any two calls, reads included: the nth call of all is never answered.
#[tokio::test]
async fn at_any_call() {
    stream::iter((0..24).step_by(3))
        .for_each_concurrent(4, |n| async move {
            on_ecs(
                &format!("killed-any-{n}"),
                |s| s,
                async |s| {
                    s.service.plan([Course::lands().after(SECOND)]);
                    let gate = Gate::new();
                    s.sim.fault(On::any().skip(n).once(), Fault::HoldAfter(gate.clone()));
                    s.apply(&release(NEW)).await;
                    let met = until("the call", async || is(s.sim.calls().len() > n, (), s.sim.calls().len()));
                    let ended = s.ended(NEW);
                    tokio::select! {
                        () = met => {}
                        _ = ended => return,
                    }
                    s.kill();
                    s.start();
                    gate.open();
                    s.verified(NEW).await;
                    assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RU", NEW), "killed at call {n}");
                },
            )
            .await;
        })
        .await;
}

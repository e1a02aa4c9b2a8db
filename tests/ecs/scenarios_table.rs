//! What ECS may do with a deployment, each for a first deployment, an ordinary one and a restore: how it ends, and the
//! exact writes on the way.

use crate::scenarios_stage::{NEW, OLD, OTHER, Stage, on_ecs};
use crate::sim::NewService;
use crate::sim::course::{Back, Course, Failure, Somebody};
use crate::sim::error::Refusal;
use crate::sim::faults::{Fault, On};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::time::Duration;
use tidegate::api::{Phase, Reason};

/// In which deployment it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    First,
    Ordinary,
    Restore,
}
use When::{First, Ordinary, Restore};

struct Row {
    name: &'static str,
    when: &'static [When],
    service: fn(NewService) -> NewService,
    course: fn() -> Course,
    /// What goes wrong beside the deployment.
    fault: fn(&Stage),
    phase: Phase,
    reason: Reason,
    /// Why it failed, where it did.
    cause: Option<Reason>,
    /// R: RegisterTaskDefinition. U: UpdateService. S: StopServiceDeployment.
    writes: &'static str,
    runs: &'static str,
}

const FORWARD: &[When] = &[First, Ordinary];
const SECOND: Duration = Duration::from_secs(1);

/// It lands, and nothing goes wrong. The other rows say what differs.
fn lands() -> Row {
    Row {
        name: "lands",
        when: FORWARD,
        service: |s| s,
        course: || Course::lands().after(SECOND),
        fault: |_| {},
        phase: Phase::Verified,
        reason: Reason::Verified,
        cause: None,
        writes: "RU",
        runs: NEW,
    }
}

/// It fails, and is taken back.
fn back(cause: Reason, writes: &'static str) -> Row {
    let (phase, reason) = (Phase::RolledBack, Reason::RolledBack);
    Row { phase, reason, cause: Some(cause), writes, runs: OLD, ..lands() }
}

/// It landed and failed its check; its way back lands.
fn restored() -> Row {
    Row { when: &[Restore], ..back(Reason::HealthCheckFailed, "RUU") }
}

/// The same, but the way back does not come.
fn not_restored() -> Row {
    Row { phase: Phase::Failed, reason: Reason::RollbackFailed, ..restored() }
}

fn breaks() -> Course {
    Course::fails(Failure::Exits(1)).after(SECOND)
}

async fn play(rows: Vec<Row>) {
    let all: Vec<_> = rows.iter().flat_map(|row| row.when.iter().map(move |when| (row, *when))).collect();
    assert!(!all.is_empty());
    stream::iter(all).for_each_concurrent(4, |(row, when)| row.play(when)).await;
}

impl Row {
    async fn play(&self, when: When) {
        let name = format!("{}-{when:?}", self.name).to_lowercase();
        on_ecs(&name, self.service, async |s| {
            if when == Restore {
                s.judged().await;
            } else if when == Ordinary {
                s.settled().await;
            }
            let courses = if when == Restore {
                vec![Course::lands().after(SECOND), (self.course)()]
            } else {
                vec![(self.course)()]
            };
            s.service.plan(courses);
            if when == Restore {
                s.judge(500).await;
                s.set_tag(NEW).await;
                s.phase(NEW, Phase::Verifying).await;
                (self.fault)(s);
                s.phase(NEW, Phase::Restoring).await;
                s.judge(200).await;
            } else {
                (self.fault)(s);
                s.apply(&crate::scenarios_stage::release(NEW)).await;
            }
            let end = s.ended(NEW).await;
            let rollout = end.rollout.as_ref().unwrap();
            let cause = rollout.cause.as_ref().map(|c| c.reason);
            let seen = (end.phase, rollout.reason, cause);
            assert_eq!(seen, (Some(self.phase), Some(self.reason), self.cause), "{name}: {:?}", end.message);
            assert_eq!((s.writes().as_str(), s.tag().as_str()), (self.writes, self.runs), "{name}: {:?}", end.message);
        })
        .await;
    }
}

#[tokio::test]
async fn what_tasks_do() {
    let hangs = || Row { name: "hangs", course: Course::hangs, ..back(Reason::ProgressDeadlineExceeded, "RUS") };
    play(vec![
        lands(),
        Row { name: "lands", ..restored() },
        Row { name: "fails", course: breaks, ..back(Reason::CrashLoop, "RUS") },
        Row { name: "fails", course: breaks, ..not_restored() },
        Row {
            name: "cannot-pull",
            course: || Course::fails(Failure::CannotPull(None)).after(SECOND),
            ..back(Reason::ImagePullFailed, "RUS")
        },
        hangs(),
        Row { name: "hangs", course: Course::hangs, ..not_restored() },
    ])
    .await;
}

#[tokio::test]
async fn what_the_circuit_breaker_does() {
    play(vec![
        Row { name: "breaks", service: |s| s.breaker(true), course: breaks, ..back(Reason::CrashLoop, "RU") },
        Row { name: "breaks", service: |s| s.breaker(true), course: breaks, runs: NEW, ..not_restored() },
        Row {
            name: "breaks-unseen",
            service: |s| s.breaker(true),
            course: || Course::fails(Failure::Unhealthy).after(SECOND / 10).lingers(Duration::ZERO),
            ..back(Reason::DeploymentFailed, "RU")
        },
        Row { name: "stops", service: |s| s.breaker(false), course: breaks, ..back(Reason::CrashLoop, "RUU") },
        Row {
            name: "cannot-go-back",
            service: |s| s.breaker(true),
            course: || breaks().back(Back::Fails(SECOND)),
            phase: Phase::Failed,
            reason: Reason::RollbackFailed,
            ..back(Reason::CrashLoop, "RU")
        },
        Row {
            name: "stop-cannot-go-back",
            course: || Course::hangs().back(Back::Fails(SECOND)),
            phase: Phase::Failed,
            reason: Reason::RollbackFailed,
            ..back(Reason::ProgressDeadlineExceeded, "RUS")
        },
    ])
    .await;
}

#[tokio::test]
async fn what_others_do() {
    let other = || Course::lands().meanwhile(SECOND, Somebody::Deploys("app:2".into()));
    let contended = |phase, reason| Row { name: "another", course: other, phase, reason, runs: OTHER, ..lands() };
    play(vec![
        Row { cause: Some(Reason::Contended), ..contended(Phase::Failed, Reason::Contended) },
        Row {
            when: &[Restore],
            cause: Some(Reason::HealthCheckFailed),
            writes: "RUU",
            ..contended(Phase::Failed, Reason::RollbackBlocked)
        },
        Row { name: "again", course: || Course::lands().meanwhile(SECOND, Somebody::Redeploys), ..lands() },
        Row { name: "again", course: || Course::lands().meanwhile(SECOND, Somebody::Redeploys), ..restored() },
        Row {
            name: "stopped",
            course: || Course::hangs().meanwhile(SECOND, Somebody::StopsIt),
            ..back(Reason::DeploymentFailed, "RU")
        },
    ])
    .await;
}

#[tokio::test]
async fn reads_that_lag_and_flap() {
    let lag = |s: &Stage| {
        for read in ["DescribeServices", "ListServiceDeployments"] {
            s.sim.fault(On::op(read).times(3), Fault::Stale("UpdateService"));
        }
    };
    let flap =
        |s: &Stage| s.sim.flap("DescribeServices", "UpdateService", &[true, false, true, false, true, false, true]);
    let flap_all = |s: &Stage| {
        for read in ["DescribeServices", "ListServiceDeployments"] {
            s.sim.flap(read, "UpdateService", &[false, true, false, false, true, false]);
        }
    };
    play(vec![
        Row { name: "lag", fault: lag, ..lands() },
        Row { name: "lag", fault: lag, ..restored() },
        Row { name: "flap", fault: flap, ..lands() },
        Row { name: "flap", fault: flap, ..restored() },
        Row { name: "flap-all", fault: flap_all, ..lands() },
        Row { name: "flap-all", fault: flap_all, ..restored() },
        Row { name: "lag-fails", fault: lag, course: breaks, ..back(Reason::CrashLoop, "RUS") },
    ])
    .await;
}

#[tokio::test]
async fn answers_that_do_not_come() {
    let lost: fn(&Stage) = |s| {
        for op in ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"] {
            s.sim.fault(On::op(op).once(), Fault::AnswerLost);
        }
    };
    let refused: fn(&Stage) = |s| {
        for op in ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"] {
            s.sim.fault(On::op(op).once(), Fault::Lost);
        }
    };
    let after: fn(&Stage) = |s| {
        for op in ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"] {
            s.sim.fault(On::op(op).once(), Fault::server_error_after());
        }
    };
    let before: fn(&Stage) = |s| s.sim.fault(On::any().skip(2).times(3), Fault::server_error());
    let throttled: fn(&Stage) = |s| {
        for op in ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment", "DescribeServices"] {
            s.sim.fault(On::op(op).times(2), Fault::throttle());
        }
    };
    let mut rows = Vec::new();
    for (name, fault) in [("lost", lost), ("not-sent", refused), ("500", before), ("throttled", throttled)] {
        rows.push(Row { name, fault, ..lands() });
        rows.push(Row { name, fault, ..restored() });
    }
    // Writes that are answered by 500 are not counted, though they were made.
    rows.push(Row { name: "500-after", fault: after, writes: "", ..lands() });
    rows.push(Row { name: "500-after", fault: after, writes: "RU", ..restored() });
    rows.push(Row { name: "lost-fails", fault: lost, course: breaks, ..back(Reason::CrashLoop, "RUS") });
    play(rows).await;
}

#[tokio::test]
async fn what_is_not_known_or_gone() {
    let unknown = |s: &Stage| {
        let change = |v: &mut serde_json::Value| {
            for d in v["serviceDeployments"].as_array_mut().into_iter().flatten() {
                d["status"] = json!("SOME_FUTURE_STATE");
            }
        };
        s.sim.fault(On::op("ListServiceDeployments").skip(3).times(3), Fault::rewrite(change));
    };
    let inactive = |s: &Stage| s.account.deregister("app:1");
    let moved = |s: &Stage| s.sim.push(&crate::support::image(OLD), "other bytes");
    let no_deployments = |s: &Stage| {
        let refusal = Refusal::new("UnsupportedFeatureException", "not in this partition");
        s.sim.fault(On::op("ListServiceDeployments"), Fault::Refuse(refusal));
    };
    play(vec![
        Row { name: "unknown", fault: unknown, ..lands() },
        Row { name: "unknown", fault: unknown, ..restored() },
        Row { name: "inactive", fault: inactive, ..lands() },
        Row { name: "inactive", fault: inactive, writes: "RURU", ..restored() },
        Row { name: "inactive-fails", fault: inactive, course: breaks, ..back(Reason::CrashLoop, "RUS") },
        Row { name: "moved", fault: moved, ..not_restored() },
        Row { name: "old-partition", fault: no_deployments, ..lands() },
        Row { name: "old-partition", fault: no_deployments, ..restored() },
    ])
    .await;
}

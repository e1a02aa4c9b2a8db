//! What ECS may do with a deployment, each for a first deployment, an ordinary one and a restore: how it ends, and the
//! exact writes on the way. In every cell there is at most one update forward and one back, and no task definition is
//! registered twice.

use crate::scenarios_row::{Cell, Row, SECOND, When, back, lands, left, lost, not_restored, restored};
use crate::scenarios_stage::{NEW, OLD, OTHER, Stage};
use crate::sim::course::{Back, Course, Failure, Somebody};
use crate::sim::error::Refusal;
use crate::sim::faults::{Fault, On};
use Cell::{Never, Waits};
use Reason::{Contended, CrashLoop, DeploymentFailed, ImagePullFailed, ProgressDeadlineExceeded, RollbackBlocked};
use serde_json::{Value, json};
use std::time::Duration;
use tidegate::api::Reason;

const WRITES: [&str; 3] = ["RegisterTaskDefinition", "UpdateService", "StopServiceDeployment"];
pub const READS: [&str; 2] = ["DescribeServices", "ListServiceDeployments"];
const NOT_STOPPED: Cell = Never("a way back is never stopped");
const LANDED_BEFORE: Cell = Never("it follows a deployment that landed, so there is something to go back to");
const NOT_BROUGHT: Cell = Never("the tag that is moved is one that only a restore brings");

fn good() -> Course {
    Course::lands().after(SECOND)
}

fn breaks() -> Course {
    Course::fails(Failure::Exits(1)).after(SECOND)
}

fn cannot_pull() -> Course {
    Course::fails(Failure::CannotPull(None)).after(SECOND)
}

/// Failed, rolled back and out of the list of deployments between two polls.
fn unseen() -> Course {
    Course::fails(Failure::Unhealthy).after(SECOND / 10).lingers(Duration::ZERO)
}

/// The same cell for a first and an ordinary deployment.
fn both(forward: Cell, restore: Cell) -> [Cell; 3] {
    [forward, forward, restore]
}

pub fn tasks() -> Vec<Row> {
    let deadline = ProgressDeadlineExceeded;
    vec![
        Row::new("lands", good, both(lands("RU"), restored("RUU"))),
        Row::new("fails", breaks, both(back(CrashLoop, "RUS"), not_restored("RUU", OLD))),
        Row::new("cannot-pull", cannot_pull, both(back(ImagePullFailed, "RUS"), not_restored("RUU", OLD))),
        Row::new("hangs", Course::hangs, both(back(deadline, "RUS"), not_restored("RUU", OLD))),
    ]
}

pub fn circuit_breaker() -> Vec<Row> {
    vec![
        // It takes a restore back to what it calls the last good one: that is what failed its check.
        Row::new("breaks", breaks, both(back(CrashLoop, "RU"), not_restored("RUU", NEW))).service(|s| s.breaker(true)),
        Row::new("breaks-unseen", unseen, both(back(DeploymentFailed, "RU"), not_restored("RUU", NEW)))
            .service(|s| s.breaker(true)),
        Row::new("stops", breaks, both(back(CrashLoop, "RUU"), not_restored("RUU", OLD)))
            .service(|s| s.breaker(false))
            // As below.
            .or(When::First, back(CrashLoop, "RUsU"))
            .or(When::Ordinary, back(CrashLoop, "RUsU")),
        Row::new(
            "cannot-go-back",
            || breaks().back(Back::Fails(SECOND)),
            both(lost(CrashLoop, "RU", OLD), not_restored("RUU", NEW)),
        )
        .service(|s| s.breaker(true)),
        Row::new(
            "stop-cannot-go-back",
            || Course::hangs().back(Back::Fails(SECOND)),
            both(lost(ProgressDeadlineExceeded, "RUS", OLD), NOT_STOPPED),
        ),
    ]
}

/// The service's own first deployment has failed, so there is none that ECS would go back to.
pub fn nothing_to_go_back_to() -> Vec<Row> {
    let only_first = |first: Cell| [first, LANDED_BEFORE, LANDED_BEFORE];
    vec![
        Row::new("nothing-lands", good, only_first(lands("RU")))
            .service(|s| s.breaker(true).first(breaks()).set(|s| s.nothing_to_go_back_to_fails = true)),
        Row::new("nothing-breaks", breaks, only_first(back(CrashLoop, "RUU")))
            .service(|s| s.breaker(true).first(breaks()).set(|s| s.nothing_to_go_back_to_fails = true))
            // Its tasks are seen to fail before the circuit breaker trips: it is stopped, in time or too late.
            .or(When::First, back(CrashLoop, "RUSU"))
            .or(When::First, back(CrashLoop, "RUsU")),
        Row::new("stopped-lands", good, only_first(lands("RU"))).service(|s| s.breaker(false).first(breaks())),
        // As documented it stands still for ever, and counts as under way.
        Row::new("nothing-stands", good, only_first(Waits(Reason::DeploymentInFlight)))
            .service(|s| s.breaker(true).first(breaks())),
    ]
}

pub fn others() -> Vec<Row> {
    let other = || Course::lands().meanwhile(SECOND, Somebody::Deploys("app:2".into()));
    let again = || Course::lands().meanwhile(SECOND, Somebody::Redeploys);
    let stopped = || Course::hangs().meanwhile(SECOND, Somebody::StopsIt);
    let blocked = left(RollbackBlocked, Reason::HealthCheckFailed, "RUU", OTHER);
    vec![
        Row::new("another", other, both(left(Contended, Contended, "RU", OTHER), blocked)),
        Row::new("again", again, both(lands("RU"), restored("RUU"))),
        Row::new("stopped", stopped, both(back(DeploymentFailed, "RU"), not_restored("RUU", NEW))),
    ]
}

pub fn odd_reads() -> Vec<Row> {
    // Reads lag for a time, not for a number of them: the controller may look rarely.
    let lag = |s: &Stage| {
        let late = |op: &str| On::op(op).times(3).within(2 * SECOND);
        READS.iter().for_each(|op| s.sim.fault(late(op), Fault::Stale("UpdateService")));
    };
    let flap =
        |s: &Stage| s.sim.flap("DescribeServices", "UpdateService", &[true, false, true, false, true, false, true]);
    let flap_all = |s: &Stage| {
        READS.iter().for_each(|op| s.sim.flap(op, "UpdateService", &[false, true, false, false, true, false]));
    };
    let (good_cells, bad_cells) =
        (both(lands("RU"), restored("RUU")), both(back(CrashLoop, "RUS"), not_restored("RUU", OLD)));
    vec![
        Row::new("lag", good, good_cells).fault(lag),
        Row::new("lag-fails", breaks, bad_cells).fault(lag),
        Row::new("flap", good, good_cells).fault(flap),
        Row::new("flap-fails", breaks, bad_cells).fault(flap),
        Row::new("flap-all", good, good_cells).fault(flap_all),
        Row::new("flap-all-fails", breaks, bad_cells).fault(flap_all),
    ]
}

pub fn lost_answers() -> Vec<Row> {
    let lost = |s: &Stage| WRITES.iter().for_each(|op| s.sim.fault(On::op(op).once(), Fault::AnswerLost));
    let not_sent = |s: &Stage| WRITES.iter().for_each(|op| s.sim.fault(On::op(op).once(), Fault::Lost));
    let after = |s: &Stage| WRITES.iter().for_each(|op| s.sim.fault(On::op(op).once(), Fault::server_error_after()));
    let (good_cells, bad_cells) =
        (both(lands("RU"), restored("RUU")), both(back(CrashLoop, "RUS"), not_restored("RUU", OLD)));
    vec![
        Row::new("lost", good, good_cells).fault(lost),
        Row::new("lost-fails", breaks, bad_cells).fault(lost),
        Row::new("not-sent", good, good_cells).fault(not_sent),
        Row::new("not-sent-fails", breaks, bad_cells).fault(not_sent),
        Row::new("500-after", good, good_cells).fault(after),
        Row::new("500-after-fails", breaks, bad_cells).fault(after),
    ]
}

pub fn refusals() -> Vec<Row> {
    let reads_fail = |s: &Stage| s.sim.fault(On::any().skip(2).times(3), Fault::server_error());
    let fails = |s: &Stage| WRITES.iter().for_each(|op| s.sim.fault(On::op(op).once(), Fault::server_error()));
    let throttled = |s: &Stage| {
        WRITES.iter().chain(&READS).for_each(|op| s.sim.fault(On::op(op).times(2), Fault::throttle()));
    };
    let denied = |s: &Stage| WRITES.iter().for_each(|op| s.sim.fault(On::op(op).times(2), Fault::Deny));
    let denied_reads = |s: &Stage| READS.iter().for_each(|op| s.sim.fault(On::op(op).once(), Fault::Deny));
    vec![
        Row::new("500-reads", good, both(lands("RU"), restored("RUU"))).fault(reads_fail),
        Row::new("500", good, both(lands("rRuU"), restored("RUuU"))).fault(fails),
        Row::new("500-fails", breaks, both(back(CrashLoop, "rRuUsS"), not_restored("RUuU", OLD))).fault(fails),
        Row::new("throttled", good, both(lands("rrRuuU"), restored("RUuuU"))).fault(throttled),
        Row::new("throttled-fails", breaks, both(back(CrashLoop, "rrRuuUssS"), not_restored("RUuuU", OLD)))
            .fault(throttled),
        Row::new("denied", good, both(lands("rrRuuU"), restored("RUuuU"))).fault(denied),
        Row::new("denied-fails", breaks, both(back(CrashLoop, "rrRuuUssS"), not_restored("RUuuU", OLD))).fault(denied),
        Row::new("denied-reads", good, both(lands("RU"), restored("RUU"))).fault(denied_reads),
    ]
}

pub fn unknown_values() -> Vec<Row> {
    let for_now = |s: &Stage| {
        READS.iter().for_each(|op| s.sim.fault(On::op(op).skip(3).times(3), Fault::rewrite(unknown)));
    };
    let for_ever = |s: &Stage| s.sim.fault(On::op("ListServiceDeployments"), Fault::rewrite(unknown));
    let never = lost(ProgressDeadlineExceeded, "RUU", OLD);
    vec![
        Row::new("unknown", good, both(lands("RU"), restored("RUU"))).fault(for_now),
        Row::new("unknown-fails", breaks, both(back(CrashLoop, "RUS"), not_restored("RUU", OLD))).fault(for_now),
        // Never a success, neither forward nor back.
        Row::new("unknown-for-ever", good, both(never, not_restored("RUU", OLD))).fault(for_ever),
    ]
}

fn unknown(answer: &mut Value) {
    for d in answer["serviceDeployments"].as_array_mut().into_iter().flatten() {
        d["status"] = json!("SOME_FUTURE_STATE");
    }
    let services = answer["services"].as_array_mut().into_iter().flatten();
    for d in services.flat_map(|s| s["deployments"].as_array_mut().into_iter().flatten()) {
        d["rolloutState"] = json!("SOME_FUTURE_STATE");
    }
}

pub fn gone() -> Vec<Row> {
    let inactive = |s: &Stage| s.account.deregister("app:1");
    let moved = |s: &Stage| s.sim.push(&crate::support::image(OLD), "other bytes");
    let unlisted = |s: &Stage| {
        let none = |answer: &mut Value| answer["serviceDeployments"] = json!([]);
        s.sim.fault(On::op("ListServiceDeployments").skip(1).times(3), Fault::rewrite(none));
    };
    vec![
        Row::new("inactive", good, both(lands("RU"), restored("RURU"))).fault(inactive),
        Row::new("inactive-fails", breaks, both(back(CrashLoop, "RUS"), not_restored("RURU", OLD))).fault(inactive),
        Row::new("moved", good, [NOT_BROUGHT, NOT_BROUGHT, not_restored("RUU", OLD)]).fault(moved),
        Row::new("old-partition", good, both(lands("RU"), restored("RUU"))).fault(no_service_deployments),
        // Before its answer comes ECS has gone back, and nothing but the older fields tells.
        Row::new("back-at-once", at_once, both(back(DeploymentFailed, "RU"), not_restored("RUU", NEW)))
            .service(|s| s.breaker(true))
            .fault(|s| {
                no_service_deployments(s);
                s.sim.fault(On::op("UpdateService").once(), Fault::rewrite(gone_back));
            }),
        Row::new("unlisted", good, both(lands("RU"), restored("RUU"))).fault(unlisted),
        Row::new("unlisted-fails", breaks, both(back(CrashLoop, "RUS"), not_restored("RUU", OLD))).fault(unlisted),
    ]
}

fn no_service_deployments(s: &Stage) {
    let refusal = Refusal::new("UnsupportedFeatureException", "not in this partition");
    s.sim.fault(On::op("ListServiceDeployments"), Fault::Refuse(refusal));
}

fn at_once() -> Course {
    Course::fails(Failure::Unhealthy).after(Duration::from_millis(100)).lingers(SECOND * 60)
}

/// The same service, the deployment before the newest being PRIMARY again.
fn gone_back(answer: &mut Value) {
    for d in answer["service"]["deployments"].as_array_mut().into_iter().flatten() {
        let old = d["status"] != "PRIMARY";
        d["status"] = json!(if old { "PRIMARY" } else { "ACTIVE" });
        d["rolloutState"] = json!(if old { "IN_PROGRESS" } else { "FAILED" });
    }
}

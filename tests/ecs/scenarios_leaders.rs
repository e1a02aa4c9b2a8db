//! Two replicas, and the one that leads stands still right before it updates the service: ECS has nothing by which the
//! loser of two writers would be refused, so that it must not write at all.

use crate::scenarios_row::SECOND;
use crate::scenarios_stage::{NEW, OLD, Stage, without_controller};
use crate::sim::course::{Course, Failure};
use crate::sim::faults::{Fault, Gate, On};
use crate::support::controller::leader;
use crate::support::wait::{BOUND, is, until};
use tidegate::api::Reason;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// Long enough that the other one keeps it on a busy machine.
const LEASE: &str = "--lease-seconds=10";

#[tokio::test]
async fn a_leader_that_wakes_up_does_not_update_the_service_once_more() {
    frozen("frozen-good", Course::lands().after(SECOND), async |s| {
        s.verified(NEW).await;
        assert_eq!((s.tries().as_str(), s.tag().as_str()), ("RU", NEW));
    })
    .await;
}

/// The worst that could come late: the image was bad, the other one has taken it back, and the rollout has ended.
#[tokio::test]
async fn a_leader_that_wakes_up_does_not_bring_again_what_was_taken_back() {
    frozen("frozen-bad", Course::fails(Failure::Exits(1)).after(SECOND), async |s| {
        s.rolled_back(NEW, Reason::CrashLoop).await;
        until("ECS is back", async || is(s.at_rest(), (), s.service.rollouts())).await;
        assert_eq!((s.tries().as_str(), s.tag().as_str()), ("RUS", OLD));
    })
    .await;
}

/// The leader is frozen when the answer to its last read before the update is on its way. The other one takes over, and
/// brings the rollout to its `end`; then the first goes on.
async fn frozen(name: &str, course: Course, end: impl AsyncFn(&Stage)) {
    // There is one lease.
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    without_controller(
        name,
        |s| s,
        async |s| {
            let (a, b) = (s.start_as(&[LEASE]), s.start_as(&[LEASE]));
            s.settled().await;
            s.service.plan([course.clone()]);
            let registered = Gate::new();
            s.sim.fault(On::op("RegisterTaskDefinition").once(), Fault::HoldAfter(registered.clone()));
            s.set_tag(NEW).await;
            timeout(BOUND, registered.reached()).await.expect("it is registered");
            let read = Gate::new();
            s.sim.fault(On::op("DescribeServices").once(), Fault::HoldAfter(read.clone()));
            registered.open();
            timeout(BOUND, read.reached()).await.expect("the service is read once more");
            let first = leader(&s.client, [&a, &b]).await;
            let other = if first == a { &b } else { &a };
            s.signal(first, "STOP");
            assert_eq!(s.tries(), "R", "it is not updated yet");
            until("the other one leads", async || {
                let now = leader(&s.client, [&a, &b]).await;
                is(now == other, (), now)
            })
            .await;
            end(s).await;
            let calls = s.sim.calls().len();
            // What it waits for is there when it wakes up: that the service is as it was decided on.
            read.open();
            timeout(BOUND, read.left()).await.expect("it is answered");
            s.signal(first, "CONT");
            until("it knows that it leads no more", async || {
                let log = s.log_of(first);
                is(log.contains("not leading") && log.contains("not written"), (), "not yet")
            })
            .await;
            // That nothing happens has no condition to wait for.
            sleep(3 * SECOND).await;
            let later: Vec<_> = s.sim.calls().split_off(calls).into_iter().map(|c| c.op).collect();
            assert!(later.iter().all(|op| op == "DescribeServices"), "it asked ECS for {later:?}");
            assert_eq!(leader(&s.client, [&a, &b]).await, other);
            end(s).await;
        },
    )
    .await;
}

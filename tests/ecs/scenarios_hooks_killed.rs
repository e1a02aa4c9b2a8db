//! The controller is killed around each of its calls for a hook that is an ECS task, and another one goes on.

use crate::scenarios_hooks::{brings, migrate, tokens};
use crate::scenarios_killed::killed_at;
use crate::scenarios_stage::{NEW, OLD, Stage, settled_on_ecs};
use crate::sim::course::Course;
use crate::sim::errands::Errand;
use crate::sim::faults::{Fault, Gate, On};
use crate::support::wait::BOUND;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;
use tidegate::api::{Phase, Reason};
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);
/// Plays at a time.
const AT_A_TIME: usize = 4;

/// Calls of an undisturbed play that begin with the new tag and end with the first update of the service.
async fn calls() -> usize {
    let count = Cell::new(0);
    settled_on_ecs("hook-calls", async |s| {
        let before = s.sim.calls().len();
        good(s).await;
        s.verified(NEW).await;
        let all = s.sim.calls();
        count.set(all.iter().skip(before).position(|c| c.op == "UpdateService").unwrap());
    })
    .await;
    count.get()
}

async fn good(s: &Stage<'_>) {
    s.account.plan([Errand::Exits(0, 2 * SECOND)]);
    s.service.plan([Course::lands().after(SECOND)]);
    brings(s, json!([migrate()]), json!([])).await;
}

/// One task, one token, and the image behind it.
async fn ran_once(s: &Stage<'_>, said: &str) {
    s.verified(NEW).await;
    assert_eq!((tokens(s).len(), s.account.errands().len(), s.tag().as_str()), (1, 1, NEW), "{said}: {}", s.tries());
    assert_eq!(s.writes().replace('T', ""), "RRU", "{said}");
}

#[tokio::test]
async fn at_every_call_of_a_good_one() {
    let calls = calls().await;
    assert!(calls > 8, "{calls}");
    stream::iter(0..calls)
        .for_each_concurrent(AT_A_TIME, |nth| async move {
            settled_on_ecs(&format!("hook-killed-{nth}"), async |s| {
                let gate = Gate::new();
                s.sim.fault(On::any().skip(nth).once(), Fault::HoldBefore(gate.clone()));
                good(s).await;
                timeout(BOUND, gate.reached()).await.expect("the call comes");
                s.kill();
                gate.left().await;
                s.start();
                gate.open();
                ran_once(s, &format!("killed before call {nth}")).await;
            })
            .await;
        })
        .await;
}

#[tokio::test]
async fn after_every_write_of_a_good_one() {
    stream::iter(["RegisterTaskDefinition", "RunTask"])
        .for_each_concurrent(AT_A_TIME, |op| async move {
            settled_on_ecs(&format!("hook-killed-after-{}", op.to_lowercase()), async |s| {
                // Lists show late what was made: the token alone tells.
                let late = Fault::rewrite(|v| v["taskArns"] = json!([]));
                s.sim.fault(On::op("ListTasks").about("tidegate/").times(2), late);
                let ((), ()) = futures::join!(killed_at(s, op, 0, true), good(s));
                ran_once(s, &format!("killed after {op}")).await;
            })
            .await;
        })
        .await;
}

/// Killed when it was run, and back when it has long ended badly.
#[tokio::test]
async fn a_bad_end_is_heard_by_the_next_one() {
    settled_on_ecs("hook-killed-bad", async |s| {
        s.account.plan([Errand::Exits(3, SECOND)]);
        let ((), ()) = futures::join!(killed_at(s, "RunTask", 0, true), brings(s, json!([migrate()]), json!([])));
        s.ends(NEW, Phase::Failed, Reason::HookFailed).await;
        assert_eq!((s.tag().as_str(), s.account.errands().len()), (OLD, 1));
    })
    .await;
}

#[tokio::test]
async fn around_its_stop() {
    stream::iter([false, true])
        .for_each_concurrent(AT_A_TIME, |after| async move {
            settled_on_ecs(&format!("hook-killed-stop-{after}"), async |s| {
                s.account.plan([Errand::RunsForEver]);
                let mut hook = migrate();
                hook["timeout"] = json!("4s");
                let brought = brings(s, json!([hook]), json!([]));
                let ((), ()) = futures::join!(killed_at(s, "StopTask", 0, after), brought);
                s.ends(NEW, Phase::Failed, Reason::HookTimedOut).await;
                let codes: Vec<Value> = s.account.errands().iter().map(|t| t["stopCode"].clone()).collect();
                assert_eq!((s.tag().as_str(), codes), (OLD, vec![json!("UserInitiated")]), "after: {after}");
            })
            .await;
        })
        .await;
}

//! How hooks that are ECS tasks end badly, and what is found of them where an answer was lost.

use crate::scenarios_hooks::{at_work, brings, migrate, runs, tokens};
use crate::scenarios_stage::{NEW, OLD, Stage, release, settled_on_ecs};
use crate::sim::course::Failure;
use crate::sim::errands::Errand;
use crate::sim::faults::{Fault, Gate, On};
use crate::support::cluster::repository;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::api::status::HookStep;
use tidegate::api::{Phase, Reason};

const SECOND: Duration = Duration::from_secs(1);

/// The service was not touched, and nothing is held against the image.
fn untouched(s: &Stage<'_>) {
    assert_eq!(s.tag(), OLD);
    assert!(!s.writes().contains('U'), "{}", s.writes());
}

fn stopped(s: &Stage<'_>) -> Vec<Value> {
    s.account.errands().iter().map(|t| t["stopCode"].clone()).collect()
}

#[tokio::test]
async fn a_bad_exit_ends_the_rollout() {
    for (name, errand, says) in [
        ("code", Errand::Exits(3, SECOND), "container app exited with 3"),
        (
            "pull",
            Errand::Fails(Failure::CannotPull(None), SECOND),
            "container app has no exit code, CannotPullContainerError",
        ),
    ] {
        settled_on_ecs(&format!("hook-bad-{name}"), async |s| {
            s.account.plan([errand.clone()]);
            brings(s, json!([migrate()]), json!([])).await;
            let end = s.ends(NEW, Phase::Failed, Reason::HookFailed).await;
            let message = end.message.unwrap();
            assert!(message.contains(says), "{message}");
            assert!(s.event(Reason::HookFailed).await.contains(says));
            untouched(s);
            assert!(end.quarantine.is_empty());
            // It runs again when a person says so, and only then: another rollout, another task.
            s.retry("again").await;
            s.phase(NEW, Phase::Verified).await;
            assert_eq!((runs(s).len(), tokens(s).len(), s.account.errands().len()), (2, 2, 2));
        })
        .await;
    }
}

#[tokio::test]
async fn one_that_hangs_is_stopped() {
    settled_on_ecs("hook-late", async |s| {
        s.account.plan([Errand::RunsForEver]);
        let mut hook = migrate();
        hook["timeout"] = json!("4s");
        brings(s, json!([hook]), json!([])).await;
        let end = s.ends(NEW, Phase::Failed, Reason::HookTimedOut).await;
        assert!(end.message.unwrap().contains("not done within 4s, how far it came is not known"));
        untouched(s);
        assert_eq!((stopped(s), s.writes().as_str()), (vec![json!("UserInitiated")], "RTE"));
        let call = s.sim.calls().into_iter().find(|c| c.op == "StopTask").unwrap().body();
        assert!(call["reason"].as_str().unwrap().starts_with("Stopped by Tidegate"), "{call}");
    })
    .await;
}

#[tokio::test]
async fn an_abort_stops_it() {
    settled_on_ecs("hook-abort", async |s| {
        s.account.plan([Errand::RunsForEver]);
        brings(s, json!([migrate()]), json!([])).await;
        let status = at_work(s).await;
        s.abort(status.rollout.unwrap().id).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Aborted).await;
        assert_eq!(end.rollout.unwrap().stages[0].hooks[0].state, HookStep::Stopped);
        untouched(s);
        assert_eq!((stopped(s), s.writes().as_str()), (vec![json!("UserInitiated")], "RTE"));
    })
    .await;
}

#[tokio::test]
async fn a_deletion_stops_it() {
    settled_on_ecs("hook-delete", async |s| {
        s.account.plan([Errand::RunsForEver]);
        brings(s, json!([migrate()]), json!([])).await;
        at_work(s).await;
        s.delete().await;
        s.gone().await;
        assert_eq!((stopped(s), s.writes().as_str()), (vec![json!("UserInitiated")], "RTE"));
        untouched(s);
        // For what is looked at after every play.
        s.apply(&release(OLD)).await;
        s.verified(OLD).await;
    })
    .await;
}

#[tokio::test]
async fn a_newer_image_lets_it_finish() {
    settled_on_ecs("hook-newer", async |s| {
        s.account.plan([Errand::Exits(0, 20 * SECOND)]);
        brings(s, json!([migrate()]), json!([])).await;
        at_work(s).await;
        s.set_tag("sha-0000003").await;
        s.verified("sha-0000003").await;
        assert_eq!((s.writes().as_str(), s.account.errands().len()), ("RTRTRU", 2));
        assert!(stopped(s).iter().all(|code| *code == "EssentialContainerExited"), "{:?}", stopped(s));
    })
    .await;
}

#[tokio::test]
async fn one_that_is_gone_is_never_run_again() {
    settled_on_ecs("hook-gone", async |s| {
        s.account.plan([Errand::RunsForEver]);
        brings(s, json!([migrate()]), json!([])).await;
        at_work(s).await;
        s.account.lose_errands();
        let end = s.ends(NEW, Phase::Failed, Reason::HookVanished).await;
        assert!(end.message.unwrap().contains("it is not run again by itself"));
        untouched(s);
        assert_eq!(runs(s).len(), 1);
    })
    .await;
}

/// One answer, or a few, that leave it out are no word that it is gone.
#[tokio::test]
async fn one_that_is_missing_for_a_moment_is_not_gone() {
    settled_on_ecs("hook-missing", async |s| {
        s.account.plan([Errand::Exits(0, 4 * SECOND)]);
        let missing = Fault::rewrite(|v| *v = json!({"tasks": [], "failures": [{"reason": "MISSING"}]}));
        s.sim.fault(
            On::op("DescribeTasks").about("[\"arn:aws:ecs:eu-west-1:111122223333:task/").skip(1).times(3),
            missing,
        );
        brings(s, json!([migrate()]), json!([])).await;
        s.verified(NEW).await;
        assert_eq!((runs(s).len(), s.account.errands().len()), (1, 1));
    })
    .await;
}

/// The answer never came, and lists show late what was made: the same token asks for the same task.
#[tokio::test]
async fn a_lost_answer_runs_it_once() {
    for (name, fault) in
        [("lost", Fault::AnswerLost), ("silent", Fault::Silence), ("error", Fault::server_error_after())]
    {
        settled_on_ecs(&format!("hook-{name}"), async |s| {
            s.account.plan([Errand::Exits(0, 12 * SECOND)]);
            s.sim.fault(On::op("RunTask").once(), fault.clone());
            s.sim.fault(On::op("ListTasks").about("tidegate/").times(2), Fault::rewrite(|v| v["taskArns"] = json!([])));
            brings(s, json!([migrate()]), json!([])).await;
            s.verified(NEW).await;
            assert_eq!((tokens(s).len(), s.account.errands().len()), (1, 1), "{}", s.writes());
            assert!(runs(s).len() > 1, "the list said nothing, so it was asked for again");
        })
        .await;
    }
}

/// It has ended when it is looked for: it is found among those that have stopped.
#[tokio::test]
async fn what_ended_before_it_was_heard_of_is_found() {
    settled_on_ecs("hook-ended", async |s| {
        s.account.plan([Errand::Exits(0, Duration::ZERO)]);
        s.sim.fault(On::op("RunTask").once(), Fault::Silence);
        brings(s, json!([migrate()]), json!([])).await;
        s.verified(NEW).await;
        assert_eq!((runs(s).len(), s.account.errands().len()), (1, 1));
    })
    .await;
}

/// What it is run with changed between two tries: ECS names the task that the first has made.
#[tokio::test]
async fn another_network_meanwhile_runs_no_second_one() {
    settled_on_ecs("hook-conflict", async |s| {
        s.account.plan([Errand::Exits(0, 6 * SECOND)]);
        s.sim.fault(On::op("RunTask").once(), Fault::AnswerLost);
        let answer = Gate::new();
        s.sim.fault(On::op("RunTask").once(), Fault::HoldAfter(answer.clone()));
        s.sim.fault(On::op("ListTasks"), Fault::rewrite(|v| v["taskArns"] = json!([])));
        brings(s, json!([migrate()]), json!([])).await;
        // Before anything is tried again.
        answer.reached().await;
        s.service.change(|settings| settings.subnet = "subnet-ffffffff");
        answer.open();
        s.verified(NEW).await;
        assert_eq!((tokens(s).len(), s.account.errands().len()), (1, 1), "{}", s.tries());
        assert!(s.tries().starts_with("RTt"), "{}", s.tries());
    })
    .await;
}

/// The actions that docs/ecs.md asks for hooks are those that are called beside the others.
#[tokio::test]
async fn the_policy_for_hooks_is_what_is_called() {
    settled_on_ecs("hook-policy", async |s| {
        s.account.plan([Errand::RunsForEver]);
        let mut hook = migrate();
        hook["timeout"] = json!("3s");
        brings(s, json!([hook]), json!([])).await;
        s.ends(NEW, Phase::Failed, Reason::HookTimedOut).await;
        let guide = std::fs::read_to_string(repository().join("docs/ecs.md")).unwrap();
        let policies =
            guide.split("```json\n").skip(1).map(|p| serde_json::from_str(p.split("```").next().unwrap()).unwrap());
        let actions = |policy: Value| -> BTreeSet<String> {
            let statements = policy["Statement"].as_array().unwrap().clone();
            let all = statements
                .iter()
                .flat_map(|s| s["Action"].as_array().cloned().unwrap_or_else(|| vec![s["Action"].clone()]));
            all.map(|a| a.as_str().unwrap().to_owned()).collect()
        };
        let [base, more] = &policies.map(actions).collect::<Vec<_>>()[..] else { panic!("two policies") };
        let called: BTreeSet<String> = s.sim.calls().iter().map(|c| format!("{}:{}", c.service, c.op)).collect();
        let beside: BTreeSet<_> = called.difference(base).cloned().collect();
        let own: BTreeSet<_> = more.difference(base).cloned().collect();
        assert_eq!(beside, own);
    })
    .await;
}

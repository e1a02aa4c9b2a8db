//! Services behind a load balancer: what it says of the new tasks is waited for, told, and never guessed.

use crate::scenarios_stage::{NEW, OLD, SHORT, Stage, on_ecs, release};
use crate::sim::NewService;
use crate::sim::course::{Course, Failure};
use crate::sim::faults::{Fault, Gate, On};
use crate::support::wait::{BOUND, is, until};
use serde_json::json;
use std::time::Duration;
use tidegate::api::{Phase, Reason};
use tokio::time::timeout;

const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/app/0123456789abcdef";
const ASKED: &str = "DescribeTargetHealth";
const SECOND: Duration = Duration::from_secs(1);

fn balanced(service: NewService) -> NewService {
    service.load_balancer(GROUP, "app", 8080)
}

/// The load balancer's answers so far.
fn answers(s: &Stage) -> Vec<String> {
    s.sim.calls().into_iter().filter(|c| c.op == ASKED).map(|c| c.answer).collect()
}

/// ECS leaves such a task alone for as long as its grace period says: the deadline decides, and tells why.
#[tokio::test]
async fn an_unhealthy_task_is_named_at_the_deadline() {
    on_ecs("lb-hangs", balanced, async |s| {
        s.patience.set(SHORT);
        s.settled().await;
        s.service.plan([Course::hangs()]);
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::ProgressDeadlineExceeded).await;
        let message = end.rollout.unwrap().cause.unwrap().message;
        let why =
            "is unhealthy in target group app (Target.ResponseCodeMismatch: Health checks failed with these codes: [503])";
        assert!(message.contains(why), "{message}");
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUS", OLD));
    })
    .await;
}

/// Where ECS stops one task after the other for its health, nobody waits for the deadline.
#[tokio::test]
async fn tasks_that_are_replaced_for_their_health_are_a_failure() {
    on_ecs("lb-replaced", balanced, async |s| {
        s.settled().await;
        s.service.plan([Course::fails(Failure::Unhealthy).after(6 * SECOND)]);
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        let message = end.rollout.unwrap().cause.unwrap().message;
        assert!(message.contains("Task failed ELB health checks") && message.contains("codes: [503]"), "{message}");
        assert_eq!(end.quarantine.len(), 1, "it answered, and wrongly");
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUS", OLD));
    })
    .await;
}

/// What the load balancer says is never older than what is known of the tasks that ended: else the last one that ended
/// would still be judged as one that runs.
#[tokio::test]
async fn tasks_that_ended_are_asked_for_before_those_that_run() {
    on_ecs("lb-order", balanced, async |s| {
        s.settled().await;
        s.service.plan([Course::hangs()]);
        s.set_tag(NEW).await;
        let status = s.phase(NEW, Phase::Rolling).await;
        until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
        let before = answers(s).len();
        until("the load balancer is asked", async || is(answers(s).len() > before, (), s.tag())).await;
        let (ended, running) = (Gate::new(), Gate::new());
        s.sim.fault(On::op("ListTasks").about("STOPPED"), Fault::HoldBefore(ended.clone()));
        timeout(BOUND, ended.reached()).await.expect("a look begins");
        s.sim.fault(On::op(ASKED), Fault::HoldBefore(running.clone()));
        let early = timeout(2 * SECOND, running.reached()).await;
        assert!(early.is_err(), "the load balancer is asked while nobody knows what has ended");
        ended.open();
        timeout(BOUND, running.reached()).await.expect("it is asked then");
        running.open();
        s.abort(status.rollout.unwrap().id).await;
        s.ends(NEW, Phase::RolledBack, Reason::Aborted).await;
    })
    .await;
}

/// ECS calls it a success before the load balancer has taken the new tasks in. At rest nobody asks.
#[tokio::test]
async fn a_success_waits_for_the_load_balancer() {
    let slow = |service| balanced(service).set(|s| s.registers_in = 15 * SECOND);
    on_ecs("lb-initial", slow, async |s| {
        s.settled().await;
        s.service.plan([Course::lands().after(SECOND)]);
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        let answers = answers(s);
        let initial = |answer: &&String| answer.contains("<State>initial</State>");
        assert!(answers.iter().any(|a| initial(&a)), "it was never in between");
        let last = answers.last().unwrap();
        assert!(!initial(&last) && last.contains("<State>healthy</State>"), "{last}");
        assert_eq!(s.writes(), "RU");

        let before = s.sim.calls().len();
        s.annotate(json!({"example.com/note": "seen"})).await;
        s.marker("marker").await;
        assert_eq!(s.sim.calls().len(), before, "at rest nothing is asked");
    })
    .await;
}

#[tokio::test]
async fn who_may_not_ask_does_without_and_says_so_once() {
    on_ecs("lb-denied", balanced, async |s| {
        s.settled().await;
        s.sim.fault(On::op(ASKED), Fault::Deny);
        s.service.plan([Course::lands().after(SECOND)]);
        s.set_tag(NEW).await;
        s.verified(NEW).await;
        let note = s.event(Reason::LookupDenied).await;
        assert!(note.contains("elasticloadbalancing:DescribeTargetHealth"), "{note}");
        let events = s.events().await;
        let said = events.iter().filter(|e| e.reason.as_deref() == Some("LookupDenied"));
        assert_eq!(said.map(|e| e.note.clone()).collect::<Vec<_>>(), [Some(note)]);
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RU", NEW));
    })
    .await;
}

/// Unknown is never a pass: without an answer it waits, and goes on with the next.
#[tokio::test]
async fn a_load_balancer_that_does_not_answer_is_asked_again() {
    on_ecs("lb-silent", balanced, async |s| {
        s.settled().await;
        s.sim.fault(On::op(ASKED), Fault::server_error());
        s.service.plan([Course::lands().after(SECOND)]);
        s.set_tag(NEW).await;
        let landed = until("ECS calls it a success", async || {
            let last = s.service.rollouts().pop();
            let landed = s.tag() == NEW && last.as_ref().is_some_and(|r| r.0 == "SUCCESSFUL");
            is(landed, answers(s).len(), last)
        })
        .await;
        // Each look tries three times.
        until("a look has begun and ended since", async || {
            let asked = answers(s).len() - landed;
            is(asked > 3, (), asked)
        })
        .await;
        assert_eq!(s.status().await.phase, Some(Phase::Rolling));
        s.sim.no_faults();
        s.verified(NEW).await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RU", NEW));
    })
    .await;
}

/// The old tasks leave while the new ones are well: that is no news.
#[tokio::test]
async fn a_service_behind_a_load_balancer_is_rolled_and_restored() {
    on_ecs("lb-restored", balanced, async |s| {
        s.judged().await;
        s.service.plan([Course::lands().after(SECOND), Course::lands().after(SECOND)]);
        s.judge(500).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Restoring).await;
        assert!(answers(s).iter().any(|a| a.contains("<State>draining</State>")), "no task has left yet");
        s.judge(200).await;
        s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUU", OLD));
    })
    .await;
}

/// What is not there yet when the rollout begins is not adopted either.
#[tokio::test]
async fn what_runs_already_is_adopted_when_it_is_well() {
    let fresh = |service| balanced(service).set(|s| s.registers_in = 4 * SECOND).first(Course::lands().after(SECOND));
    on_ecs("lb-adopted", fresh, async |s| {
        s.apply(&release(OLD)).await;
        s.verified(OLD).await;
        let last = answers(s).pop().unwrap();
        assert!(!last.contains("initial"), "{last}");
        assert_eq!(s.writes(), "");
    })
    .await;
}

//! What people see from outside: the columns, the command that is printed, the numbers.

use crate::support::controller::Controller;
use crate::support::wait::{is, until};
use crate::support::{release, scene};
use serde_json::json;
use std::time::{Duration, Instant};
use tidegate::api::{Phase, Reason};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn the_columns_and_the_command_that_approves() {
    scene("columns", async |s| {
        s.settled().await;
        s.set_tag(NEW).await;
        s.awaiting(NEW).await;
        let table = s.cluster.kubectl(&["get", "rel", "-n", &s.ns], None);
        let mut lines = table.lines();
        let header: Vec<_> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(header, ["NAME", "PHASE", "STAGE", "TAG", "PREVIOUS", "AGE", "MESSAGE"]);
        let row = lines.next().unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells[..5], ["checkout", "AwaitingPromotion", "production", NEW, OLD], "{row}");
        // The message bears a command; it is typed as it stands there, but for the name that the policy asks for.
        let (_, command) = row.split_once("kubectl ").expect(row);
        let words: Vec<_> = command.split_whitespace().map(|w| w.trim_matches('\'').replace("='", "=")).collect();
        let mut typed: Vec<&str> = words.iter().map(String::as_str).collect();
        typed.push("tidegate.dev/promoted-by=admin");
        s.cluster.kubectl(&typed, None);
        s.verified(NEW).await;
        let row = s.cluster.kubectl(&["get", "rel", "checkout", "-n", &s.ns, "--no-headers"], None);
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells[..5], ["checkout", "Verified", "production", NEW, OLD], "{row}");
        s.cluster.kubectl(&["wait", "--for=condition=Ready", "rel/checkout", "-n", &s.ns, "--timeout=30s"], None);
    })
    .await;
}

/// Each end of a restore is an event, a number, and a sentence that names what to do.
#[tokio::test]
async fn the_ends_of_restores_are_counted() {
    scene("counted", async |s| {
        let count = async |outcome: &str| {
            let line = format!("tidegate_restores_total{{outcome=\"{outcome}\"}}");
            Controller::shared().metric(&s.http, &line).await
        };
        let before = (count("RolledBack").await, count("RollbackFailed").await);
        s.two_stages().await;
        s.apply(&release(OLD)).await;
        s.verified(OLD).await;
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        s.set_tag(NEW).await;
        let end = s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        let message = end.message.unwrap_or_default();
        assert!(message.contains("restored and verified") && message.contains("tidegate.dev/retry"), "{message}");
        // It is counted when the status is stored, a moment after people can see that.
        until("the restore is counted", async || {
            let now = count("RolledBack").await;
            is(now > before.0, (), now)
        })
        .await;
        s.behaves(OLD, json!({"http": [{"path": "/health", "status": 500}]})).await;
        s.retry("again").await;
        s.until_status("the second attempt fails for good", |status| {
            let last = status.rollout.as_ref().map(|r| (r.id.attempt, r.reason));
            (status.phase, last) == (Some(Phase::Failed), Some((2, Some(Reason::RollbackFailed))))
        })
        .await;
        until("the failed restore is counted", async || {
            let now = count("RollbackFailed").await;
            is(now > before.1, (), now)
        })
        .await;
        let ended = Controller::shared()
            .metric(&s.http, "tidegate_rollouts_ended_total{phase=\"Failed\",reason=\"RollbackFailed\"}");
        assert!(ended.await >= 1.0);
    })
    .await;
}

/// Its liveness is the work loop's: after more time than a dead loop would be given, it still stands.
#[tokio::test]
async fn a_loop_that_turns_is_alive() {
    scene("alive", async |s| {
        let (controller, since) = (Controller::shared(), Instant::now());
        until("a dead loop would have been seen", async || {
            let answer = controller.get(&s.http, "/livez").await;
            assert_eq!(answer.0, 200, "{}", answer.1);
            is(since.elapsed() > Duration::from_secs(33), (), since)
        })
        .await;
        s.settled().await;
    })
    .await;
}

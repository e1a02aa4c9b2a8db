//! Killed around each write of a hook: its Job is created once, and followed.

use crate::alone::alone;
use crate::support::jobs::inline;
use crate::support::wait::{is, until};
use serde_json::json;
use tidegate::api::status::HookStep;
use tidegate::api::{Phase, Reason, ReleaseStatus};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

fn hooks(status: &ReleaseStatus) -> Vec<HookStep> {
    let stages = status.rollout.as_ref().map(|r| r.stages.as_slice()).unwrap_or_default();
    stages.iter().take(1).flat_map(|s| &s.hooks).map(|h| h.state).collect()
}

#[tokio::test]
async fn while_a_hook_runs_and_after() {
    alone("killed-hook", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "15s"}})).await;
        spec["stages"][0]["hooks"] = json!([inline("migrate"), inline("seed")]);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        // As soon as the Job is there, whether its creation was heard of or not.
        until("the first Job", async || is(!s.jobs().await.is_empty(), (), "not yet")).await;
        replicas.kill(&first);
        let second = replicas.start();
        until("the second Job", async || is(s.jobs().await.len() == 2, (), "not yet")).await;
        replicas.kill(&second);
        // It ends while nobody looks.
        until("both are complete", async || {
            let done = s.jobs().await.iter().all(|j| j.status.as_ref().is_some_and(|s| s.succeeded == Some(1)));
            is(done, (), "not yet")
        })
        .await;
        assert_eq!(s.tags("staging").await, [OLD]);
        replicas.start();
        s.awaiting(NEW).await;
        assert_eq!((s.jobs_made().await.len(), s.tags("staging").await.len()), (2, 2));
    })
    .await;
}

/// As soon as it is said that the Job is about to be created, whether it is by then or not.
#[tokio::test]
async fn between_the_intent_and_the_job() {
    alone("killed-intent", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        spec["stages"][0]["hooks"] = json!([inline("migrate")]);
        spec["image"]["tag"] = json!(NEW);
        s.no_jobs(true).await;
        s.apply(&spec).await;
        s.blocked(Reason::HookRefused).await;
        s.no_jobs(false).await;
        s.until_status("it is intended", |s| !hooks(s).is_empty()).await;
        replicas.kill(&first);
        replicas.start();
        s.awaiting(NEW).await;
        assert_eq!(s.jobs_made().await.len(), 1);
    })
    .await;
}

/// Deleted while nobody looks: how it ended is not known, and it is not run again.
#[tokio::test]
async fn while_its_job_is_deleted() {
    alone("killed-vanished", async |s, replicas| {
        let first = replicas.start();
        let mut spec = s.settled().await;
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "10m"}})).await;
        spec["stages"][0]["hooks"] = json!([inline("migrate")]);
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        s.until_status("it is at work", |s| hooks(s) == [HookStep::Running]).await;
        replicas.kill(&first);
        s.delete_jobs().await;
        until("it is gone", async || is(s.jobs().await.is_empty(), (), "not yet")).await;
        replicas.start();
        s.ends(NEW, Phase::Failed, Reason::HookVanished).await;
        assert_eq!((s.jobs_made().await.len(), s.tags("staging").await.len()), (1, 1));
    })
    .await;
}

//! A newer tag while the last one is still on its way to an ECS service in a first stage.

use crate::scenarios_stage::{NEW, OLD, Stage, on_ecs, release};
use crate::sim::NewService;
use crate::sim::course::{Back, Course, Failure};
use crate::support::manifests::stage;
use crate::support::wait::{is, until};
use serde_json::json;
use std::time::Duration;
use tidegate::api::Reason;

const NEWER: &str = "sha-0000003";
const SECOND: Duration = Duration::from_secs(1);

/// Staging on ECS, entered unasked, and production on the cluster; both have adopted [`OLD`].
async fn two_stages(s: &Stage<'_>) {
    s.app("production", OLD).await;
    let mut spec = release(OLD);
    let mut staging = spec["stages"][0].take();
    staging["name"] = json!("staging");
    staging["progressDeadline"] = json!("10m");
    spec["stages"] = json!([staging, stage("production", Some("Manual"))]);
    s.apply(&spec).await;
    s.verified(OLD).await;
}

fn breaker(s: NewService) -> NewService {
    s.breaker(true)
}

#[tokio::test]
async fn while_a_deployment_is_in_progress_the_newer_takes_over_at_once() {
    on_ecs(
        "supersede-at-once",
        |s| s,
        async |s| {
            two_stages(s).await;
            s.service.plan([Course::hangs(), Course::lands().after(SECOND)]);
            s.set_tag(NEW).await;
            until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
            s.set_tag(NEWER).await;
            s.awaiting(NEWER).await;
            assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RURU", NEWER), "no restore in between");
            let status = s.status().await;
            let last = &status.history[0];
            assert_eq!((last.image.short(), last.reason), (NEW.into(), Reason::Superseded));
            assert!(status.quarantine.is_empty());
        },
    )
    .await;
}

/// What it inherited is what it owes: the way back is the version from before both.
#[tokio::test]
async fn one_that_took_over_and_fails_brings_back_what_was_there_before_both() {
    on_ecs("supersede-fails", breaker, async |s| {
        two_stages(s).await;
        s.service.plan([
            Course::hangs(),
            Course::fails(Failure::Exits(1)).after(SECOND),
            Course::lands().after(SECOND),
        ]);
        s.set_tag(NEW).await;
        until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
        s.set_tag(NEWER).await;
        s.rolled_back(NEWER, Reason::CrashLoop).await;
        assert!(s.writes().starts_with("RURU"), "{}", s.writes());
        assert_eq!(s.tag(), OLD);
        let status = s.status().await;
        assert_eq!(status.quarantine.iter().map(|q| q.image.short()).collect::<Vec<_>>(), [NEWER]);
        assert!(status.debts.is_empty());
    })
    .await;
}

/// ECS cannot be stopped on its way back: it is let to end, and the newer begins on what was there before.
#[tokio::test]
async fn while_ecs_rolls_back_the_newer_waits() {
    on_ecs("supersede-not-back", breaker, async |s| {
        two_stages(s).await;
        let bad = Course::fails(Failure::Exits(1)).after(SECOND).back(Back::Lands(6 * SECOND));
        s.service.plan([bad, Course::lands().after(SECOND)]);
        s.set_tag(NEW).await;
        let back = || s.service.rollouts().iter().any(|(status, _)| status.starts_with("ROLLBACK_"));
        until("ECS goes back", async || is(back(), (), s.service.rollouts())).await;
        s.set_tag(NEWER).await;
        s.awaiting(NEWER).await;
        let ended = s.service.rollouts().into_iter().map(|(status, _)| status).collect::<Vec<_>>();
        assert_eq!(ended[ended.len() - 2..], ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"], "{ended:?}");
        assert_eq!((s.writes().replace('S', "").as_str(), s.tag().as_str()), ("RURU", NEWER));
    })
    .await;
}

//! What people do while a service is in work.

use crate::scenarios_stage::{NEW, OLD, OTHER, on_ecs, release, settled_on_ecs};
use crate::sim::course::{Course, Failure, Somebody};
use crate::sim::faults::{Fault, Gate, On};
use crate::support::manifests::stage;
use crate::support::wait::{BOUND, is, until};
use serde_json::json;
use std::time::Duration;
use tidegate::api::{Phase, Reason};
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_abort_stops_a_deployment_in_flight() {
    settled_on_ecs("abort", async |s| {
        s.service.plan([Course::hangs()]);
        s.set_tag(NEW).await;
        let status = s.phase(NEW, Phase::Rolling).await;
        until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
        s.abort(status.rollout.unwrap().id).await;
        s.ends(NEW, Phase::RolledBack, Reason::Aborted).await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUS", OLD));
    })
    .await;
}

#[tokio::test]
async fn a_newer_image_makes_room() {
    settled_on_ecs("supersede", async |s| {
        s.service.plan([Course::hangs(), Course::lands().after(SECOND)]);
        s.set_tag(NEW).await;
        until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
        s.set_tag("sha-0000003").await;
        s.verified("sha-0000003").await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUSRU", "sha-0000003"));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_release_takes_its_work_back() {
    settled_on_ecs("delete", async |s| {
        s.service.plan([Course::hangs()]);
        s.set_tag(NEW).await;
        until("the service is updated", async || is(s.tag() == NEW, (), s.tag())).await;
        s.delete().await;
        s.gone().await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUS", OLD));
        // For what is looked at after every play.
        s.apply(&release(OLD)).await;
        s.verified(OLD).await;
    })
    .await;
}

/// The tags of the task definition say what was written, and what a restore brings.
#[tokio::test]
async fn a_lost_status_is_read_from_the_tags() {
    on_ecs(
        "lost",
        |s| s,
        async |s| {
            s.judged().await;
            s.service.plan([Course::lands().after(SECOND), Course::lands().after(SECOND)]);
            s.judge(500).await;
            s.set_tag(NEW).await;
            s.phase(NEW, Phase::Verifying).await;
            // What is announced and not yet published is lost with the status.
            s.event(Reason::Verifying).await;
            s.kill();
            s.lose_status().await;
            s.start();
            s.phase(NEW, Phase::Restoring).await;
            s.judge(200).await;
            s.rolled_back(NEW, Reason::HealthCheckFailed).await;
            assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RUU", OLD));
        },
    )
    .await;
}

/// Staging on the cluster, production on ECS, with the same digest in both.
#[tokio::test]
async fn one_release_goes_through_both_worlds() {
    on_ecs(
        "mixed",
        |s| s,
        async |s| {
            s.app("staging", OLD).await;
            let mut spec = release(OLD);
            let mut production = spec["stages"][0].take();
            production["promotion"] = json!({"mode": "Manual"});
            spec["stages"] = json!([stage("staging", None), production]);
            s.apply(&spec).await;
            s.verified(OLD).await;
            s.service.plan([Course::lands().after(SECOND)]);
            s.set_tag(NEW).await;
            let token = s.awaiting(NEW).await;
            assert_eq!((s.runs("staging").await.as_str(), s.writes().as_str()), (NEW, ""), "nobody has approved yet");
            s.promote(&token).await;
            let end = s.verified(NEW).await;
            assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RU", NEW));
            let digests: Vec<_> = end.stable.iter().map(|t| t.images[0].digest.clone()).collect();
            assert!(digests[0].is_some() && digests[0] == digests[1], "{digests:?}");
        },
    )
    .await;
}

/// ECS calls it a success, and the application is not well: it comes back, and the next image goes through.
#[tokio::test]
async fn after_a_way_back_the_next_image_lands() {
    on_ecs(
        "next",
        |s| s.breaker(true),
        async |s| {
            s.settled().await;
            s.service.plan([Course::fails(Failure::Exits(1)).after(SECOND), Course::lands().after(SECOND)]);
            s.set_tag(NEW).await;
            s.rolled_back(NEW, Reason::CrashLoop).await;
            s.set_tag("sha-0000003").await;
            s.verified("sha-0000003").await;
            assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RURU", "sha-0000003"));
        },
    )
    .await;
}

/// The way back is a task definition that an earlier rollout had registered: that one has ended, and this restore is not its.
#[tokio::test]
async fn what_an_earlier_rollout_brought_is_brought_back() {
    on_ecs(
        "back-to-ours",
        |s| s,
        async |s| {
            s.judged().await;
            s.service.plan([SECOND; 3].map(|time| Course::lands().after(time)));
            s.set_tag(NEW).await;
            s.verified(NEW).await;
            s.judge(500).await;
            s.set_tag("sha-0000003").await;
            s.phase("sha-0000003", Phase::Restoring).await;
            s.judge(200).await;
            s.rolled_back("sha-0000003", Reason::HealthCheckFailed).await;
            assert_eq!((s.writes().as_str(), s.tag().as_str()), ("RURUU", NEW));
        },
    )
    .await;
}

/// What ECS brings back bears no stamp of a restore; what failed is remembered all the same.
#[tokio::test]
async fn a_lost_status_after_a_way_back_does_not_bring_it_again() {
    for (name, landed, writes) in [("stopped", false, "RUS"), ("landed", true, "RUU")] {
        on_ecs(
            &format!("lost-after-{name}"),
            |s| s,
            async |s| {
                s.judged().await;
                let bad = if landed { Course::lands() } else { Course::fails(Failure::Exits(1)) };
                s.service.plan([bad.after(SECOND), Course::lands().after(SECOND), Course::lands().after(SECOND)]);
                if landed {
                    s.judge(500).await;
                }
                s.set_tag(NEW).await;
                if landed {
                    s.phase(NEW, Phase::Restoring).await;
                    s.judge(200).await;
                }
                let cause = if landed { Reason::HealthCheckFailed } else { Reason::CrashLoop };
                s.rolled_back(NEW, cause).await;
                s.event(Reason::RolledBack).await;
                s.kill();
                s.lose_status().await;
                s.start();
                s.ends(NEW, Phase::Failed, Reason::Quarantined).await;
                assert_eq!((s.writes().as_str(), s.tag().as_str()), (writes, OLD));
            },
        )
        .await;
    }
}

/// To register takes a while. What somebody brings meanwhile is not written over.
#[tokio::test]
async fn what_changes_while_a_definition_is_registered_is_left_alone() {
    settled_on_ecs("registering", async |s| {
        let gate = Gate::new();
        s.sim.fault(On::op("RegisterTaskDefinition").once(), Fault::HoldAfter(gate.clone()));
        s.set_tag(NEW).await;
        timeout(BOUND, gate.reached()).await.expect("it is registered");
        s.service.somebody(&Somebody::Deploys("app:2".into()));
        gate.open();
        s.ends(NEW, Phase::Failed, Reason::Contended).await;
        assert_eq!((s.writes().as_str(), s.tag().as_str()), ("R", OTHER));
    })
    .await;
}

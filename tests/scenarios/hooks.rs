//! Hooks as real Jobs: before the first write, once, and what their ends mean.

use crate::support::jobs::inline;
use crate::support::manifests::image;
use crate::support::wait::{is, until};
use crate::support::{Scene, scene};
use kube::ResourceExt;
use serde_json::{Value, json};
use tidegate::api::status::{HookStep, Step};
use tidegate::api::{Phase, Reason, ReleaseStatus, annotation};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// The two stages settled on the old tag; then hooks for staging, and the new tag.
async fn brought(s: &Scene, hooks: Value, on_rollback: Value) -> Value {
    let mut spec = s.settled().await;
    spec["stages"][0]["hooks"] = hooks;
    spec["stages"][0]["onRollback"] = on_rollback;
    spec["image"]["tag"] = json!(NEW);
    s.apply(&spec).await;
    spec
}

/// How the hooks of staging stand.
fn hooks(status: &ReleaseStatus) -> Vec<HookStep> {
    let stages = status.rollout.as_ref().map(|r| r.stages.as_slice()).unwrap_or_default();
    stages.iter().take(1).flat_map(|s| &s.hooks).map(|h| h.state).collect()
}

async fn at_work(s: &Scene) -> ReleaseStatus {
    s.until_status("a hook is at work", |s| hooks(s) == [HookStep::Running]).await
}

#[tokio::test]
async fn a_migration_runs_before_the_image_is_written() {
    scene("hooks-good", async |s| {
        s.cron_job(&s.ns, "migrate", &image(OLD), json!({})).await;
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "5s"}})).await;
        let from = json!({"name": "migrate", "job": {"fromCronJob": {"name": "migrate"}}});
        brought(s, json!([from, inline("seed")]), json!([])).await;
        let status = s.phase(NEW, Phase::Rolling).await;
        assert_eq!(status.rollout.unwrap().step, Step::RunningHooks);
        assert_eq!(s.runs("staging").await, OLD, "nothing is written while a hook runs");
        s.awaiting(NEW).await;
        assert_eq!(hooks(&s.status().await), [HookStep::Succeeded; 2]);
        let jobs = s.jobs().await;
        assert_eq!(jobs.len(), 2);
        for job in &jobs {
            let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            assert_eq!(pod.containers[0].image, Some(image(NEW)), "{}", job.name_any());
            let env = pod.containers[0].env.clone().unwrap();
            assert_eq!((env[0].name.as_str(), env[0].value.clone()), ("TIDEGATE_IMAGE", Some(image(NEW))));
            assert_eq!(job.owner_references()[0].kind, "Release");
            assert!(!job.labels().contains_key("app.kubernetes.io/instance"), "{:?}", job.labels());
        }
        assert_eq!(jobs[0].labels().get("team").map(String::as_str), Some("shop"));
        s.event(Reason::HookStarted).await;
        s.event(Reason::HookSucceeded).await;
    })
    .await;
}

#[tokio::test]
async fn one_that_fails_ends_the_rollout_with_its_last_words() {
    scene("hooks-bad", async |s| {
        let words = "connecting\u{1b}[31m\nERROR: relation \"orders\" does not exist";
        s.behaves(NEW, json!({"job": {"exitCode": 3}, "output": words})).await;
        brought(s, json!([inline("migrate")]), json!([])).await;
        let end = s.ends(NEW, Phase::Failed, Reason::HookFailed).await;
        let message = end.message.unwrap();
        for part in ["container migrate exited with 3", "connecting[31m | ERROR: relation", "does not exist"] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        assert!(s.event(Reason::HookFailed).await.contains("does not exist"));
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.to_owned()], 0));

        // It runs again when a person says so, and only then.
        s.behaves(NEW, json!({})).await;
        s.retry("again").await;
        s.awaiting(NEW).await;
        assert_eq!(s.jobs_made().await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn one_that_hangs_is_stopped() {
    scene("hooks-late", async |s| {
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "10m"}})).await;
        let mut hook = inline("migrate");
        hook["timeout"] = json!("3s");
        brought(s, json!([hook]), json!([])).await;
        let end = s.ends(NEW, Phase::Failed, Reason::HookTimedOut).await;
        assert!(end.message.unwrap().contains("not done within 3s"));
        assert_eq!((s.tags("staging").await, end.quarantine.len()), (vec![OLD.to_owned()], 0));
        let status = s.jobs().await.remove(0).status.unwrap();
        assert_eq!(status.active.unwrap_or_default(), 0, "nothing of it is at work any more");
    })
    .await;
}

#[tokio::test]
async fn after_an_irreversible_one_a_bad_image_stays_until_a_person_decides() {
    scene("hooks-irreversible", async |s| {
        let mut hook = inline("migrate");
        hook["irreversible"] = json!(true);
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        brought(s, json!([hook]), json!([])).await;
        let end = s.ends(NEW, Phase::Failed, Reason::RollbackForbidden).await;
        assert_eq!(s.cause(&end), Some(Reason::SmokeTestFailed));
        assert_eq!((end.debts.len(), end.debts[0].irreversible), (1, true));
        assert!(s.event(Reason::RollbackForbidden).await.contains("migrate has succeeded and is irreversible"));
        assert_eq!(s.runs("staging").await, NEW);
        let id = end.rollout.unwrap().id.to_string();
        s.annotate(json!({annotation::ROLLBACK: id, annotation::PROMOTED_BY: "admin"})).await;
        s.until_status("it is rolled back", |s| s.phase == Some(Phase::RolledBack)).await;
        assert_eq!(s.runs("staging").await, OLD);
    })
    .await;
}

#[tokio::test]
async fn what_undoes_a_migration_runs_once_the_old_version_is_back() {
    scene("hooks-undo", async |s| {
        s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
        brought(s, json!([inline("migrate")]), json!([inline("undo")])).await;
        s.rolled_back(NEW, Reason::SmokeTestFailed).await;
        let made = s.jobs_made().await;
        assert!(made.len() == 2 && made[0].contains("-migrate-") && made[1].contains("-undo-"), "{made:?}");
        assert_eq!(s.tags("staging").await, [OLD, NEW, OLD]);
        let (mut restored, mut order) = (false, vec![]);
        for r in s.records(std::slice::from_ref(&s.ns)).await.iter().filter(|r| r.by_controller() && r.done()) {
            restored |= r.of("deployments", "") && r.request.to_string().contains("/restore");
            if r.of("jobs", "") {
                order.push(restored);
            }
        }
        assert_eq!(order, [false, true]);
    })
    .await;
}

#[tokio::test]
async fn one_whose_job_is_deleted_is_not_run_again() {
    scene("hooks-vanished", async |s| {
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "10m"}})).await;
        brought(s, json!([inline("migrate")]), json!([])).await;
        at_work(s).await;
        s.delete_jobs().await;
        let end = s.ends(NEW, Phase::Failed, Reason::HookVanished).await;
        assert!(end.message.unwrap().contains("nobody knows how it ended"));
        s.marker("later").await;
        assert_eq!((s.jobs_made().await.len(), s.tags("staging").await.len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_missing_cronjob_is_waited_for_and_a_broken_template_is_named() {
    scene("hooks-blocked", async |s| {
        let mut broken = inline("migrate");
        broken["job"]["template"]["spec"]["template"]["spec"]["containers"][0]["name"] = json!("Not A Name");
        let mut spec = brought(s, json!([broken]), json!([])).await;
        let message = s.blocked(Reason::HookRefused).await.message.unwrap();
        for part in ["hook migrate of staging", "spec.template.spec.containers[0].name"] {
            assert!(message.contains(part), "no {part} in {message}");
        }
        spec["stages"][0]["hooks"] = json!([{"name": "migrate", "job": {"fromCronJob": {"name": "later"}}}]);
        s.apply(&spec).await;
        s.blocked(Reason::HookNotFound).await;
        assert_eq!(s.jobs_made().await.len(), 0);
        s.cron_job(&s.ns, "later", &image(OLD), json!({})).await;
        s.awaiting(NEW).await;
        assert_eq!(s.jobs_made().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_cronjob_of_another_namespace_must_consent() {
    scene("hooks-elsewhere", async |s| {
        let data = s.namespace("data", json!({})).await;
        s.cron_job(&data, "migrate", &image(OLD), json!({})).await;
        let hook = json!({"name": "migrate", "job": {"fromCronJob": {"name": "migrate", "namespace": data}}});
        brought(s, json!([hook]), json!([])).await;
        let message = s.blocked(Reason::ConsentMissing).await.message.unwrap();
        assert!(message.contains(&format!("CronJob {data}/migrate")), "{message}");
        let consent = format!("{}/checkout", s.ns);
        s.cron_job(&data, "migrate", &image(OLD), json!({annotation::ALLOW_FROM: consent})).await;
        s.awaiting(NEW).await;
        let jobs = s.jobs_in(&data).await;
        assert_eq!((jobs.len(), jobs[0].owner_references().len()), (1, 0));
        assert_eq!(jobs[0].labels()["tidegate.dev/release-uid"], s.release().await.uid().unwrap());
    })
    .await;
}

/// Whoever may edit a Release must not gain what the controller may do.
#[tokio::test]
async fn none_ever_runs_as_the_controller() {
    scene("hooks-account", async |s| {
        let (home, account) = (crate::support::cluster::HOME, crate::support::cluster::ACCOUNT);
        let consent = json!({annotation::ALLOW_FROM: format!("{}/*", s.ns)});
        s.cron_job_as(home, "hooks-account", &image(OLD), consent, account).await;
        let hook = json!({"name": "migrate", "job": {"fromCronJob": {"name": "hooks-account", "namespace": home}}});
        let mut spec = brought(s, json!([hook]), json!([])).await;
        let message = s.blocked(Reason::HookRefused).await.message.unwrap();
        assert!(message.contains("which is Tidegate's own"), "{message}");

        // Nor anywhere else by a template of the Release's own.
        let mut hook = inline("migrate");
        hook["job"]["template"]["metadata"] = json!({"namespace": "kube-system"});
        spec["stages"][0]["hooks"] = json!([hook]);
        s.apply(&spec).await;
        s.until_status("it is refused", |s| {
            s.message.as_deref().is_some_and(|m| m.contains("runs in its own namespace"))
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_abort_stops_it() {
    scene("hooks-abort", async |s| {
        s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "10m"}})).await;
        brought(s, json!([inline("migrate")]), json!([])).await;
        let status = at_work(s).await;
        s.abort(status.rollout.unwrap().id).await;
        let end = s.ends(NEW, Phase::Failed, Reason::Aborted).await;
        assert_eq!(hooks(&end), [HookStep::Stopped]);
        until("its pod is gone", async || {
            let active = s.jobs().await.remove(0).status.and_then(|s| s.active).unwrap_or_default();
            is(active == 0, (), active)
        })
        .await;
        assert_eq!(s.tags("staging").await, [OLD]);
    })
    .await;
}

//! With which images Jobs and ECS tasks are made.

use super::world::{REPOSITORY, World, spec};
use crate::api::ask::Query;
use crate::api::effect::Effect;
use crate::api::hook::HookRun;
use crate::api::spec::{Hook, SmokeTest, TargetKind};
use crate::api::status::{Phase, Step};
use crate::api::{Image, TargetId};
use serde_json::json;

/// Each of its containers that runs one of the Release's repositories gets the new image; the one of the target beside
/// which it runs comes first.
#[test]
fn a_task_gets_every_new_image_once() {
    let yaml = format!(
        "image: {{repository: {REPOSITORY}, tag: sha-a1}}
stages:
- name: staging
  promotion: {{mode: Automatic}}
  checks: None
  targets:
  - {{name: web, kubernetes: {{kind: Deployment, name: web, containers: [app]}}}}
  - {{name: batch, repository: mirror.example/shop, kubernetes: {{kind: Deployment, name: batch, containers: [app]}}}}"
    );
    let mut w = World::of(spec(&yaml), "sha-a1");
    let mirror = Image::build("mirror.example/shop", Some("sha-a1"), None);
    let id = TargetId::new("staging", "batch");
    let crate::api::view::TargetView::Live(batch) = w.targets.get_mut(&id).unwrap() else { panic!() };
    batch.containers[0].image = mirror;
    let ecs = json!({"region": "eu-west-1", "cluster": "prod", "service": "batch", "containers": ["app"]});
    w.edit(|s| s.stages[0].targets[1].kind = TargetKind::Ecs(serde_json::from_value(ecs).unwrap()));
    let workload = w.rel.spec.stages[0].targets[1].workload("shop");
    let crate::api::view::TargetView::Live(batch) = w.targets.get_mut(&id).unwrap() else { panic!() };
    batch.workload = workload;
    w.run();
    assert_eq!(w.phase(), Phase::Verified, "{}", w.message());
    let hook = json!({"name": "one", "timeout": "60s", "ecsTask": {"container": "app", "command": ["migrate"]}});
    let hook: Hook = serde_json::from_value(hook).unwrap();
    w.edit(|s| {
        s.stages[0].hooks = vec![hook];
        s.image.tag = Some("sha-b2".into());
    });
    w.run_until(|w| matches!(w.decide().effect, Some(Effect::RunHook(_))));
    let Some(Effect::RunHook(HookRun::Task(run))) = w.decide().effect else { panic!() };
    let of = |repository: &str| Image::build(repository, Some("sha-b2"), None);
    assert_eq!(run.images, [of("mirror.example/shop"), of(REPOSITORY)]);
}

/// A Job that tests what runs is made with what runs.
#[test]
fn a_job_that_tests_gets_what_the_stage_runs() {
    let mut w = World::verified("sha-a1");
    let test: SmokeTest =
        serde_json::from_value(json!({"name": "items", "job": {"fromCronJob": {"name": "probe"}}})).unwrap();
    w.edit(|s| {
        s.stages[0].smoke_tests = vec![test];
        s.image.tag = Some("sha-b2".into());
    });
    let asked = |w: &World| {
        w.decide().asks.into_iter().find_map(|ask| match ask.query {
            Query::Job(job) => Some(job.run.map(|r| r.images)),
            _ => None,
        })
    };
    w.run_until(|w| w.step_name() == Step::Verifying && asked(w).is_some());
    assert_eq!(asked(&w), Some(Some(vec![Image::build(REPOSITORY, Some("sha-b2"), None)])));
}

//! Task definitions are kept as they were written.

use super::scene::{GOOD, NEXT, Scene, scene, scene_on, task_definition};
use crate::sim::Sim;
use aws_sdk_ecs::config::ConfigBag;
use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{Intercept, RuntimeComponents};
use aws_sdk_ecs::error::{BoxError, ProvideErrorMetadata};
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionField};
use std::sync::{Arc, Mutex};

/// Keeps the body of an answer as it came.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<String>>);

impl Intercept for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap() = String::from_utf8_lossy(body).into_owned();
        Ok(())
    }
}

/// Registers this text through the SDK. The answer as it came, or the error's code.
async fn register(scene: &Scene, text: String) -> Result<String, String> {
    let kept = Kept::default();
    let call = scene.client.register_task_definition().family("app").set_container_definitions(Some(Vec::new()));
    let call = call.customize().interceptor(kept.clone()).mutate_request(move |request| {
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = text.clone().into();
    });
    call.send().await.map_err(|error| error.code().unwrap().to_owned())?;
    let text = kept.0.lock().unwrap().clone();
    Ok(text)
}

async fn described(scene: &Scene, name: &str) -> Option<String> {
    let kept = Kept::default();
    let call = scene.client.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    call.customize().interceptor(kept.clone()).send().await.ok()?;
    let text = kept.0.lock().unwrap().clone();
    Some(text)
}

#[tokio::test]
async fn what_no_sdk_knows_survives_byte_for_byte() {
    let scene = scene().await;
    let odd = r#""futureField":{"z":1.00,"a":[12345678901234567890123, "\u00e4"]}"#;
    let text = task_definition(NEXT).replace("\"cpu\"", &format!("{odd},\"cpu\""));
    let answer = register(&scene, text.clone()).await.unwrap();
    assert!(answer.contains(odd), "{answer}");
    let again = described(&scene, "app:2").await.unwrap();
    assert!(again.contains(odd) && again.contains(r#""tags":[{"key":"team","value":"platform"}]"#), "{again}");
    assert_eq!(scene.account.revisions("app").len(), 2);
    // What a test wants to see of a request is what went over the wire.
    let call = scene.sim.calls().into_iter().find(|c| c.op == "RegisterTaskDefinition").unwrap();
    assert_eq!(call.request, text);
}

#[tokio::test]
async fn careless_copies_are_refused() {
    // Not written down: these are wrong on purpose.
    let scene = scene_on(Sim::record(None).await, |service| service).await;
    let text = task_definition(NEXT);
    for (careless, code) in [
        (text.replace("\"cpu\"", "\"taskDefinitionArn\":\"arn\",\"cpu\""), "SerializationException"),
        (text.replace("\"cpu\"", "\"compatibilities\":[\"EC2\"],\"cpu\""), "SerializationException"),
        (text.replace("\"team\"", "\"aws:cloudformation:stack-name\""), "InvalidParameterException"),
        (text.replace("\"image\"", "\"futureImage\""), "ClientException"),
        (text.replace("\"family\"", "\"futureFamily\""), "ClientException"),
    ] {
        assert_eq!(register(&scene, careless).await.unwrap_err(), code);
    }
    assert_eq!(scene.account.revisions("app").len(), 1);
}

#[tokio::test]
async fn an_inactive_one_is_told_as_long_as_something_runs_it() {
    let scene = scene().await;
    let first = scene.service.task_definition();
    scene.client.deregister_task_definition().task_definition(&first).send().await.unwrap();
    let shown = described(&scene, &first).await.unwrap();
    assert!(shown.contains(r#""status":"INACTIVE""#), "{shown}");
    scene.deploy(NEXT).await;
    scene.pass(60_000);
    assert_eq!(described(&scene, &first).await, None);
}

#[tokio::test]
async fn a_family_is_listed_in_pages_and_the_latest_first() {
    let scene = scene().await;
    for _ in 0..4 {
        scene.account.register(&task_definition(GOOD));
    }
    scene.account.register(&task_definition(GOOD).replace("\"app\"", "\"app-other\""));
    scene.account.deregister("app:4");
    let list = || scene.client.list_task_definitions().family_prefix("app").sort(SortOrder::Desc).max_results(3);
    let first = list().send().await.unwrap();
    let second = list().next_token(first.next_token().unwrap()).send().await.unwrap();
    let arns = first.task_definition_arns().iter().chain(second.task_definition_arns());
    let short: Vec<&str> = arns.map(|arn| arn.rsplit('/').next().unwrap()).collect();
    assert_eq!((short, second.next_token()), (vec!["app:5", "app:3", "app:2", "app:1"], None));
}

//! An API server that answers late, wrongly or not at all.

use crate::scene::{container_image, release, stamp, target};
use axum::Router;
use axum::http::StatusCode;
use std::time::Duration;
use tidegate::api::effect::{Answer, Refused, TargetWrite};
use tidegate::api::spec::WorkloadKind;
use tidegate::api::status::KubernetesWorkload;
use tidegate::api::view::TargetView;
use tidegate::api::{NsName, TargetId};
use tidegate::observe::{Limits, Observer, client};
use tidegate::target::Target;
use tidegate::target::kubernetes::KubernetesWriter;
use tokio::net::TcpListener;

const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(20);

/// Serves `answer` to every request, and counts nothing: a second request would only make the test slower.
async fn server(answer: Option<(StatusCode, &'static str)>) -> kube::Config {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    match answer {
        Some((code, body)) => {
            let app = Router::new().fallback(move || async move { (code, body) });
            tokio::spawn(async move { axum::serve(listener, app).await });
        }
        // Connections are taken by the kernel and never read.
        None => std::mem::forget(listener),
    }
    kube::Config::new(format!("http://{at}").parse().unwrap())
}

async fn asked(config: kube::Config, limit: Duration) -> (TargetView, Answer) {
    let client = client::acting(config).unwrap();
    let limits = Limits { call: limit, ..Limits::default() };
    let id = TargetId::new("staging", "web");
    let observer = Observer::new(client.clone(), limits);
    let mut views = observer.targets(&release("shop", "u"), &[(id.clone(), target("shop"))]).await;
    let images = vec![container_image("app", "registry.test/app:2")];
    let workload = KubernetesWorkload { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: "web".into() };
    let write = TargetWrite {
        stage: "staging".into(),
        target: "web".into(),
        workload: workload.into(),
        uid: "w".into(),
        resource_version: "1".into(),
        init: vec![],
        stamp: stamp(&NsName::new("shop", "checkout"), "u", &images),
        images,
        ecs: None,
    };
    (views.remove(&id).unwrap(), KubernetesWriter::new(client, limit).write(&write).await)
}

#[tokio::test]
async fn no_answer_is_never_taken_for_one() {
    let closed = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let ambiguous = |a: &Answer| matches!(a, Answer::Ambiguous { .. });
    for (what, config) in [
        ("silent", server(None).await),
        ("closed", closed),
        ("broken", server(Some((StatusCode::INTERNAL_SERVER_ERROR, "oh"))).await),
        ("away", server(Some((StatusCode::SERVICE_UNAVAILABLE, ""))).await),
        ("babbling", server(Some((StatusCode::OK, "<html>"))).await),
        ("stranger", server(Some((StatusCode::UNAUTHORIZED, "{}"))).await),
    ] {
        let started = std::time::Instant::now();
        let (view, answer) = asked(config, SHORT).await;
        assert!(matches!(view, TargetView::Unreachable(_)), "{what}: {view:?}");
        assert!(ambiguous(&answer), "{what}: {answer:?}");
        assert!(started.elapsed() < LONG, "{what}: nothing is tried again, nothing waits for ever");
    }
}

#[tokio::test]
async fn too_many_requests_are_no_write() {
    let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"later","reason":"TooManyRequests","code":429}"#;
    let (view, answer) = asked(server(Some((StatusCode::TOO_MANY_REQUESTS, body))).await, LONG).await;
    assert!(matches!(view, TargetView::Unreachable(_)), "{view:?}");
    assert_eq!(answer, Answer::Refused { kind: Refused::Throttled, message: "later".into() });
}

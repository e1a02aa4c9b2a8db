//! Checks by url: asked through a load balancer of the test's own, which stands outside of the cluster.

use crate::support::manifests::{PORT, release};
use crate::support::{Scene, scene};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::{Value, json};
use tidegate::api::Reason;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

/// Forwards every connection to production's Service. Gives its url; it ends with the test. It cannot listen at
/// 127.0.0.1, where the API server is.
async fn load_balancer(s: &Scene) -> String {
    let services: Api<Service> = s.api();
    let address = services.get("production").await.unwrap().spec.unwrap().cluster_ip.unwrap();
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let address = address.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect((address.as_str(), PORT as u16)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    format!("http://127.0.0.2:{port}")
}

/// Production asks its health by url, and its smoke test too.
fn by_url(tag: &str, url: &str) -> Value {
    let mut spec = release(tag);
    for (check, path) in [("healthChecks", "health"), ("smokeTests", "items")] {
        let http = spec["stages"][1][check][0]["http"].as_object_mut().unwrap();
        http.retain(|key, _| key == "timeout" || key == "expect");
        http.insert("url".to_owned(), json!(format!("{url}/{path}?by=url")));
    }
    spec
}

#[tokio::test]
async fn a_release_is_verified_through_its_load_balancer() {
    scene("url-good", async |s| {
        s.two_stages().await;
        let url = load_balancer(s).await;
        s.apply(&by_url(OLD, &url)).await;
        s.verified(OLD).await;
        s.apply(&by_url(NEW, &url)).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        for path in ["/health?by=url", "/items?by=url"] {
            let asked = s.requests(NEW, path).await;
            assert!(!asked.is_empty() && asked.iter().all(|r| r.user_agent.starts_with("tidegate/")), "{asked:?}");
        }
        assert_eq!(s.tags("production").await, [OLD, NEW]);
    })
    .await;
}

#[tokio::test]
async fn a_failure_seen_through_the_load_balancer_brings_the_old_version_back() {
    scene("url-bad", async |s| {
        s.two_stages().await;
        let url = load_balancer(s).await;
        s.apply(&by_url(OLD, &url)).await;
        s.verified(OLD).await;
        s.apply(&by_url(NEW, &url)).await;
        let token = s.awaiting(NEW).await;
        s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
        let before = s.requests(OLD, "/health?by=url").await.len();
        s.promote(&token).await;
        let end = s.rolled_back(NEW, Reason::HealthCheckFailed).await;
        assert_eq!(s.tags("production").await, [OLD, NEW, OLD]);
        assert!(s.requests(OLD, "/health?by=url").await.len() > before, "the restored version was asked");
        assert!(end.message.as_deref().unwrap_or_default().contains("status 503"), "{:?}", end.message);
        assert!(!serde_json::to_string(&end).unwrap().contains("by=url"), "of a url, only its host is told");
        assert_eq!(end.quarantine.len(), 1);
        s.available("production").await;
    })
    .await;
}

/// Loopback is allowed to the controller of these tests, and its API server listens there.
#[tokio::test]
async fn a_url_to_the_api_server_is_never_asked_and_condemns_no_image() {
    scene("url-refused", async |s| {
        let mut spec = s.settled().await;
        let smoke = &mut spec["stages"][1]["smokeTests"][0];
        *smoke = json!({"name": "items", "http": {"url": format!("{}/version", s.cluster.server)}});
        spec["image"]["tag"] = json!(NEW);
        s.apply(&spec).await;
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        let end = s.rolled_back(NEW, Reason::Inconclusive).await;
        let said = end.message.as_deref().unwrap_or_default();
        assert!(said.contains("is the address of the API server"), "{said}");
        assert_eq!((end.quarantine.len(), s.tags("production").await), (0, vec![OLD.into(), NEW.into(), OLD.into()]));
    })
    .await;
}

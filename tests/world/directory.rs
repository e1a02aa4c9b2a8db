//! What a check is told of the cluster.

use crate::scene::{Scene, web};
use crate::support::wait::{is, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;
use std::net::IpAddr;
use tidegate::api::ask::PodsOf;
use tidegate::check::{Directory, LookupError};
use tidegate::observe::{ClusterDirectory, Limits, client};

const ONE: &str = "registry.test/app:1";
const TWO: &str = "registry.test/app:2";

fn directory(scene: &Scene) -> ClusterDirectory {
    let acting = client::acting(scene.config.clone()).unwrap();
    ClusterDirectory::new(acting, &scene.config, Limits::default())
}

#[tokio::test]
async fn pods_are_those_of_the_revision() {
    let scene = Scene::open("dir-pods").await;
    scene.apply::<Deployment>("flux", &web(ONE)).await;
    let before = scene.settled().await;
    scene.bring(&[("app", TWO)]).await;
    let live = scene.settled().await;
    let revision = live.revision.unwrap();
    // A pod with the right labels that no ReplicaSet made. Having a controller, it is neither adopted nor collected.
    let forged = json!({
        "metadata": {
            "name": "forged", "labels": {"app": "web", "pod-template-hash": revision},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": before.uid, "controller": true,
            }],
        },
        "spec": {"containers": [{"name": "app", "image": TWO}]},
    });
    scene.api::<Pod>().create(&PostParams::default(), &serde_json::from_value(forged).unwrap()).await.unwrap();
    let directory = directory(&scene);
    let of = PodsOf { workload: live.workload.clone(), revision };
    let found = directory.pods(&of).await.unwrap();
    let real = scene.api::<Pod>().list(&ListParams::default().labels("app=web")).await.unwrap().items;
    let mut names: Vec<_> = found.iter().map(|p| p.name.as_str()).collect();
    let mut wanted: Vec<_> = live.pods.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for pod in &found {
        let of_api = real.iter().find(|r| r.metadata.uid.as_ref() == Some(&pod.uid)).unwrap();
        let ip: Option<IpAddr> = of_api.status.as_ref().unwrap().pod_ip.as_ref().unwrap().parse().ok();
        assert!(pod.ip == ip && pod.host_ip.is_some() && pod.node.is_some(), "{pod:?}");
        assert!(pod.ready && !pod.terminating && !pod.host_network, "{pod:?}");
    }
    let gone = PodsOf { workload: live.workload, revision: "no-such-hash".into() };
    assert_eq!(directory.pods(&gone).await.unwrap(), []);
    scene.judge().await;
}

#[tokio::test]
async fn services_and_secrets_are_read_by_name() {
    let scene = Scene::open("dir-names").await;
    let directory = directory(&scene);
    assert_eq!(directory.service(&scene.ns, "plain").await.unwrap(), None);
    assert_eq!(directory.secret(&scene.ns, "token").await.unwrap(), None);
    let service = |name: &str, spec: serde_json::Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": {"tidegate.dev/allow-from": "a/b, c/*"}}, "spec": spec});
    let ports = json!([{"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}]);
    for spec in [
        service("plain", json!({"selector": {"app": "web"}, "ports": ports})),
        service("headless", json!({"clusterIP": "None", "selector": {"app": "web"}, "ports": ports})),
        service("bare", json!({"ports": ports})),
        service("elsewhere", json!({"type": "ExternalName", "externalName": "metadata.example"})),
    ] {
        scene.apply::<Service>("test", &spec).await;
    }
    let mut told = Vec::new();
    for name in ["plain", "headless", "bare", "elsewhere"] {
        let facts = directory.service(&scene.ns, name).await.unwrap().unwrap();
        assert_eq!(facts.allow_from, ["a/b", "c/*"]);
        told.push((facts.cluster_ip.is_some(), facts.external_name, !facts.selector.is_empty(), facts.ports));
    }
    let wanted = [
        (true, false, true, vec![80]),
        (false, false, true, vec![80]),
        (true, false, false, vec![80]),
        (false, true, false, vec![]),
    ];
    assert_eq!(told, wanted);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "labels": {"tidegate.dev/use": "check-headers"}},
        "stringData": {"key": "hunter2"},
    });
    scene.apply::<Secret>("test", &secret).await;
    let facts = directory.secret(&scene.ns, "token").await.unwrap().unwrap();
    assert_eq!(facts.data["key"], b"hunter2");
    assert_eq!(facts.labels["tidegate.dev/use"], "check-headers");
    assert!(!format!("{facts:?}").contains("hunter2"));
    scene.judge().await;
}

#[tokio::test]
async fn addresses_of_machines_are_known() {
    let scene = Scene::open("dir-machines").await;
    let directory = directory(&scene);
    let forbidden = directory.forbidden().await.unwrap();
    let nodes = Api::<Node>::all(scene.client.clone()).list(&ListParams::default()).await.unwrap().items;
    let addresses = nodes.iter().flat_map(|n| n.status.iter().flat_map(|s| s.addresses.iter().flatten()));
    let wanted: Vec<IpAddr> = addresses.filter_map(|a| a.address.parse().ok()).collect();
    assert!(wanted.len() >= 3 && wanted.iter().all(|ip| forbidden.nodes.contains(ip)), "{forbidden:?}");
    let kubernetes = Api::<Service>::namespaced(scene.client.clone(), "default").get("kubernetes").await.unwrap();
    let cluster_ip: IpAddr = kubernetes.spec.unwrap().cluster_ip.unwrap().parse().unwrap();
    let reached: IpAddr = scene.config.cluster_url.host().unwrap().parse().unwrap();
    assert!([cluster_ip, reached].iter().all(|ip| forbidden.api_servers.contains(ip)), "{forbidden:?}");
    scene.judge().await;
}

#[tokio::test]
async fn whoever_may_not_read_learns_no_address() {
    let scene = Scene::open_as_stranger("dir-denied").await;
    let directory = directory(&scene);
    assert!(matches!(directory.forbidden().await, Err(LookupError::Denied { .. })));
    let secret = directory.secret(&scene.ns, "token").await.unwrap_err();
    assert_eq!(secret.to_string(), "the controller may not read Secret w-dir-denied/token");
    assert!(directory.namespace_consents(&scene.ns).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_stands_behind_a_service_is_known() {
    let scene = Scene::open("dir-backends").await;
    let pod = |name: &str, host_network: bool| {
        let spec = json!({"hostNetwork": host_network, "containers": [{"name": "app", "image": ONE}]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})
    };
    for manifest in [pod("inside", false), pod("outside", true)] {
        scene.apply::<Pod>("test", &manifest).await;
    }
    let endpoint = |ip: &str, ready: bool, serving: bool| {
        let pod = json!({"kind": "Pod", "name": ip, "namespace": scene.ns});
        json!({"addresses": [ip], "conditions": {"ready": ready, "serving": serving}, "targetRef": pod})
    };
    let slice = |name: &str, of: &str, endpoints: Vec<serde_json::Value>| {
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [],
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": of}}, "endpoints": endpoints,
        })
    };
    let anybody = endpoint("10.9.8.9", true, true);
    for manifest in [
        slice("web-1", "web", vec![endpoint("10.9.8.7", true, true), endpoint("10.9.8.6", false, true)]),
        slice("web-2", "web", vec![endpoint("10.9.8.5", false, false), json!({"addresses": ["10.9.8.4"]})]),
        slice("other", "other", vec![anybody]),
    ] {
        scene.apply::<EndpointSlice>("test", &manifest).await;
    }
    let selector = [("app".to_owned(), "web".to_owned())].into();
    let directory = directory(&scene);
    let found = until("both pods to be ready", async || {
        let all = directory.backends(&scene.ns, "web", &selector).await.unwrap();
        is(all.len() == 5, all.clone(), &all)
    })
    .await;
    let told = |pod: &str| found.iter().find(|b| b.pod.as_deref() == Some(pod)).map(|b| b.host_network);
    let wanted = [("10.9.8.7", Some(false)), ("10.9.8.6", Some(false)), ("10.9.8.5", None), ("inside", Some(false))];
    for (pod, host_network) in wanted.into_iter().chain([("outside", Some(true))]) {
        assert_eq!(told(pod), host_network, "{pod}: {found:?}");
    }
    assert!(found.iter().any(|b| b.pod.is_none() && b.ip == "10.9.8.4".parse::<IpAddr>().unwrap()), "{found:?}");
    scene.judge().await;
}

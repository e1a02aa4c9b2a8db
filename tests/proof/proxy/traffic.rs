//! What a request of the controller is about.

use crate::plan::Class;
use axum::http::{Method, Uri};

const WORKLOADS: [&str; 3] = ["deployments", "statefulsets", "daemonsets"];

pub(super) fn class(method: &Method, uri: &Uri) -> Class {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty()).collect();
    let has = |name: &str| parts.contains(&name);
    let ends = |name: &str| parts.last() == Some(&name);
    if has("leases") {
        return Class::Lease;
    }
    if method == Method::GET {
        let watch = query.split('&').any(|q| matches!(q, "watch" | "watch=true" | "watch=1"));
        return match (watch, parts.last().copied().unwrap_or_default()) {
            (true, "releases") => Class::WatchReleases,
            (true, "deployments") => Class::WatchDeployments,
            (true, "statefulsets" | "daemonsets") => Class::WatchSets,
            (true, "pods") => Class::WatchPods,
            (true, _) => Class::WatchOthers,
            (false, "releases") => Class::ListReleases,
            (false, "deployments") => Class::ListDeployments,
            (false, "statefulsets" | "daemonsets") => Class::ListSets,
            (false, "pods") => Class::ListPods,
            _ if has("releases") => Class::GetRelease,
            _ if WORKLOADS.iter().any(|kind| has(kind)) => Class::GetWorkload,
            _ => Class::Read,
        };
    }
    match (ends("status"), has("releases"), WORKLOADS.iter().any(|kind| has(kind))) {
        (true, true, _) => Class::Status,
        (false, true, _) => Class::Finalizer,
        (_, _, true) => Class::Image,
        _ if ends("events") => Class::Event,
        _ if has("jobs") => Class::Job,
        _ if has("pods") && method == Method::DELETE => Class::Pod,
        // A review of rights, say: a POST that changes nothing.
        _ => Class::Read,
    }
}

#[test]
fn requests_are_told_apart() {
    let of = |method: Method, uri: &str| class(&method, &uri.parse().unwrap());
    let release = "/apis/tidegate.dev/v1alpha1/namespaces/n/releases";
    assert_eq!(of(Method::PUT, &format!("{release}/checkout/status?fieldManager=x")), Class::Status);
    assert_eq!(of(Method::PATCH, &format!("{release}/checkout")), Class::Finalizer);
    assert_eq!(of(Method::GET, &format!("{release}/checkout")), Class::GetRelease);
    assert_eq!(of(Method::GET, &format!("{release}?limit=50")), Class::ListReleases);
    assert_eq!(of(Method::GET, &format!("{release}?&watch=true&resourceVersion=3")), Class::WatchReleases);
    let apps = "/apis/apps/v1/namespaces/n";
    assert_eq!(of(Method::GET, &format!("{apps}/daemonsets?&watch=true")), Class::WatchSets);
    assert_eq!(of(Method::GET, &format!("{apps}/statefulsets?&limit=50")), Class::ListSets);
    assert_eq!(of(Method::GET, &format!("{apps}/statefulsets/db")), Class::GetWorkload);
    for kind in WORKLOADS {
        assert_eq!(of(Method::PATCH, &format!("{apps}/{kind}/web?force=true")), Class::Image);
    }
    assert_eq!(of(Method::DELETE, "/api/v1/namespaces/n/pods/db-0"), Class::Pod);
    assert_eq!(of(Method::GET, "/api/v1/namespaces/n/pods/db-0"), Class::Read);
    assert_eq!(of(Method::POST, "/apis/events.k8s.io/v1/namespaces/n/events"), Class::Event);
    assert_eq!(of(Method::POST, "/apis/batch/v1/namespaces/n/jobs"), Class::Job);
    assert_eq!(of(Method::GET, "/api/v1/namespaces/n/pods?labelSelector=a"), Class::ListPods);
    assert_eq!(of(Method::GET, "/api/v1/nodes"), Class::Read);
    assert_eq!(of(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/n/leases/tidegate"), Class::Lease);
}

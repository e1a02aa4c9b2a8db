//! What a request of the controller is about.

use crate::plan::Class;
use axum::http::{Method, Uri};

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
        return match (watch, ends("releases"), ends("deployments"), ends("pods")) {
            (true, true, ..) => Class::WatchReleases,
            (true, _, true, _) => Class::WatchDeployments,
            (true, _, _, true) => Class::WatchPods,
            (true, ..) => Class::WatchOthers,
            (false, true, ..) => Class::ListReleases,
            (false, _, true, _) => Class::ListDeployments,
            (false, _, _, true) => Class::ListPods,
            _ if has("releases") => Class::GetRelease,
            _ if has("deployments") => Class::GetWorkload,
            _ => Class::Read,
        };
    }
    match (ends("status"), has("releases"), has("deployments"), ends("events")) {
        (true, true, ..) => Class::Status,
        (false, true, ..) => Class::Finalizer,
        (_, _, true, _) => Class::Image,
        (.., true) => Class::Event,
        _ if has("jobs") => Class::Job,
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
    assert_eq!(of(Method::GET, "/apis/apps/v1/namespaces/n/daemonsets?&watch=true"), Class::WatchOthers);
    assert_eq!(of(Method::PATCH, "/apis/apps/v1/namespaces/n/deployments/web?force=true"), Class::Image);
    assert_eq!(of(Method::POST, "/apis/events.k8s.io/v1/namespaces/n/events"), Class::Event);
    assert_eq!(of(Method::POST, "/apis/batch/v1/namespaces/n/jobs"), Class::Job);
    assert_eq!(of(Method::GET, "/api/v1/namespaces/n/pods?labelSelector=a"), Class::ListPods);
    assert_eq!(of(Method::GET, "/api/v1/nodes"), Class::Read);
    assert_eq!(of(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/n/leases/tidegate"), Class::Lease);
}

//! The whole chart, rendered by helm's engine and installed on a real API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use support::Cluster;

/// Everything that the values can switch on, in one installation.
const EVERYTHING: &str = "networkPolicy.enabled=true,podDisruptionBudget.enabled=true,approvalPolicy.enabled=true,\
                          podLabels.team=platform,podAnnotations.note=hello,imagePullSecrets[0].name=pull,\
                          priorityClassName=system-cluster-critical,aws.podIdentity=true,aws.allowRoles[0]=own,\
                          nodeSelector.kubernetes\\.io/os=linux,\
                          controller.extraArgs[0]=--deny-cidr=10.1.2.0/24,\
                          controller.urlChecks.allowHosts[0]=*.shop.internal,\
                          controller.urlChecks.allowCidrs[0]=10.20.0.0/16,metrics.annotations.scrape=yes";

#[test]
fn its_pods_run_where_only_restricted_ones_may() {
    let (cluster, namespace) = (Cluster::get(), "restricted");
    cluster.kubectl(&["create", "namespace", namespace], None);
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl(&["label", "namespace", namespace, enforce], None);
    install("plain", namespace, "fullnameOverride=plain");
    let wait = ["rollout", "status", "deployment/plain", "-n", namespace, "--timeout=60s"];
    cluster.kubectl(&wait, None);
    let pods = cluster.kubectl(&["get", "pods", "-n", namespace, "-o=name"], None);
    assert_eq!(pods.lines().count(), 2, "{pods}");
}

#[test]
fn everything_that_can_be_switched_on_is_accepted() {
    let cluster = Cluster::get();
    cluster.kubectl(&["create", "namespace", "everything"], None);
    install("all", "everything", EVERYTHING);
    let kinds = "networkpolicy,poddisruptionbudget,service,deployment,serviceaccount,role,rolebinding";
    let names = cluster.kubectl(&["get", kinds, "-n", "everything", "-o=name"], None);
    for name in ["networkpolicy.networking.k8s.io/", "poddisruptionbudget.policy/", "service/", "deployment.apps/"] {
        assert!(names.contains(name), "no {name} in\n{names}");
    }
    let policies = cluster.kubectl(&["get", "validatingadmissionpolicy", "-o=name"], None);
    assert!(policies.contains("/all-tidegate-approval"), "{policies}");
    let pod = cluster.kubectl(&["get", "deployment/all-tidegate", "-n", "everything", "-o=yaml"], None);
    for part in [
        "--deny-cidr=10.1.2.0/24",
        "--allow-url-host=*.shop.internal",
        "--allow-url-cidr=10.20.0.0/16",
        "team: platform",
        "note: hello",
        "name: pull",
    ] {
        assert!(pod.contains(part), "no {part} in\n{pod}");
    }
}

#[test]
fn a_missing_account_is_named_before_anything_is_installed() {
    let out = render("bad", "default", "serviceAccount.create=false");
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && error.contains("serviceAccount.name"), "{error}");
}

/// Strict: a field that the API server does not know is an error, not a warning.
fn install(name: &str, namespace: &str, set: &str) {
    let out = render(name, namespace, set);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let manifests = String::from_utf8_lossy(&out.stdout).into_owned();
    Cluster::get().kubectl(&["apply", "--server-side", "--validate=strict", "-f", "-"], Some(&manifests));
}

fn render(name: &str, namespace: &str, set: &str) -> std::process::Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = root.join("tests/cluster/bin/tidegate-cluster");
    let binary = std::env::var_os("TIDEGATE_CLUSTER").map_or(built, Into::into);
    let mut helm = Command::new(binary);
    helm.args(["helm", "template", name]).arg(root.join("charts/tidegate")).args(["-n", namespace, "--set", set]);
    helm.output().unwrap()
}

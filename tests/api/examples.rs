//! Every example is a manifest that a real API server takes.

use crate::manifest::yaml;
use crate::support::Cluster;
use crate::support::cluster::repository;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tidegate::api::Release;

/// Objects of tools that are not installed here: they are read as YAML only.
const FOREIGN: [&str; 2] = ["argoproj.io/v1alpha1", "kustomize.toolkit.fluxcd.io/v1"];

#[test]
fn every_release_can_be_read() {
    let documents = manifests().iter().flat_map(|file| documents(file)).collect::<Vec<_>>();
    let releases: Vec<_> = documents.into_iter().filter(|object| object["kind"] == "Release").collect();
    assert!(releases.len() >= 2);
    for release in releases {
        serde_json::from_value::<Release>(release).unwrap();
    }
}

#[test]
fn every_example_can_be_applied() {
    let plane = Cluster::get();
    plane.kubectl(&["create", "namespace", "argocd"], None);
    for file in manifests() {
        let (foreign, ours): (Vec<_>, Vec<_>) =
            documents(&file).into_iter().partition(|object| FOREIGN.contains(&object["apiVersion"].as_str().unwrap()));
        assert!(foreign.iter().chain(&ours).all(|object| object["kind"].is_string()), "{}", file.display());
        if !ours.is_empty() {
            let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": ours}).to_string();
            plane.kubectl(&["apply", "--server-side", "--validate=strict", "-f", "-"], Some(&list));
        }
    }
    let phase =
        plane.kubectl(&["get", "rel", "checkout", "-n", "shop", "-o=jsonpath={.status.observedGeneration}"], None);
    assert_eq!(phase, "-1");
}

fn manifests() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&repository().join("examples"), &mut found);
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.split("\n---\n").map(yaml).collect()
}

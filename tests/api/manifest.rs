//! A good Release, and edits of it.

use serde_json::Value;

const GOOD: &str = "
apiVersion: tidegate.dev/v1alpha1
kind: Release
metadata: {name: checkout}
spec:
  image: {repository: ghcr.io/acme/checkout, tag: sha-4f2c1d9}
  stages:
  - name: staging
    targets:
    - name: web
      kubernetes: {kind: Deployment, name: checkout, namespace: shop-staging, containers: [app]}
    healthChecks:
    - name: health
      http: {pods: {port: 8080}, path: /health}
    smokeTests:
    - name: items
      http: {service: {name: checkout, port: 80}, path: /items}
  - name: production
    targets:
    - name: web
      kubernetes: {kind: Deployment, name: checkout, containers: [app]}
    - name: worker
      kubernetes: {kind: Deployment, name: checkout-worker, containers: [app]}
    healthChecks:
    - name: health
      http: {url: 'https://shop.example/health'}
";

/// What to put where, as YAML; `-` takes away. Places are JSON pointers below `/spec`, and `-` as the last part appends.
pub(crate) type Edit<'a> = (&'a str, &'a str);

/// The good Release with edits, one after the other.
pub(crate) fn edited(edits: &[Edit]) -> Value {
    let mut release: Value = yaml(GOOD);
    for (place, text) in edits {
        let (parent, key) = place.rsplit_once('/').unwrap();
        let root = if place.starts_with("/metadata") { "" } else { "/spec" };
        let pointer = format!("{root}{parent}");
        match release.pointer_mut(&pointer).unwrap_or_else(|| panic!("{place} is not in the good Release")) {
            Value::Array(list) if key == "-" => list.push(yaml(text)),
            Value::Array(list) if *text == "-" => drop(list.remove(key.parse().unwrap())),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = yaml(text),
            Value::Object(object) if *text == "-" => drop(object.remove(key).unwrap()),
            Value::Object(object) => drop(object.insert(key.to_owned(), yaml(text))),
            _ => panic!("{parent} has nothing in it"),
        }
    }
    release
}

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

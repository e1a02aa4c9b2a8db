//! A real registry that all runs share: each has a repository of its own.

use crate::support::Scene;
use crate::support::registry::Registry;
use serde_json::{Value, json};
use std::sync::OnceLock;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::start("none"))
}

pub(crate) fn repository(s: &Scene) -> String {
    registry().repository(&s.ns)
}

pub(crate) fn image(s: &Scene, tag: &str) -> String {
    format!("{}:{tag}", repository(s))
}

/// From now on the tag is there, and its pods report it.
pub(crate) async fn push(s: &Scene, tag: &str, content: &str) {
    put(s, tag, content, json!({})).await;
}

/// The same, and its pods never get ready.
pub(crate) async fn push_sick(s: &Scene, tag: &str) {
    put(s, tag, "sick", json!({"ready": {"never": true}})).await;
}

async fn put(s: &Scene, tag: &str, content: &str, mut behaviour: Value) {
    let pushed = registry().push(&s.ns, tag, content).await;
    behaviour["digest"] = json!(pushed.index);
    s.image_behaves(&image(s, tag), behaviour).await;
}

/// The tag means another image from now on; pods that run already know nothing of it.
pub(crate) async fn move_tag(s: &Scene, tag: &str) {
    registry().push(&s.ns, tag, "another").await;
}

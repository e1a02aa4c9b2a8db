//! Task definitions: what is known of one, and copies of one with other images.
//!
//! A copy is made of the raw answer, never through types: a field that AWS adds tomorrow must survive.

use super::raw::Members;
use crate::api::Image;
use crate::api::status::ContainerImage;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// Tags that Tidegate sets on the task definitions that it registers.
pub mod tag {
    pub const EFFECT: &str = "tidegate.dev/effect";
    pub const RELEASE: &str = "tidegate.dev/release";
    pub const CONTAINERS: &str = "tidegate.dev/containers";
    pub const WAY_BACK: &str = "tidegate.dev/way-back";
    pub const VERIFIED: &str = "tidegate.dev/verified";
    pub const IRREVERSIBLE: &str = "tidegate.dev/irreversible";
    /// All of them begin so.
    pub(super) const OURS: &str = "tidegate.dev/";
}

/// What only answers have: a registration that names one of these is refused.
const ANSWER_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// What is kept of a task definition: no environment, no secrets, no commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub arn: String,
    pub family: String,
    pub active: bool,
    pub images: Vec<ContainerImage>,
    /// Each of its tasks has a network interface of its own.
    pub awsvpc: bool,
    pub tags: BTreeMap<String, String>,
}

/// A registration to be made.
pub struct Copied {
    pub family: String,
    pub body: Vec<u8>,
    /// Values of its environment: nothing that AWS says of it may repeat them.
    pub(super) hidden: Vec<String>,
}

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "taskDefinition")]
    definition: Members,
    #[serde(default)]
    tags: Option<Vec<Members>>,
}

impl Definition {
    /// Reads the answer of DescribeTaskDefinition.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let described: Described = serde_json::from_slice(answer).ok()?;
        let d = &described.definition;
        let containers: Vec<Members> = serde_json::from_str(d.get("containerDefinitions")?.get()).ok()?;
        let images = containers.iter().filter_map(|c| {
            let image = Image::new(c.text("image")?);
            let digest = image.digest();
            Some(ContainerImage { container: c.text("name")?, image, digest })
        });
        let tags = described.tags.iter().flatten().filter_map(|t| Some((t.text("key")?, t.text("value")?)));
        Some(Self {
            arn: d.text("taskDefinitionArn")?,
            family: d.text("family")?,
            active: d.text("status").is_none_or(|s| s == "ACTIVE"),
            images: images.collect(),
            awsvpc: d.text("networkMode").as_deref() == Some("awsvpc"),
            tags: tags.collect(),
        })
    }

    /// Whether it is the registration that `effect` made, of `images`.
    pub fn is_of(&self, effect: &str, images: &[ContainerImage]) -> bool {
        let same = |i: &ContainerImage| self.images.iter().any(|o| o.container == i.container && o.image == i.image);
        self.active && self.tags.get(tag::EFFECT).is_some_and(|e| e == effect) && images.iter().all(same)
    }
}

/// The registration of what DescribeTaskDefinition answered, with other `images`, and with `tags` of ours beside the
/// tags that are there.
pub(super) fn copy(answer: &[u8], images: &[ContainerImage], tags: &[(&str, String)]) -> Option<Copied> {
    let Described { mut definition, tags: found } = serde_json::from_slice(answer).ok()?;
    definition.0.retain(|(name, _)| !ANSWER_ONLY.contains(&name.as_str()));
    let mut containers: Vec<Members> = serde_json::from_str(definition.get("containerDefinitions")?.get()).ok()?;
    for wanted in images {
        let named = |c: &&mut Members| c.text("name").as_deref() == Some(&wanted.container);
        containers.iter_mut().find(named)?.set("image", to_raw_value(&wanted.image).ok()?);
    }
    let hidden = containers.iter().flat_map(environment).collect();
    definition.set("containerDefinitions", to_raw_value(&containers).ok()?);
    definition.set("tags", tagged(found.unwrap_or_default(), tags)?);
    Some(Copied { family: definition.text("family")?, body: serde_json::to_vec(&definition).ok()?, hidden })
}

fn environment(container: &Members) -> Vec<String> {
    let all: Option<Vec<Members>> = container.get("environment").and_then(|e| serde_json::from_str(e.get()).ok());
    all.iter().flatten().filter_map(|e| e.text("value")).filter(|v| !v.is_empty()).collect()
}

/// Tags of AWS's own are reserved, and those of an earlier write of ours are no longer true.
fn tagged(found: Vec<Members>, ours: &[(&str, String)]) -> Option<Box<RawValue>> {
    let kept = |t: &Members| {
        let key = t.text("key").unwrap_or_default();
        !key.starts_with("aws:") && !key.starts_with(tag::OURS)
    };
    let mut all: Vec<Box<RawValue>> = Vec::new();
    for theirs in found.iter().filter(|t| kept(t)) {
        all.push(to_raw_value(theirs).ok()?);
    }
    for (key, value) in ours {
        all.push(to_raw_value(&serde_json::json!({"key": key, "value": value})).ok()?);
    }
    to_raw_value(&all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:eu-west-1:1:task-definition/web:7",
        "containerDefinitions":[{"name":"app","image":"r/app:1","cpu":0,"environment":[{"name":"A","value":""},{"name":"B","value":"secret"}],"future":1e400},
        {"name":"proxy","image":"r/proxy:1"}],"family":"web","revision":7,"status":"ACTIVE","registeredAt":1.7e9,
        "brandNew2027":{"b":[1,2.50],"a":null}},"tags":[{"key":"team","value":"shop"},{"key":"aws:x","value":"y"},
        {"key":"tidegate.dev/effect","value":"old"}]}"#;

    fn image(container: &str, image: &str) -> ContainerImage {
        ContainerImage { container: container.into(), image: Image::new(image), digest: None }
    }

    #[test]
    fn a_copy_changes_the_listed_images_and_nothing_else() {
        let copied = copy(ANSWER.as_bytes(), &[image("app", "r/app:2")], &[(tag::EFFECT, "e".into())]).unwrap();
        let text = String::from_utf8(copied.body).unwrap();
        let wanted = r#"{"containerDefinitions":[{"name":"app","image":"r/app:2","cpu":0,"environment":[{"name":"A","value":""},{"name":"B","value":"secret"}],"future":1e400},{"name":"proxy","image":"r/proxy:1"}],"family":"web","brandNew2027":{"b":[1,2.50],"a":null},"tags":[{"key":"team","value":"shop"},{"key":"tidegate.dev/effect","value":"e"}]}"#;
        assert_eq!((copied.family.as_str(), text.as_str()), ("web", wanted));
        assert_eq!(copied.hidden, ["secret"]);
        assert!(copy(ANSWER.as_bytes(), &[image("other", "r/app:2")], &[]).is_none(), "a container that is not there");
    }

    #[test]
    fn what_is_kept_of_one_is_no_secret() {
        let found = Definition::read(ANSWER.as_bytes()).unwrap();
        assert_eq!(found.images, [image("app", "r/app:1"), image("proxy", "r/proxy:1")]);
        assert!(found.active && found.is_of("old", &[image("app", "r/app:1")]));
        assert!(!found.is_of("old", &[image("app", "r/app:2")]) && !found.is_of("new", &[]));
    }
}

//! Task definitions: kept and told as the text that was registered.

use super::clock::{At, stamp};
use super::error::Refusal;
use super::raw;
use super::world::Place;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What only answers have. A request with one of these was copied carelessly.
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

#[derive(Clone, Debug)]
pub struct TaskDefinition {
    pub arn: String,
    pub family: String,
    pub revision: u32,
    /// As registered, less the tags: the members' own text.
    pub text: String,
    /// As registered: the text of a list, or empty.
    pub tags: String,
    pub registered: At,
    pub by: String,
    pub deregistered: Option<At>,
}

/// All families of one account and region, each with its revisions from the first on.
#[derive(Clone, Default)]
pub struct TaskDefinitions(BTreeMap<String, Vec<TaskDefinition>>);

impl TaskDefinitions {
    pub fn register(&mut self, text: &str, place: &Place, by: &str, now: At) -> Result<&TaskDefinition, Refusal> {
        let members = raw::members(text).ok_or_else(|| Refusal::new("SerializationException", "not a JSON object"))?;
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        check(&body)?;
        let family = body["family"].as_str().unwrap_or_default().to_owned();
        let all = self.0.entry(family.clone()).or_default();
        let revision = u32::try_from(all.len()).unwrap_or(u32::MAX) + 1;
        let kept = members.iter().filter(|(key, _)| key != "tags").map(|(key, value)| (key.as_str(), *value));
        all.push(TaskDefinition {
            arn: place.arn(&format!("task-definition/{family}:{revision}")),
            text: raw::object(kept),
            tags: members.iter().find(|(key, _)| key == "tags").map(|(_, text)| (*text).to_owned()).unwrap_or_default(),
            family,
            revision,
            registered: now,
            by: by.to_owned(),
            deregistered: None,
        });
        Ok(&all[all.len() - 1])
    }

    /// By ARN, by family and revision, or by family: then its latest that is ACTIVE.
    pub fn find(&self, name: &str) -> Option<&TaskDefinition> {
        let short = name.rsplit('/').next().unwrap_or(name);
        match short.split_once(':') {
            Some((family, revision)) => {
                let revision: u32 = revision.parse().ok()?;
                let found = self.0.get(family)?.iter().find(|td| td.revision == revision)?;
                (!name.starts_with("arn:") || found.arn == name).then_some(found)
            }
            None => self.0.get(short)?.iter().rev().find(|td| td.deregistered.is_none()),
        }
    }

    pub fn deregister(&mut self, name: &str, now: At) -> Option<&TaskDefinition> {
        let (family, revision) = self.find(name).map(|td| (td.family.clone(), td.revision))?;
        let found = self.0.get_mut(&family)?.iter_mut().find(|td| td.revision == revision)?;
        found.deregistered.get_or_insert(now);
        Some(found)
    }

    pub fn all(&self) -> impl Iterator<Item = &TaskDefinition> {
        self.0.values().flatten()
    }
}

impl TaskDefinition {
    pub fn active(&self) -> bool {
        self.deregistered.is_none()
    }

    /// As an answer shows it: what was registered, and what ECS adds.
    pub fn shown(&self) -> String {
        let body = self.body();
        let (arn, revision) = (json!(self.arn).to_string(), self.revision.to_string());
        let (registered, by) = (stamp(self.registered).to_string(), json!(self.by).to_string());
        let attributes = r#"[{"name":"com.amazonaws.ecs.capability.docker-remote-api.1.18"}]"#;
        let wanted = body.get("requiresCompatibilities").cloned().unwrap_or_else(|| json!(["EC2"]));
        let compatible = wanted.to_string();
        let mut members = vec![
            ("taskDefinitionArn", arn.as_str()),
            ("revision", revision.as_str()),
            ("status", if self.active() { "\"ACTIVE\"" } else { "\"INACTIVE\"" }),
            ("requiresAttributes", attributes),
            ("compatibilities", compatible.as_str()),
            ("registeredAt", registered.as_str()),
            ("registeredBy", by.as_str()),
        ];
        let ended = self.deregistered.map(|at| stamp(at).to_string());
        members.extend(ended.as_deref().map(|at| ("deregisteredAt", at)));
        let own = raw::members(&self.text).unwrap_or_default();
        members.extend(own.iter().map(|(key, value)| (key.as_str(), *value)));
        raw::object(members)
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The containers and their images, in order.
    pub fn images(&self) -> Vec<(String, String)> {
        let body = self.body();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list(&body, "containerDefinitions").iter().map(|c| (text(&c["name"]), text(&c["image"]))).collect()
    }
}

/// What AWS asks of a registration, as far as a copy can get it wrong.
fn check(body: &Value) -> Result<(), Refusal> {
    if let Some(field) = ANSWER_ONLY.iter().find(|field| body.get(**field).is_some()) {
        return Err(Refusal::new(
            "SerializationException",
            format!("{field} is no parameter of RegisterTaskDefinition"),
        ));
    }
    if body["family"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::client("Family should not be null or empty."));
    }
    let containers = list(body, "containerDefinitions");
    if containers.is_empty() {
        return Err(Refusal::client("Container list cannot be empty."));
    }
    let mut names = BTreeSet::new();
    for container in containers {
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() || container["image"].as_str().is_none_or(str::is_empty) {
            return Err(Refusal::client("Container.name and Container.image should not be null or empty."));
        }
        if !names.insert(name) {
            return Err(Refusal::client(format!("Container names must be unique: {name}")));
        }
    }
    let tags = list(body, "tags");
    if tags.len() > 50 {
        return Err(Refusal::invalid("Too many tags: at most 50."));
    }
    if tags.iter().any(|tag| tag["key"].as_str().is_none_or(|key| key.is_empty() || key.starts_with("aws:"))) {
        return Err(Refusal::invalid("Tag keys cannot be empty or begin with aws:, which is reserved."));
    }
    Ok(())
}

fn list<'a>(body: &'a Value, key: &str) -> &'a [Value] {
    body[key].as_array().map_or(&[], Vec::as_slice)
}

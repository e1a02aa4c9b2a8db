//! What a write was about, and what it found: for whoever judges the caller afterwards.

use super::service::Service;
use super::taskdefs::TaskDefinition;
use super::world::Region;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Clone, Debug, Default)]
pub struct About {
    /// Names; empty where it is about none.
    pub cluster: String,
    pub service: String,
    /// What was asked beside these names and the task definition.
    pub parameters: Vec<String>,
    /// What it registers, brings or runs; where a deployment is stopped, what is gone back to.
    pub brings: Option<Brought>,
    /// What the service named in the moment before; where a deployment is stopped, what that one brings.
    pub found: Option<Brought>,
    /// Whether a deployment began by it, or was turned round.
    pub turned: bool,
    /// The service deployments of that moment, the latest last.
    rollouts: Vec<(String, &'static str)>,
}

/// A task definition.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Its family and revision.
    pub name: String,
    pub images: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// The same for all that differ in their images and tags alone.
    pub rest: u64,
}

impl About {
    /// Before it is carried out.
    pub fn before(op: &str, body: &Value, region: &Region) -> Self {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let named = ["cluster", "service", "taskDefinition", "serviceDeploymentArn"];
        let mut about = Self { cluster: short(text("cluster")).to_owned(), ..Self::default() };
        match op {
            "UpdateService" => about.service = short(text("service")).to_owned(),
            "StopServiceDeployment" => {
                let mut parts = text("serviceDeploymentArn").split('/').skip(1).map(str::to_owned);
                about.cluster = parts.next().unwrap_or_default();
                about.service = parts.next().unwrap_or_default();
            }
            "RunTask" => about.brings = brought(region, text("taskDefinition")),
            _ => return about,
        }
        let keys = body.as_object().into_iter().flatten().map(|(key, _)| key.clone());
        about.parameters = keys.filter(|key| !named.contains(&key.as_str())).collect();
        if let Some(service) = about.service_in(region) {
            about.rollouts = rollouts(service);
            if op == "UpdateService" {
                about.found = brought(region, &service.task_definition);
                about.brings = brought(region, text("taskDefinition"));
            } else {
                let of = |number: &str| brought(region, &service.revision(number)?.task_definition);
                let arn = text("serviceDeploymentArn");
                let stopped = service.rollouts.iter().find(|r| service.rollout_arn(&r.id) == arn);
                about.found = stopped.and_then(|r| of(&r.number));
                let landed = service.deployments.iter().find(|d| d.state == "COMPLETED");
                about.brings = landed.and_then(|d| of(&d.number));
            }
        }
        about
    }

    /// After it was carried out, and answered so.
    pub fn after(&mut self, op: &str, answer: &str, region: &Region) {
        if op == "RegisterTaskDefinition" {
            let answer: Value = serde_json::from_str(answer).unwrap_or_default();
            self.brings = brought(region, answer["taskDefinition"]["taskDefinitionArn"].as_str().unwrap_or_default());
        }
        self.turned = self.service_in(region).is_some_and(|service| rollouts(service) != self.rollouts);
    }

    fn service_in<'r>(&self, region: &'r Region) -> Option<&'r Service> {
        region.services.get(&(self.cluster.clone(), self.service.clone()))
    }
}

fn rollouts(service: &Service) -> Vec<(String, &'static str)> {
    service.rollouts.iter().map(|r| (r.id.clone(), r.status)).collect()
}

fn brought(region: &Region, name: &str) -> Option<Brought> {
    let found: &TaskDefinition = region.task_definitions.find(name)?;
    let mut body = found.body();
    for container in body["containerDefinitions"].as_array_mut().into_iter().flatten() {
        container["image"] = Value::Null;
    }
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    let tags: Vec<Value> = serde_json::from_str(&found.tags).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(Brought {
        name: format!("{}:{}", found.family, found.revision),
        images: found.images().into_iter().collect(),
        tags: tags.iter().map(|t| (text(&t["key"]), text(&t["value"]))).collect(),
        rest: hasher.finish(),
    })
}

fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

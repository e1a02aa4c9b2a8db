//! The operations, by name. Each is given one account and region, and never sees another.

mod deployments;
mod parameters;
mod run;
mod services;
mod task_definitions;
mod tasks;

use super::clock::At;
use super::error::Refusal;
use super::images::Images;
use super::service::Service;
use super::world::Region;
use serde_json::Value;

/// One call: what was asked, by whom, and what it is asked of.
pub struct Asked<'a> {
    pub region: &'a mut Region,
    pub images: &'a Images,
    pub now: At,
    pub caller: &'a str,
    pub text: &'a str,
    pub body: Value,
}

type Answer = Result<String, Refusal>;

/// Answers a call with the body of a 200, or refuses it.
pub fn answer(op: &str, asked: &mut Asked) -> Answer {
    if !asked.body.is_object() {
        return Err(Refusal::new("SerializationException", "The body is no JSON object."));
    }
    if let Some(known) = parameters::of(op) {
        asked.knows(op, known)?;
    }
    match op {
        "DescribeServices" => services::describe(asked),
        "UpdateService" => services::update(asked),
        "RegisterTaskDefinition" => task_definitions::register(asked),
        "DescribeTaskDefinition" => task_definitions::describe(asked),
        "ListTaskDefinitions" => task_definitions::list(asked),
        "DeregisterTaskDefinition" => task_definitions::deregister(asked),
        "ListServiceDeployments" => deployments::list(asked),
        "DescribeServiceDeployments" => deployments::describe(asked),
        "DescribeServiceRevisions" => deployments::revisions(asked),
        "StopServiceDeployment" => deployments::stop(asked),
        "ContinueServiceDeployment" => deployments::go_on(asked),
        "ListTasks" => tasks::list(asked),
        "DescribeTasks" => tasks::describe(asked),
        "RunTask" => run::run(asked),
        "StopTask" => run::stop(asked),
        _ => Err(Refusal::new("UnknownOperationException", format!("{op} is not simulated"))),
    }
}

impl Asked<'_> {
    fn knows(&self, op: &str, known: &[&str]) -> Result<(), Refusal> {
        let unknown = self.body.as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()));
        unknown.map_or(Ok(()), |(key, _)| {
            Err(Refusal::new("SerializationException", format!("{key} is no parameter of {op}")))
        })
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.body[key].as_str()
    }

    /// A parameter that must be there.
    pub fn needed(&self, key: &str) -> Result<&str, Refusal> {
        self.text(key).filter(|v| !v.is_empty()).ok_or_else(|| Refusal::invalid(format!("{key} can not be blank.")))
    }

    /// A list of strings of at most so many entries.
    pub fn names(&self, key: &str, most: usize) -> Result<Vec<String>, Refusal> {
        let names: Vec<String> = match self.body[key].as_array() {
            Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => Vec::new(),
        };
        match names.len() {
            0 => Err(Refusal::invalid(format!("{key} can not be empty."))),
            n if n > most => Err(Refusal::invalid(format!("{key} can have at most {most} items."))),
            _ => Ok(names),
        }
    }

    /// The name of a cluster that exists.
    pub fn cluster(&self) -> Result<String, Refusal> {
        let name = self.text("cluster").unwrap_or("default");
        let short = short(name);
        let right = !name.starts_with("arn:") || name == self.region.place.arn(&format!("cluster/{short}"));
        match self.region.clusters.contains(short) && right {
            true => Ok(short.to_owned()),
            false => Err(Refusal::new("ClusterNotFoundException", "Cluster not found.")),
        }
    }

    /// The service with this name or ARN in that cluster.
    pub fn service(&mut self, cluster: &str, name: &str) -> Result<&mut Service, Refusal> {
        let key = (cluster.to_owned(), short(name).to_owned());
        let found = self.region.services.get_mut(&key).filter(|s| !name.starts_with("arn:") || s.arn() == name);
        found.ok_or_else(|| Refusal::new("ServiceNotFoundException", "Service not found."))
    }
}

/// The name at the end of an ARN, or the name itself.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A page of a list: from `nextToken`, at most `maxResults`. The token for the next page is beside it.
fn page<'a, T>(all: &'a [T], body: &Value, usual: usize) -> (&'a [T], Option<String>) {
    let from: usize = body["nextToken"].as_str().and_then(|t| t.strip_prefix("page-")?.parse().ok()).unwrap_or(0);
    let most = body["maxResults"].as_u64().map_or(usual, |n| usize::try_from(n).unwrap_or(usual).clamp(1, 100));
    let from = from.min(all.len());
    let to = (from + most).min(all.len());
    (&all[from..to], (to < all.len()).then(|| format!("page-{to}")))
}

/// An answer that is a list and perhaps a token.
fn listed<T: serde::Serialize>(key: &str, page: (&[T], Option<String>)) -> Answer {
    let mut shown = serde_json::json!({ key: page.0 });
    if let Some(token) = page.1 {
        shown["nextToken"] = token.into();
    }
    Ok(shown.to_string())
}

fn missing(arn: &str) -> Value {
    serde_json::json!({"arn": arn, "reason": "MISSING"})
}

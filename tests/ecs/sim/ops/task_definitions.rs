//! Registering, describing, listing and deregistering task definitions.

use super::super::error::Refusal;
use super::super::raw;
use super::{Answer, Asked, listed, page};
use serde_json::json;

pub fn register(asked: &mut Asked) -> Answer {
    let place = asked.region.place.clone();
    let registered = asked.region.task_definitions.register(asked.text, &place, asked.caller, asked.now)?;
    let shown = registered.shown();
    let mut members = vec![("taskDefinition", shown.as_str())];
    if !registered.tags.is_empty() {
        members.push(("tags", registered.tags.as_str()));
    }
    Ok(raw::object(members))
}

pub fn describe(asked: &mut Asked) -> Answer {
    let name = asked.needed("taskDefinition")?;
    let gone = || Refusal::client("Unable to describe task definition.");
    let found = asked.region.task_definitions.find(name).ok_or_else(gone)?;
    // An inactive one is told only as long as something uses it.
    let used = || {
        asked.region.services.values().any(|s| {
            s.deployments.iter().any(|d| d.task_definition == found.arn)
                || s.tasks.iter().any(|t| t.stopped.is_none() && t.task_definition == found.arn)
        })
    };
    if !found.active() && !used() {
        return Err(gone());
    }
    let shown = found.shown();
    let mut members = vec![("taskDefinition", shown.as_str())];
    let with_tags = asked.body["include"].as_array().is_some_and(|list| list.contains(&json!("TAGS")));
    if with_tags {
        members.push(("tags", if found.tags.is_empty() { "[]" } else { &found.tags }));
    }
    Ok(raw::object(members))
}

pub fn list(asked: &mut Asked) -> Answer {
    let prefix = asked.text("familyPrefix");
    let active = match asked.text("status") {
        None | Some("ACTIVE") => true,
        Some("INACTIVE") => false,
        Some(other) => return Err(Refusal::invalid(format!("Invalid status: {other}"))),
    };
    let all = asked.region.task_definitions.all();
    // The parameter's name lies: it is the whole family.
    let found = all.filter(|td| td.active() == active && prefix.is_none_or(|family| td.family == family));
    let mut arns: Vec<&str> = found.map(|td| td.arn.as_str()).collect();
    if asked.text("sort") == Some("DESC") {
        arns.reverse();
    }
    listed("taskDefinitionArns", page(&arns, &asked.body, 100))
}

pub fn deregister(asked: &mut Asked) -> Answer {
    let name = asked.needed("taskDefinition")?.to_owned();
    if !name.rsplit('/').next().is_some_and(|short| short.contains(':')) {
        return Err(Refusal::invalid("The revision is missing."));
    }
    let now = asked.now;
    let found = asked.region.task_definitions.deregister(&name, now);
    let found = found.ok_or_else(|| Refusal::client("The specified task definition does not exist."))?;
    Ok(raw::object([("taskDefinition", found.shown().as_str())]))
}

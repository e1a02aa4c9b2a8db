//! RunTask and StopTask.

use super::super::errands::{self, Earlier, Errand};
use super::super::error::Refusal;
use super::super::ids;
use super::super::service::Pinned;
use super::super::taskdefs::TaskDefinition;
use super::super::tasks::Task;
use super::{Answer, Asked, short};
use serde_json::{Value, json};
use std::time::Duration;

pub fn run(asked: &mut Asked) -> Answer {
    let (cluster, name) = (asked.cluster()?, asked.needed("taskDefinition")?.to_owned());
    let found = asked.region.task_definitions.find(&name).filter(|td| td.active());
    let definition = found.cloned().ok_or_else(|| Refusal::client("TaskDefinition not found."))?;
    check(&asked.body, &definition)?;
    let (now, place) = (asked.now, asked.region.place.clone());
    let token = asked.text("clientToken").map(str::to_owned);
    if let Some(token) = &token {
        match asked.region.errands.earlier(&cluster, token, asked.text, now) {
            Earlier::Nothing => {}
            Earlier::Same(earlier) => return Ok(shown(asked, &cluster, &earlier, &[])),
            Earlier::Other(earlier) => {
                let arns: Vec<String> = earlier.iter().map(|id| place.arn(&format!("task/{cluster}/{id}"))).collect();
                let text = format!("The token was used for other tasks: {arns:?}");
                return Err(Refusal { resources: arns, ..Refusal::new("ConflictException", text) });
            }
        }
    }
    let (mut started, mut failures) = (Vec::new(), Vec::new());
    for _ in 0..asked.body["count"].as_u64().unwrap_or(1) {
        let plan = &mut asked.region.errands.plan;
        let errand = plan.pop_front().unwrap_or(Errand::Exits(0, Duration::from_secs(1)));
        if let Errand::NotPlaced(reason) = errand {
            failures.push(json!({"arn": place.arn(&format!("container-instance/{}", ids::uuid())), "reason": reason}));
            continue;
        }
        let task = task(asked, &definition);
        started.push(task.id.clone());
        asked.region.errands.start(&cluster, task, &errand);
    }
    if let Some(token) = &token {
        asked.region.errands.keep_token(&cluster, token, asked.text, started.clone(), now);
    }
    Ok(shown(asked, &cluster, &started, &failures))
}

pub fn stop(asked: &mut Asked) -> Answer {
    let (cluster, name) = (asked.cluster()?, asked.needed("task")?.to_owned());
    let reason = asked.text("reason").unwrap_or("Task stopped by user").to_owned();
    let (now, place) = (asked.now, asked.region.place.clone());
    let id = short(&name);
    let alone = asked.region.errands.tasks.iter_mut().filter(|(of, _)| *of == cluster).map(|(_, task)| task);
    let services = asked.region.services.values_mut().filter(|s| s.cluster == cluster).flat_map(|s| &mut s.tasks);
    let task = alone.chain(services).find(|t| t.id == id);
    let task = task.ok_or_else(|| Refusal::invalid("The referenced task was not found."))?;
    errands::stop(task, &reason, now);
    Ok(json!({"task": task.shown(&place, &cluster)}).to_string())
}

fn task(asked: &Asked, definition: &TaskDefinition) -> Task {
    let pinned = |(name, image): (String, String)| Pinned { digest: Some(asked.images.digest(&image)), name, image };
    let containers = definition.images().into_iter().map(pinned).collect();
    let group = asked.text("group").map_or_else(|| format!("family:{}", definition.family), str::to_owned);
    Task::new(asked.text("startedBy").unwrap_or_default(), group, &definition.arn, containers, asked.now)
}

fn shown(asked: &Asked, cluster: &str, ids: &[String], failures: &[Value]) -> String {
    let place = &asked.region.place;
    let tasks = asked.region.errands.tasks.iter().filter(|(_, task)| ids.contains(&task.id));
    let tasks: Vec<Value> = tasks.map(|(_, task)| task.shown(place, cluster)).collect();
    json!({"tasks": tasks, "failures": failures}).to_string()
}

/// What AWS asks of the call, as far as somebody who runs a migration can get it wrong.
fn check(body: &Value, definition: &TaskDefinition) -> Result<(), Refusal> {
    let length = |key: &str| body[key].as_str().map_or(0, str::len);
    if !(1..=10).contains(&body["count"].as_u64().unwrap_or(1)) {
        return Err(Refusal::invalid("count must be between 1 and 10."));
    }
    if length("startedBy") > 128 || length("clientToken") > 64 {
        return Err(Refusal::invalid("startedBy has at most 128 characters, clientToken 64."));
    }
    let strategy = body["capacityProviderStrategy"].as_array().is_some_and(|list| !list.is_empty());
    if strategy && body["launchType"].is_string() {
        return Err(Refusal::invalid("Specifying both a launch type and capacity provider strategy is not supported."));
    }
    let own_network = definition.body()["networkMode"] == "awsvpc";
    if own_network && !body["networkConfiguration"]["awsvpcConfiguration"].is_object() {
        let text = "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
        return Err(Refusal::invalid(text));
    }
    if !own_network && body["networkConfiguration"].is_object() {
        let text = "Network Configuration is not valid for the given networkMode of this task definition.";
        return Err(Refusal::invalid(text));
    }
    let names: Vec<String> = definition.images().into_iter().map(|(name, _)| name).collect();
    let overrides = body["overrides"]["containerOverrides"].as_array().into_iter().flatten();
    for name in overrides.filter_map(|o| o["name"].as_str()) {
        if !names.iter().any(|known| known == name) {
            let text = format!("Override for container named {name} is not a container in the TaskDefinition.");
            return Err(Refusal::invalid(text));
        }
    }
    if body["overrides"].to_string().len() > 8192 {
        return Err(Refusal::invalid("Container Overrides length must be at most 8192."));
    }
    Ok(())
}

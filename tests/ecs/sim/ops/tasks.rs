//! Listing and describing tasks.

use super::super::error::Refusal;
use super::super::tasks::Task;
use super::{Answer, Asked, listed, missing, page, short};
use serde_json::{Value, json};

pub fn list(asked: &mut Asked) -> Answer {
    let cluster = asked.cluster()?;
    let filters = ["family", "serviceName", "startedBy", "containerInstance", "launchType", "daemonName"];
    let given = filters.iter().filter(|key| asked.text(key).is_some()).count();
    if asked.text("startedBy").is_some() && given > 1 {
        return Err(Refusal::invalid("startedBy cannot be combined with other filters."));
    }
    let stopped = match asked.text("desiredStatus") {
        None | Some("RUNNING") => false,
        Some("STOPPED") => true,
        Some("PENDING") => return listed::<Value>("taskArns", (&[], None)),
        Some(other) => return Err(Refusal::invalid(format!("Invalid desiredStatus: {other}"))),
    };
    if let Some(name) = asked.text("serviceName").map(str::to_owned) {
        asked.service(&cluster, &name)?;
    }
    let wanted = |key: &str, is: &str| asked.text(key).is_none_or(|name| short(name) == is);
    let place = &asked.region.place;
    let services = asked.region.services.iter().filter(|((of, name), _)| *of == cluster && wanted("serviceName", name));
    let alone =
        asked.region.errands.tasks.iter().filter(|(of, _)| *of == cluster && asked.text("serviceName").is_none());
    let tasks = services.flat_map(|(_, service)| &service.tasks).chain(alone.map(|(_, task)| task));
    let tasks = tasks.filter(|t| t.stopped.is_some() == stopped);
    let tasks = tasks.filter(|t| wanted("startedBy", short(&t.started_by)) && wanted("family", family(t)));
    let arns: Vec<String> = tasks.map(|task| task.arn(place, &cluster)).collect();
    listed("taskArns", page(&arns, &asked.body, 100))
}

pub fn describe(asked: &mut Asked) -> Answer {
    let cluster = asked.cluster()?;
    let place = asked.region.place.clone();
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in asked.names("tasks", 100)? {
        let services = asked.region.services.values().filter(|s| s.cluster == cluster).flat_map(|s| &s.tasks);
        let alone = asked.region.errands.tasks.iter().filter(|(of, _)| *of == cluster).map(|(_, task)| task);
        match services.chain(alone).find(|t| t.id == short(&name)) {
            Some(task) => found.push(task.shown(&place, &cluster)),
            None => failures.push(missing(&place.arn(&format!("task/{cluster}/{}", short(&name))))),
        }
    }
    Ok(json!({"tasks": found, "failures": failures}).to_string())
}

/// Of its task definition.
fn family(task: &Task) -> &str {
    short(&task.task_definition).split(':').next().unwrap_or_default()
}

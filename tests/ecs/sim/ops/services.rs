//! DescribeServices and UpdateService.

use super::super::error::Refusal;
use super::{Answer, Asked, missing, short};
use serde_json::{Value, json};

pub fn describe(asked: &mut Asked) -> Answer {
    let cluster = asked.cluster()?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for name in asked.names("services", 10)? {
        match asked.service(&cluster, &name) {
            Ok(service) => services.push(service.shown()),
            Err(_) => {
                let place = &asked.region.place;
                failures.push(missing(&place.arn(&format!("service/{cluster}/{}", short(&name)))));
            }
        }
    }
    Ok(json!({"services": services, "failures": failures}).to_string())
}

pub fn update(asked: &mut Asked) -> Answer {
    let (cluster, name) = (asked.cluster()?, asked.needed("service")?.to_owned());
    let (now, images) = (asked.now, asked.images);
    let wanted = asked.text("taskDefinition").map(str::to_owned);
    let force = asked.body["forceNewDeployment"].as_bool().unwrap_or(false);
    let desired = asked.body["desiredCount"].as_u64();
    let current = asked.service(&cluster, &name)?.task_definition.clone();
    let found = asked.region.task_definitions.find(wanted.as_deref().unwrap_or(&current)).cloned();
    let service = asked.service(&cluster, &name)?;
    if service.settings.status != "ACTIVE" {
        return Err(Refusal::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    if service.settings.express {
        return Err(Refusal::invalid(
            "The service is managed by Amazon ECS. Use UpdateExpressGatewayService to update it.",
        ));
    }
    match service.settings.controller {
        Some("CODE_DEPLOY") if wanted.is_some() || force => {
            return Err(Refusal::invalid(
                "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS \
                 CodeDeploy to trigger a new deployment.",
            ));
        }
        Some("EXTERNAL") if wanted.is_some() || force => {
            return Err(Refusal::invalid(
                "Unable to update task definition on services with an EXTERNAL deployment controller.",
            ));
        }
        _ => {}
    }
    let definition = found.ok_or_else(|| Refusal::client("TaskDefinition not found."))?;
    if wanted.is_some() && !definition.active() {
        return Err(Refusal::client("TaskDefinition is inactive"));
    }
    if let Some(container) = missing_container(&service.settings.load_balancers, &definition.body()) {
        return Err(Refusal::invalid(format!("The container {container} does not exist in the task definition.")));
    }
    if let Some(count) = desired {
        service.settings.desired = u32::try_from(count).unwrap_or(0);
    }
    // The same once more is no deployment, unless it is forced.
    if force || definition.arn != service.task_definition {
        service.deploy(&definition, now, images);
    }
    Ok(json!({"service": service.shown()}).to_string())
}

/// A container that a load balancer sends to and that the task definition does not have.
fn missing_container(load_balancers: &Value, definition: &Value) -> Option<String> {
    let names: Vec<&str> =
        definition["containerDefinitions"].as_array()?.iter().filter_map(|c| c["name"].as_str()).collect();
    let wanted = load_balancers.as_array()?.iter().filter_map(|lb| lb["containerName"].as_str());
    wanted.into_iter().find(|name| !names.contains(name)).map(str::to_owned)
}

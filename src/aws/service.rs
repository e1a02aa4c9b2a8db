//! What tells one service from another, and one state of it from another.

use aws_sdk_ecs::types::{Deployment, Service};

/// The object: another service that later gets its name is another one.
pub fn identity(service: &Service) -> String {
    let created = service.created_at().map_or(0, |t| t.secs());
    format!("{}@{created}", service.service_arn().unwrap_or_default())
}

/// The number in a deployment's id, which is also the name of the service revision that it made; of an ARN, its last
/// part.
pub fn number(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

pub fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|d| d.status() == Some("PRIMARY"))
}

/// Number of the PRIMARY deployment, and the task definition that it brings.
pub fn running(service: &Service) -> (&str, &str) {
    let primary = primary(service);
    let definition = primary.and_then(|p| p.task_definition()).or(service.task_definition());
    (primary.and_then(|p| p.id()).map(number).unwrap_or_default(), definition.unwrap_or_default())
}

/// What a write compares with what its decision was taken on.
pub fn version(service: &Service) -> String {
    let (number, definition) = running(service);
    format!("{number} {definition}")
}

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

/// Number of the newest deployment that brings this task definition. It need not be PRIMARY: what fails at once may have
/// been taken back already.
pub fn bringing<'a>(service: &'a Service, definition: &str) -> Option<&'a str> {
    let ours = service.deployments().iter().filter(|d| d.task_definition() == Some(definition));
    ours.max_by_key(|d| d.created_at().map_or(0, |t| t.as_nanos()))?.id().map(number)
}

/// The same, if it is not older than what is PRIMARY: an update that brings this definition was made since.
pub fn brought<'a>(service: &'a Service, definition: &str) -> Option<&'a str> {
    let number = bringing(service, definition)?;
    let of = |d: &Deployment| d.created_at().map_or(0, |t| t.as_nanos());
    let ours = service.deployments().iter().find(|d| d.id().map(self::number) == Some(number))?;
    (of(ours) >= primary(service).map_or(0, of)).then_some(number)
}

/// What a write compares with what its decision was taken on.
pub fn version(service: &Service) -> String {
    let (number, definition) = running(service);
    format!("{number} {definition}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_brought_need_not_be_primary() {
        let deployment =
            |status: &str, id: &str, td: &str| Deployment::builder().status(status).id(id).task_definition(td).build();
        let old = deployment("PRIMARY", "ecs-svc/1", "td:1");
        let service =
            Service::builder().deployments(old.clone()).deployments(deployment("ACTIVE", "ecs-svc/2", "td:2"));
        let service = service.build();
        assert_eq!(
            (running(&service).0, bringing(&service, "td:2"), bringing(&service, "td:1")),
            ("1", Some("2"), Some("1"))
        );
        assert_eq!(bringing(&Service::builder().deployments(old).build(), "td:2"), None);
    }
}

//! DescribeTargetHealth: the targets of a target group are the addresses of the tasks behind it.

use super::clock::At;
use super::error::Refusal;
use super::form::escaped;
use super::service::Service;
use super::tasks::Task;
use super::world::Region;
use std::collections::HashMap;
use std::time::Duration;

/// State, and where there is one the reason with its description.
type Health = (&'static str, Option<(&'static str, &'static str)>);

/// So long a target that was taken out is shown; AWS's default.
const DRAINS: Duration = Duration::from_secs(300);

pub fn target_health(form: &HashMap<String, String>, region: &Region, now: At) -> Result<String, Refusal> {
    if form.get("Version").map(String::as_str) != Some("2015-12-01") {
        return Err(Refusal::new("InvalidAction", "Could not find operation DescribeTargetHealth for that version"));
    }
    let wanted = form.get("TargetGroupArn").map(String::as_str).unwrap_or_default();
    if wanted.is_empty() {
        return Err(Refusal::new("ValidationError", "A target group ARN must be specified"));
    }
    let mut found = region.services.values().filter_map(|service| Some((service, port_behind(service, wanted)?)));
    let (service, port) = found
        .next()
        .ok_or_else(|| Refusal::new("TargetGroupNotFound", format!("Target groups '{wanted}' not found")))?;
    let all = service.tasks.iter().filter_map(|task| Some((task.address.as_str(), health(service, task, now)?)));
    let targets: Vec<(&str, Health)> = match asked(form).as_slice() {
        [] => all.collect(),
        some => {
            let known: HashMap<&str, Health> = all.collect();
            let unknown = ("unused", Some(("Target.NotRegistered", "Target is not registered to the target group")));
            some.iter().map(|id| (*id, known.get(id).copied().unwrap_or(unknown))).collect()
        }
    };
    let shown: String = targets.iter().map(|(address, health)| member(address, port, *health)).collect();
    Ok(format!(
        "<DescribeTargetHealthResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
         <DescribeTargetHealthResult><TargetHealthDescriptions>{shown}</TargetHealthDescriptions>\
         </DescribeTargetHealthResult><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
         </DescribeTargetHealthResponse>",
        super::ids::uuid()
    ))
}

/// The container's port, if this service is behind the target group.
fn port_behind(service: &Service, target_group: &str) -> Option<u64> {
    let entries = service.settings.load_balancers.as_array()?;
    entries.iter().find(|lb| lb["targetGroupArn"] == target_group)?["containerPort"].as_u64()
}

fn health(service: &Service, task: &Task, now: At) -> Option<Health> {
    match (&task.stopped, task.running, task.healthy) {
        (Some(stop), Some(_), _) if stop.at + DRAINS > now => {
            Some(("draining", Some(("Target.DeregistrationInProgress", "Target deregistration is in progress"))))
        }
        (Some(_), ..) | (None, None, _) => None,
        (None, Some(since), _) if since + service.settings.registers_in > now => {
            Some(("initial", Some(("Elb.RegistrationInProgress", "Target registration is in progress"))))
        }
        (None, Some(_), true) => Some(("healthy", None)),
        (None, Some(_), false) => {
            Some(("unhealthy", Some(("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"))))
        }
    }
}

fn asked(form: &HashMap<String, String>) -> Vec<&str> {
    (1..).map_while(|n| form.get(&format!("Targets.member.{n}.Id"))).map(String::as_str).collect()
}

fn member(address: &str, port: u64, (state, reason): Health) -> String {
    let reason = reason.map(|(code, text)| format!("<Reason>{code}</Reason><Description>{text}</Description>"));
    let (address, reason) = (escaped(address), reason.unwrap_or_default());
    format!(
        "<member><Target><Id>{address}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}</HealthCheckPort>\
         <TargetHealth><State>{state}</State>{reason}</TargetHealth></member>"
    )
}

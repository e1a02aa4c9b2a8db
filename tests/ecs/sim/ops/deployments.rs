//! Service deployments and service revisions: listing, describing, stopping, going on.

use super::super::error::Refusal;
use super::super::service::Service;
use super::{Answer, Asked, listed, missing, page};
use serde_json::{Value, json};

pub fn list(asked: &mut Asked) -> Answer {
    let (cluster, name) = (asked.cluster()?, asked.needed("service")?.to_owned());
    let body = asked.body.clone();
    let bound = |key: &str| body["createdAt"][key].as_f64();
    let (after, before) = (bound("after"), bound("before"));
    let statuses: Vec<&str> = body["status"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let service = asked.service(&cluster, &name)?;
    let found: Vec<Value> = service
        .rollouts
        .iter()
        .rev()
        .filter(|r| statuses.is_empty() || statuses.contains(&r.status))
        .filter(|r| after.is_none_or(|at| r.created.as_secs_f64() > at))
        .filter(|r| before.is_none_or(|at| r.created.as_secs_f64() < at))
        .map(|r| service.rollout_brief(r))
        .collect();
    listed("serviceDeployments", page(&found, &body, 20))
}

pub fn describe(asked: &mut Asked) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked.names("serviceDeploymentArns", 20)? {
        let shown = owner(asked, &arn).ok().and_then(|service| {
            let rollout = service.rollouts.iter().find(|r| service.rollout_arn(&r.id) == arn)?;
            Some(service.rollout_shown(rollout))
        });
        match shown {
            Some(shown) => found.push(shown),
            None => failures.push(missing(&arn)),
        }
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}).to_string())
}

pub fn revisions(asked: &mut Asked) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in asked.names("serviceRevisionArns", 20)? {
        let shown = owner(asked, &arn).ok().and_then(|service| {
            let revision = service.revisions.iter().find(|r| service.revision_arn(&r.number) == arn)?;
            Some(service.revision_shown(revision))
        });
        match shown {
            Some(shown) => found.push(shown),
            None => failures.push(missing(&arn)),
        }
    }
    Ok(json!({"serviceRevisions": found, "failures": failures}).to_string())
}

pub fn stop(asked: &mut Asked) -> Answer {
    let arn = asked.needed("serviceDeploymentArn")?.to_owned();
    if !matches!(asked.text("stopType"), None | Some("ROLLBACK")) {
        return Err(Refusal::invalid("Invalid stopType. The valid values are ROLLBACK."));
    }
    let now = asked.now;
    let service = owner(asked, &arn)?;
    let (id, status) = known(service, &arn)?;
    match status {
        "PENDING" | "IN_PROGRESS" => service.stop_rollout(&id, now),
        // It is on its way already.
        "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => {}
        _ => {
            let text = format!("The service deployment cannot be stopped because it is in {status}.");
            return Err(Refusal::new("ConflictException", text));
        }
    }
    Ok(json!({"serviceDeploymentArn": arn}).to_string())
}

pub fn go_on(asked: &mut Asked) -> Answer {
    let (arn, hook) = (asked.needed("serviceDeploymentArn")?.to_owned(), asked.needed("hookId")?.to_owned());
    let go_on = match asked.text("action") {
        None | Some("CONTINUE") => true,
        Some("ROLLBACK") => false,
        Some(other) => return Err(Refusal::invalid(format!("Invalid action: {other}"))),
    };
    let now = asked.now;
    let service = owner(asked, &arn)?;
    let (id, _) = known(service, &arn)?;
    match service.answer_hook(&id, &hook, go_on, now) {
        true => Ok(json!({"serviceDeploymentArn": arn}).to_string()),
        false => Err(Refusal::invalid("The lifecycle hook is not awaiting an action.")),
    }
}

/// The service that a service deployment's or revision's ARN names.
fn owner<'a>(asked: &'a mut Asked, arn: &str) -> Result<&'a mut Service, Refusal> {
    let mut parts = arn.split('/').skip(1);
    let gone = || Refusal::new("ServiceDeploymentNotFoundException", "Service deployment not found.");
    let (cluster, name) = parts.next().zip(parts.next()).ok_or_else(gone)?;
    asked.service(cluster, name).map_err(|_| gone())
}

/// The id and status of a service deployment of this service.
fn known(service: &Service, arn: &str) -> Result<(String, &'static str), Refusal> {
    let found = service.rollouts.iter().find(|r| service.rollout_arn(&r.id) == arn);
    let gone = || Refusal::new("ServiceDeploymentNotFoundException", "Service deployment not found.");
    found.map(|r| (r.id.clone(), r.status)).ok_or_else(gone)
}

//! The way of one call: who asks, what goes wrong, what is answered, what is written down.

use super::Shared;
use super::about::About;
use super::auth::{self, Caller};
use super::ecr;
use super::elb;
use super::error::Refusal;
use super::faults::Fault;
use super::form;
use super::ops::{self, Asked};
use super::record::{Call, is_write};
use super::sts;
use super::world::World;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use std::sync::Arc;

/// How the names of operations begin on the wire, and the services behind them.
const JSON: [(&str, &str); 2] =
    [("AmazonEC2ContainerServiceV20141113.", "ecs"), ("AmazonEC2ContainerRegistry_V20150921.", "ecr")];
const FORMS: [(&str, &str); 2] = [("AssumeRole", "sts"), ("DescribeTargetHealth", "elasticloadbalancing")];

/// Which service is meant, and which of its operations.
struct Target {
    service: &'static str,
    op: String,
    xml: bool,
}

pub(super) async fn handle(State(sim): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = String::from_utf8_lossy(&body).into_owned();
    let Some(target) = target(&headers, &text) else {
        return respond(404, "text/plain", "no such service\n".to_owned());
    };
    if let Some(gate) = sim.faults.gate(&target.op, &text) {
        gate.pass().await;
    }
    let faults = {
        let world = sim.world();
        let caller = auth::caller(&headers, &world, sim.clock.now()).ok();
        let region = caller.and_then(|c| world.regions.get(&c.place));
        sim.faults.of(&target.op, &text, |op| region.is_some_and(|r| r.before.contains_key(op)))
    };
    if faults.iter().any(|f| matches!(f, Fault::Lost)) {
        return closed();
    }
    let (call, answer) = carry_out(&sim, &target, &headers, text, &faults);
    let (status, text) = (call.status, call.answer.clone());
    // Written down before anything is waited for: a caller that ends now has still called.
    sim.log.add(call);
    for fault in &faults {
        if let Fault::HoldAfter(gate) = fault {
            gate.pass().await;
        }
    }
    for fault in &faults {
        match fault {
            Fault::Silence => std::future::pending().await,
            Fault::AnswerLost => return closed(),
            _ => {}
        }
    }
    respond(status, answer, text)
}

/// Under the lock from beginning to end. The second value is the content type.
fn carry_out(
    sim: &Shared,
    target: &Target,
    headers: &HeaderMap,
    text: String,
    faults: &[Fault],
) -> (Call, &'static str) {
    let mut world = sim.world();
    let now = sim.clock.now();
    world.advance(now);
    sim.log.look(&world);
    let caller = auth::caller(headers, &world, now);
    let known = caller.clone().ok();
    let mut about = before(target, &text, known.as_ref(), &mut world);
    let result = caller.and_then(|caller| {
        if !sim.limits.admits(&caller.place, &target.op, now) {
            return Err(Refusal::throttled());
        }
        if let Some(refusal) = faults.iter().find_map(|f| refused(f, &caller, target)) {
            return Err(refusal);
        }
        match target.service {
            "sts" => sts::assume_role(&form::fields(&text), &caller, &mut world, now),
            "elasticloadbalancing" => elb::target_health(&form::fields(&text), world.region(&caller.place), now),
            "ecr" if target.op == "DescribeImages" => {
                let body = serde_json::from_str(&text).unwrap_or_default();
                ecr::describe_images(&body, &caller.place, &world.images)
            }
            _ => ecs(target, &caller, &text, &mut world, now, faults, &mut about),
        }
    });
    let made = result.is_ok();
    sim.log.look(&world);
    let done_but = faults.iter().find_map(|f| match f {
        Fault::DoneBut(refusal) => Some(refusal.clone()),
        _ => None,
    });
    let result = match (result, done_but) {
        (Ok(_), Some(refusal)) => Err(refusal),
        (result, _) => result,
    };
    let (status, mut answer) = match result {
        Ok(answer) => (200, answer),
        Err(refusal) if target.xml => (refusal.status, form::refusal(&refusal)),
        Err(refusal) => (refusal.status, refusal.json()),
    };
    let mut doctored = false;
    for change in faults.iter().filter_map(|f| if let Fault::Rewrite(change) = f { Some(change) } else { None }) {
        let mut value = serde_json::from_str(&answer).unwrap_or_default();
        change(&mut value);
        (answer, doctored) = (value.to_string(), true);
    }
    let call = Call {
        service: target.service,
        op: target.op.clone(),
        account: known.as_ref().map(|c| c.place.account.clone()).unwrap_or_default(),
        region: known.as_ref().map(|c| c.place.region.clone()).unwrap_or_default(),
        caller: known.map(|c| c.arn).unwrap_or_default(),
        at: now,
        real: jiff::Timestamp::now(),
        request: text,
        answer,
        status,
        made,
        delivered: !faults.iter().any(|f| matches!(f, Fault::AnswerLost | Fault::Silence)),
        doctored,
        about,
    };
    (call, if target.xml { "text/xml" } else { "application/x-amz-json-1.1" })
}

/// What a write to ECS is about, refused or not.
fn before(target: &Target, text: &str, caller: Option<&Caller>, world: &mut World) -> About {
    let Some(caller) = caller.filter(|_| target.service == "ecs" && is_write(&target.op)) else {
        return About::default();
    };
    About::before(&target.op, &serde_json::from_str(text).unwrap_or_default(), world.region(&caller.place))
}

fn ecs(
    target: &Target,
    caller: &Caller,
    text: &str,
    world: &mut World,
    now: super::clock::At,
    faults: &[Fault],
    about: &mut About,
) -> Result<String, Refusal> {
    world.region(&caller.place);
    let World { regions, images, .. } = world;
    let Some(region) = regions.get_mut(&caller.place) else { return Err(Refusal::server()) };
    let stale = faults.iter().find_map(|f| if let Fault::Stale(op) = f { region.before.get(*op) } else { None });
    let mut stale = stale.map(|region| region.copy());
    let was = is_write(&target.op).then(|| region.copy());
    let body = serde_json::from_str(text).unwrap_or_default();
    let seen = stale.as_mut().unwrap_or(region);
    let result = ops::answer(&target.op, &mut Asked { region: seen, images, now, caller: &caller.arn, text, body });
    if let (Some(was), Ok(answer), Some(region)) = (was, &result, regions.get_mut(&caller.place)) {
        about.after(&target.op, answer, region);
        region.remember(&target.op, was);
    }
    result
}

fn refused(fault: &Fault, caller: &Caller, target: &Target) -> Option<Refusal> {
    match fault {
        // The older protocol has other words for some.
        Fault::Refuse(refusal) if target.xml && refusal.status == 500 => {
            Some(Refusal { code: "InternalFailure".to_owned(), ..refusal.clone() })
        }
        Fault::Refuse(refusal) => Some(refusal.clone()),
        Fault::Deny => Some(Refusal::new(
            if target.xml { "AccessDenied" } else { "AccessDeniedException" },
            format!(
                "User: {} is not authorized to perform: {}:{} because no identity-based policy allows the {0}:{2} action",
                caller.arn, target.service, target.op
            ),
        )),
        _ => None,
    }
}

fn target(headers: &HeaderMap, body: &str) -> Option<Target> {
    if let Some(name) = headers.get("x-amz-target").and_then(|v| v.to_str().ok()) {
        let mut found = JSON.iter().filter_map(|(prefix, service)| Some((*service, name.strip_prefix(prefix)?)));
        return found.next().map(|(service, op)| Target { service, op: op.to_owned(), xml: false });
    }
    let action = form::fields(body).remove("Action")?;
    let (_, service) = FORMS.iter().find(|(op, _)| *op == action)?;
    Some(Target { service, op: action, xml: true })
}

fn respond(status: u16, kind: &str, body: String) -> Response<Body> {
    let head = Response::builder().status(status).header("content-type", kind);
    head.header("x-amzn-requestid", super::ids::uuid()).body(Body::from(body)).unwrap()
}

/// A body that fails at once ends the connection before the head is sent.
fn closed() -> Response<Body> {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("the connection is closed")) });
    Response::new(Body::from_stream(broken))
}

//! Reading ECS services. A read is asked again only when it is older than half a poll, because AWS counts calls.

mod convert;
mod health;
mod image;
mod roles;

pub use roles::AllowedRoles;
pub(super) use roles::refusal;

use super::Observer;
use super::error::Error;
use crate::api::status::EcsService;
use crate::api::view::{LiveTarget, Lookup, TargetView};
use crate::aws::{self, Account, Aws, Definition, service, tag};
use crate::rollout::{self, ReleaseView};
use aws_sdk_ecs::types::{Service, ServiceDeploymentBrief, ServiceRevision, Task};
use convert::Found;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How ECS is looked at.
#[derive(Clone, Debug)]
pub struct EcsOptions {
    /// Between two looks at a service in work. Default 10 s.
    pub poll: Duration,
    /// Roles that every namespace may use.
    pub allowed: AllowedRoles,
}

impl Default for EcsOptions {
    fn default() -> Self {
        Self { poll: Duration::from_secs(10), allowed: AllowedRoles::default() }
    }
}

/// This part of a poll a read may wait for others of its cluster.
const WINDOW: u32 = 10;
/// Views that are remembered at most.
const REMEMBERED: usize = 2000;
/// For one look-up that can be done without: the rest of the look must not wait for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// So long ECS shows stopped tasks, in seconds, and so long after its end a deployment is looked at closely.
const SHOWN: i64 = 3600;

/// What is looked at, and whether what ran there before is of interest too.
type Look = (EcsService, bool);

#[derive(Debug)]
pub(super) struct Services {
    aws: Arc<Aws>,
    options: EcsOptions,
    seen: Mutex<HashMap<Look, (Instant, TargetView)>>,
    images: image::Images,
}

impl Services {
    pub(super) fn new(aws: Arc<Aws>, options: EcsOptions) -> Self {
        Self { aws, options, seen: Mutex::default(), images: image::Images::default() }
    }

    /// What was seen of a service is no longer true.
    pub(super) fn forget(&self, service: &EcsService) {
        let mut seen = self.seen();
        for before in [false, true] {
            seen.remove(&(service.clone(), before));
        }
    }

    async fn view(&self, look: Look) -> Result<TargetView, aws::Error> {
        let fresh = self.options.poll / 2;
        let known = self.seen().get(&look).filter(|(at, _)| at.elapsed() < fresh).map(|(_, view)| view.clone());
        if let Some(view) = known {
            return Ok(view);
        }
        let at = Instant::now();
        let account = self.aws.account(&look.0).await;
        let view = self::look(&account, &look, self.options.poll).await?;
        let mut seen = self.seen();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(look, (at, view.clone()));
        Ok(view)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<Look, (Instant, TargetView)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer {
    /// The service as the Release may see it.
    pub(super) async fn service(&self, release: &ReleaseView, service: &EcsService) -> Result<TargetView, Error> {
        let Some(services) = &self.services else {
            return Ok(TargetView::Unreachable("this controller does not look at AWS".into()));
        };
        if let Some(why) = self.barred(release, service).await? {
            return Ok(TargetView::Denied(why));
        }
        // What the status would say of earlier rollouts is read from the service itself.
        let forgotten = release.status.settled.is_none();
        let mut view = match services.view((service.clone(), forgotten)).await {
            Ok(view) => view,
            Err(aws::Error::Denied(message)) => return Ok(TargetView::Denied(message)),
            Err(other) => return Ok(TargetView::Unreachable(other.to_string())),
        };
        if let TargetView::Live(live) = &mut view {
            live.claimed_by = self.claimed_by(release, live.stamp.as_ref(), &live.workload).await?;
            let image = rollout::image_to_bring(release, live);
            if let (Some(ecs), Some(image)) = (&mut live.ecs, image) {
                ecs.image = services.image(service, image).await;
            }
        }
        Ok(view)
    }

    /// Why nothing of this service may be asked for the Release. `Ok(None)`: it may be.
    pub async fn barred(&self, release: &ReleaseView, service: &EcsService) -> Result<Option<String>, Error> {
        let Some(services) = &self.services else { return Ok(Some("this controller does not look at AWS".into())) };
        let may = self.may_use(release, service, &services.options.allowed).await?;
        Ok((!may).then(|| refusal(&release.name.namespace, service.role_arn.as_deref())))
    }

    /// What was seen of a service before a write is no longer true.
    pub fn forget(&self, service: &EcsService) {
        if let Some(services) = &self.services {
            services.forget(service);
        }
    }
}

async fn look(account: &Account, (of, before): &Look, poll: Duration) -> Result<TargetView, aws::Error> {
    let Some(service) = account.service(of, poll / WINDOW).await? else { return Ok(TargetView::Absent) };
    match service.status().unwrap_or_default() {
        "INACTIVE" => return Ok(TargetView::Absent),
        "DRAINING" => return Ok(TargetView::Terminating),
        _ => {}
    }
    let found = gather(account, of, &service, *before).await?;
    Ok(match convert::live(of, &service, &found, poll) {
        Some(live) => TargetView::Live(Box::new(live)),
        None => TargetView::Unreachable(format!("{of} has no PRIMARY deployment")),
    })
}

/// What belongs to a service beside itself.
async fn gather(account: &Account, of: &EcsService, found: &Service, before: bool) -> Result<Found, aws::Error> {
    let Some(primary) = service::primary(found) else { return Ok(Found::default()) };
    let running = primary.task_definition().unwrap_or_default();
    let (deployments, definition) = futures::join!(account.deployments(of), account.definition(running));
    let definition = definition?;
    let (newest, previous) = newest(deployments)?;
    let previous = previous.filter(|_| before);
    let revisions = match newest.as_ref().and_then(|n| n.target_service_revision_arn()) {
        Some(target) => {
            let ended = newest.as_ref().and_then(|n| n.finished_at()).map(|t| t.secs());
            let mut arns = convert::both(target, primary.id().unwrap_or_default());
            let earlier = previous.as_ref().and_then(|p| p.target_service_revision_arn()).map(str::to_owned);
            arns.extend(earlier.filter(|arn| !arns.contains(arn)).into_iter().collect::<Vec<_>>());
            account.revisions(&arns, ended).await?
        }
        None => Vec::new(),
    };
    let earlier = match brought(previous.as_ref(), &revisions) {
        Some(arn) => known(account.definition(arn).await)?,
        None => None,
    };
    let brought = match brought(newest.as_ref(), &revisions) {
        Some(arn) if arn == running => Some(definition.clone()),
        Some(arn) => known(account.definition(arn).await)?,
        None => None,
    };
    let before = match definition.tags.get(tag::WAY_BACK) {
        Some(arn) => known(account.definition(arn).await)?,
        None => None,
    };
    // In this order: a task that ended in between is then judged in the next look, beside those that run by then.
    let stopped = stopped(account, of, newest.as_ref()).await?;
    let health = health::health(account, of, found, newest.as_ref(), &revisions).await;
    Ok(Found {
        definition: Some(definition),
        before,
        newest,
        brought,
        previous: previous.map(|p| (p, earlier)),
        revisions,
        stopped,
        health,
    })
}

/// The newest, and the one before it.
fn newest(found: Result<Vec<ServiceDeploymentBrief>, aws::Error>) -> Result<Newest, aws::Error> {
    let nanos = |d: &ServiceDeploymentBrief| d.created_at().map_or(0, |t| t.as_nanos());
    match found {
        Ok(mut all) => {
            all.sort_by_key(|d| std::cmp::Reverse(nanos(d)));
            let mut all = all.into_iter();
            Ok((all.next(), all.next()))
        }
        // Where ECS has no service deployments, the older fields must do.
        Err(aws::Error::Invalid(_)) => Ok((None, None)),
        Err(other) => Err(other),
    }
}

type Newest = (Option<ServiceDeploymentBrief>, Option<ServiceDeploymentBrief>);

fn brought<'a>(newest: Option<&ServiceDeploymentBrief>, revisions: &'a [ServiceRevision]) -> Option<&'a str> {
    let target = newest?.target_service_revision_arn();
    revisions.iter().find(|r| r.service_revision_arn() == target)?.task_definition()
}

/// One that cannot be described any more is not known, and nothing hangs on it.
fn known(found: Result<Arc<Definition>, aws::Error>) -> Result<Option<Arc<Definition>>, aws::Error> {
    match found {
        Ok(definition) => Ok(Some(definition)),
        Err(aws::Error::Gone(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Of an older deployment there is nothing to ask for.
async fn stopped(
    account: &Account,
    of: &EcsService,
    newest: Option<&ServiceDeploymentBrief>,
) -> Result<Vec<Task>, aws::Error> {
    let Some(newest) = newest else { return Ok(Vec::new()) };
    let finished = newest.finished_at().map(|t| t.secs());
    let now = jiff::Timestamp::now().as_second();
    if finished.is_some_and(|at| now.saturating_sub(at) > SHOWN) {
        return Ok(Vec::new());
    }
    account.stopped_tasks(of).await
}

/// What came of a look-up that nothing depends on.
fn lookup<T>(asked: Result<Result<T, aws::Error>, tokio::time::error::Elapsed>, call: &str) -> Lookup<T> {
    match asked {
        Ok(Ok(found)) => Lookup::Known(found),
        Ok(Err(aws::Error::Denied(message))) => Lookup::Denied(message),
        Ok(Err(error)) => Lookup::Unanswered(error.to_string()),
        Err(_) => Lookup::Unanswered(format!("{call}: no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The stamp that a task definition bears, if what it says can be read in full.
fn stamp(definition: &Definition, before: Option<&Definition>) -> Option<crate::api::effect::Stamp> {
    use crate::api::status::ContainerImage;
    let tag = |key: &str| definition.tags.get(key).map(String::as_str);
    let effect: crate::api::EffectId = serde_json::from_value(tag(tag::EFFECT)?.into()).ok()?;
    let (namespace, name) = tag(tag::RELEASE)?.split_once('/')?;
    let names: Vec<&str> = tag(tag::CONTAINERS)?.split(' ').collect();
    let of = |d: &Definition| -> Vec<ContainerImage> {
        d.images.iter().filter(|i| names.contains(&i.container.as_str())).cloned().collect()
    };
    Some(crate::api::effect::Stamp {
        uid: effect.parts()?.uid,
        effect,
        release: crate::api::NsName::new(namespace, name),
        images: of(definition),
        way_back: of(before?),
        irreversible: tag(tag::IRREVERSIBLE) == Some("true"),
        verified: tag(tag::VERIFIED) == Some("true"),
        task_definition: tag(tag::WAY_BACK).map(str::to_owned),
        took: Vec::new(),
    })
}

/// Nothing of a cluster but of one service: what [`LiveTarget`] has no use for is left empty.
fn blank(of: &EcsService) -> LiveTarget {
    LiveTarget {
        workload: crate::api::status::Workload::Ecs(of.clone()),
        uid: String::new(),
        resource_version: String::new(),
        generation: 0,
        observed_generation: 0,
        paused: false,
        on_delete: false,
        replicas: Default::default(),
        containers: Vec::new(),
        stamp: None,
        revision: None,
        progressing: None,
        replica_failure: None,
        pods: Vec::new(),
        allow_from: Vec::new(),
        allow_repository: None,
        claimed_by: None,
        gitops: None,
        stateful: None,
        ecs: None,
    }
}

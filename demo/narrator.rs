//! Watches the Releases, the Deployments and the service on ECS, and tells each change once, as it is seen.

use crate::screen;
use crate::service::{Service, Told};
use anyhow::{Result, bail};
use futures::stream::{BoxStream, StreamExt, empty, select};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeMap;
use std::time::Instant;
use tidegate::api::{Image, Release};

pub(crate) struct Narrator {
    changes: BoxStream<'static, Seen>,
    told: BTreeMap<String, String>,
    began: Instant,
}

enum Seen {
    Release(Box<Release>),
    Deployment(Box<Deployment>),
    Service(Told),
}

impl Narrator {
    pub(crate) fn new(client: Client) -> Self {
        let releases = watcher(Api::<Release>::all(client.clone()), watcher::Config::default());
        let deployments = watcher(Api::<Deployment>::all(client), watcher::Config::default());
        // A broken watch is begun anew; that nothing comes for too long is found by the deadline of each act.
        let releases = releases.default_backoff().applied_objects().filter_map(async |r| r.ok());
        let deployments = deployments.default_backoff().applied_objects().filter_map(async |d| d.ok());
        let changes =
            select(releases.map(|r| Seen::Release(Box::new(r))), deployments.map(|d| Seen::Deployment(Box::new(d))));
        Self { changes: changes.boxed(), told: BTreeMap::new(), began: Instant::now() }
    }

    /// From now on what the service runs is told too.
    pub(crate) fn follow(&mut self, service: Service) {
        let before = std::mem::replace(&mut self.changes, empty().boxed());
        self.changes = select(before, service.watch().map(Seen::Service)).boxed();
    }

    /// Seconds are counted from here.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
    }
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The next state of a Release, after everything seen until then was told.
    pub(crate) async fn next_release(&mut self) -> Result<Release> {
        while let Some(seen) = self.changes.next().await {
            match seen {
                Seen::Deployment(deployment) => self.tell_deployment(&deployment),
                Seen::Service(told) => self.tell_service(&told),
                Seen::Release(release) => {
                    self.tell_release(&release);
                    return Ok(*release);
                }
            }
        }
        bail!("the watch ended")
    }

    fn tell_release(&mut self, release: &Release) {
        let Some(status) = &release.status else { return };
        let Some(phase) = status.phase else { return };
        let stage = status.running().and_then(|r| r.stage.as_deref());
        let who = match stage {
            Some(stage) => format!("{} {stage}", release.name_any()),
            None => release.name_any(),
        };
        // The command in the message is shown when it is run.
        let text = status.message.as_deref().map(|m| m.split(": kubectl").next().unwrap_or(m));
        self.tell(format!("release {}", release.name_any()), &who, &format!("{phase:?}"), text);
    }

    /// Tells which image a Deployment is told to run.
    fn tell_deployment(&mut self, deployment: &Deployment) {
        let Some(image) = image(deployment) else { return };
        let who = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
        self.tell(format!("deployment {who}"), &who, "Deployment", Some(&format!("runs {}", image.short())));
    }

    fn tell_service(&mut self, told: &Told) {
        let who = Service::name();
        self.tell(format!("service {who}"), &who, "ECS service", Some(&format!("runs {}", told.image.short())));
    }

    fn tell(&mut self, key: String, who: &str, state: &str, text: Option<&str>) {
        let text = text.unwrap_or_default();
        let line = format!("{who} {state} {text}");
        if self.told.get(&key) != Some(&line) {
            screen::seen(self.seconds(), who, state, text);
            self.told.insert(key, line);
        }
    }
}

/// The image that the Deployment's first container is told to run.
pub(crate) fn image(deployment: &Deployment) -> Option<Image> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.as_ref().map(Image::new)
}

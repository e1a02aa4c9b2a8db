//! Which replica may act: leadership as a deadline, not a flag.
//!
//! A holder that cannot renew stops by its own clock well before anybody else may take over. Somebody else's lease runs
//! out when it stood unchanged for its whole length by *our* clock, so skewed clocks steal nothing.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Until when this replica may act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    until: Option<Instant>,
    always: bool,
}

impl Leadership {
    /// For a single replica that takes no lease.
    pub fn always() -> Self {
        Self { until: None, always: true }
    }
    pub fn is_held(&self) -> bool {
        self.always || self.until.is_some_and(|t| Instant::now() < t)
    }
    /// When it ends if nothing renews it.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[derive(Clone, Debug)]
pub struct LeaseOptions {
    pub namespace: String,
    pub name: String,
    /// The pod's name, so that people recognise it. Default: the host's name.
    pub identity: Option<String>,
    /// How long a lease that nobody renews keeps others away. Whole seconds, at least 3 s.
    pub ttl: Duration,
}

/// Takes, renews and releases one Lease.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    ttl: Duration,
    /// As we last wrote it: the next renewal needs no read.
    held: Option<Lease>,
    /// Somebody else's: its resourceVersion, and when we first saw that.
    seen: Option<(String, Instant)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Held,
    /// Somebody else's, at least until then.
    Others(Instant),
}

impl Elector {
    /// `client` should have a limiter to itself: a renewal must never queue behind other requests.
    pub fn new(client: Client, options: &LeaseOptions) -> Self {
        Self {
            api: Api::namespaced(client, &options.namespace),
            name: options.name.clone(),
            me: unique(options.identity.clone()),
            ttl: options.ttl,
            held: None,
            seen: None,
        }
    }
    pub fn identity(&self) -> &str {
        &self.me
    }

    /// Publishes leadership until `stop` is done, then gives the lease up.
    pub async fn run(mut self, leadership: watch::Sender<Leadership>, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = self.keep(&leadership) => {}
            () = stop => {}
        }
        leadership.send_replace(Leadership::default());
        self.release().await;
    }

    async fn keep(&mut self, leadership: &watch::Sender<Leadership>) {
        loop {
            let started = Instant::now();
            let next = match timeout(self.ttl / 6, self.attempt()).await {
                Ok(Ok(Attempt::Held)) => {
                    let until = started + self.ttl * 2 / 3;
                    let before = leadership.send_replace(Leadership { until: Some(until), always: false });
                    if !before.is_held() {
                        tracing::info!(holder = %self.me, "leading");
                    }
                    started + self.renew()
                }
                Ok(Ok(Attempt::Others(free))) => {
                    leadership.send_replace(Leadership::default());
                    free.min(started + self.renew()).max(Instant::now() + self.ttl / 10)
                }
                Ok(Err(error)) => self.missed(&error.to_string()),
                Err(_) => self.missed("no answer in time"),
            };
            tokio::time::sleep_until(next.max(Instant::now())).await;
        }
    }

    fn missed(&mut self, error: &str) -> Instant {
        tracing::warn!(error, "the lease could not be read or renewed");
        self.held = None;
        Instant::now() + self.ttl / 10
    }

    fn renew(&self) -> Duration {
        self.ttl / 3
    }

    async fn attempt(&mut self) -> kube::Result<Attempt> {
        let now = MicroTime(jiff::Timestamp::now());
        if let Some(mut lease) = self.held.clone() {
            if let Some(spec) = &mut lease.spec {
                spec.renew_time = Some(now.clone());
            }
            if self.put(&lease).await? {
                return Ok(Attempt::Held);
            }
            self.held = None;
        }
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
            let lease = Lease { metadata, spec: Some(self.spec(now.clone(), now, 0)) };
            return Ok(match self.api.create(&PostParams::default(), &lease).await {
                Ok(created) => self.won(created),
                Err(kube::Error::Api(s)) if s.is_already_exists() => Attempt::Others(Instant::now()),
                Err(e) => return Err(e),
            });
        };
        let spec = lease.spec.take().unwrap_or_default();
        let mine = spec.holder_identity.as_deref() == Some(self.me.as_str());
        let vacant = spec.holder_identity.as_deref().unwrap_or("").is_empty();
        let free = self.free_at(&lease, &spec);
        if !(mine || vacant || Instant::now() > free) {
            return Ok(Attempt::Others(free));
        }
        let acquired = if mine { spec.acquire_time } else { None }.unwrap_or_else(|| now.clone());
        let transitions = spec.lease_transitions.unwrap_or(0).saturating_add(i32::from(!mine));
        lease.spec = Some(self.spec(acquired, now, transitions));
        Ok(if self.put(&lease).await? { Attempt::Held } else { Attempt::Others(Instant::now()) })
    }

    /// When somebody else's lease will have stood unchanged for its whole length.
    fn free_at(&mut self, lease: &Lease, spec: &LeaseSpec) -> Instant {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let length = match spec.lease_duration_seconds.unwrap_or(0) {
            s @ 1.. => Duration::from_secs(u64::from(s.unsigned_abs())),
            _ => self.ttl,
        };
        match &self.seen {
            Some((v, at)) if *v == version => *at + length,
            _ => {
                let now = Instant::now();
                self.seen = Some((version, now));
                now + length
            }
        }
    }

    /// The resourceVersion in `lease` turns a concurrent writer into a 409, which is `false`.
    async fn put(&mut self, lease: &Lease) -> kube::Result<bool> {
        match self.api.replace(&self.name, &PostParams::default(), lease).await {
            Ok(stored) => {
                self.won(stored);
                Ok(true)
            }
            Err(kube::Error::Api(s)) if s.is_conflict() || s.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn won(&mut self, stored: Lease) -> Attempt {
        self.held = Some(stored);
        self.seen = None;
        Attempt::Held
    }

    async fn release(&mut self) {
        let Some(held) = self.held.take() else { return };
        match timeout(Duration::from_secs(2), self.give_up(held)).await {
            Ok(Ok(())) => tracing::info!("lease released"),
            _ => tracing::warn!("the lease could not be released; it runs out by itself"),
        }
    }

    async fn give_up(&self, mut lease: Lease) -> kube::Result<()> {
        // A renewal that was cut off may have been stored: its version is read then, once.
        for last in [false, true] {
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.lease_duration_seconds = Some(1);
            }
            match self.api.replace(&self.name, &PostParams::default(), &lease).await {
                Err(kube::Error::Api(s)) if s.is_conflict() && !last => lease = self.api.get(&self.name).await?,
                other => return other.map(drop),
            }
            let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.as_deref());
            if holder != Some(self.me.as_str()) {
                break;
            }
        }
        Ok(())
    }

    fn spec(&self, acquired: MicroTime, renewed: MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            acquire_time: Some(acquired),
            renew_time: Some(renewed),
            lease_duration_seconds: i32::try_from(self.ttl.as_secs()).ok(),
            lease_transitions: Some(transitions),
            ..Default::default()
        }
    }
}

/// Waits until leadership is held.
pub async fn held(leadership: &mut watch::Receiver<Leadership>) {
    while !leadership.borrow_and_update().is_held() {
        if leadership.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits until leadership is not held any more, be it by its deadline.
pub async fn lost(leadership: &mut watch::Receiver<Leadership>) {
    loop {
        let now = *leadership.borrow_and_update();
        if !now.is_held() {
            return;
        }
        let end = async {
            match now.until() {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = leadership.changed() => if changed.is_err() { sleep(Duration::from_millis(50)).await },
            () = end => {}
        }
    }
}

/// With something random behind it, so that a restart in place is somebody else.
fn unique(name: Option<String>) -> String {
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "tidegate".to_owned());
    let mut random = std::collections::hash_map::RandomState::new().build_hasher();
    random.write_u32(std::process::id());
    format!("{name}_{:016x}", random.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leadership_ends_by_itself() {
        let (tx, mut rx) = watch::channel(Leadership::default());
        assert!(!rx.borrow().is_held());
        let until = Instant::now() + Duration::from_millis(300);
        tx.send_replace(Leadership { until: Some(until), always: false });
        held(&mut rx).await;
        timeout(Duration::from_secs(30), lost(&mut rx)).await.unwrap();
        assert!(Instant::now() >= until && !rx.borrow().is_held());
    }

    #[test]
    fn two_processes_of_one_host_are_two() {
        assert_ne!(unique(None), unique(None));
    }
}

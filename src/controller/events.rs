//! Telling the cluster what a stored status announced, as Events.
//!
//! An Event never holds up or fails a reconcile. Its name is part of the status, so publishing twice is publishing once;
//! and it stays in the status until it is published, so that a crash loses none of a Release that is still there.

use crate::api::status::Announcement;
use crate::api::time::{Duration as Length, Time};
use crate::api::{NsName, Release};
use crate::rollout::ReleaseView;
use crate::telemetry::{EventOutcome, Metrics};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

/// Where reconciles leave announcements.
#[derive(Clone)]
pub(super) struct Events {
    queue: mpsc::Sender<Event>,
    /// Names of those that are in the queue or under way.
    unpublished: Unpublished,
    metrics: Arc<Metrics>,
    instance: String,
}

type Unpublished = Arc<Mutex<BTreeSet<String>>>;

/// More announcements than this may not wait; a controller that cannot publish must not grow.
const WAITING: usize = 4096;
/// Announcements in one status, beside those of its own transition: the latest.
const KEPT: usize = 16;
/// After a start, announcements younger than this are published again.
const FRESH: Length = Length::from_secs(3600);
/// Tries and their distance.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(2);
/// The API server's limits.
const NOTE: usize = 1024;
const INSTANCE: usize = 128;

impl Events {
    /// The task publishes until every [`Events`] is dropped.
    pub(super) fn start(client: Client, metrics: Arc<Metrics>, instance: &str) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, queued) = mpsc::channel(WAITING);
        let unpublished = Unpublished::default();
        let task = tokio::spawn(publish(client, metrics.clone(), queued, unpublished.clone()));
        (Self { queue, unpublished, metrics, instance: cut(instance, INSTANCE) }, task)
    }

    /// What a status that is about to be stored announces: `next`, and what the one `before` did and is not published yet.
    pub(super) fn kept(&self, before: &[Announcement], next: &[Announcement]) -> Vec<Announcement> {
        let unpublished = lock(&self.unpublished);
        let old = before.iter().filter(|a| next.iter().all(|n| n.name != a.name) && unpublished.contains(&a.name));
        let mut kept: Vec<_> = old.cloned().collect();
        kept.drain(..kept.len().saturating_sub(KEPT));
        kept.extend_from_slice(next);
        kept
    }

    /// Publishes what `after` announces and `before` did not.
    pub(super) fn announce(&self, of: &ReleaseView, before: &[Announcement]) {
        let new = of.status.announced.iter().filter(|a| before.iter().all(|b| b.name != a.name));
        for announcement in new {
            self.metrics.announced(announcement.reason);
            self.send(of, announcement);
        }
    }

    /// Publishes what may have been lost in a crash between the status and its events.
    pub(super) fn announce_again(&self, of: &ReleaseView, now: Time) {
        of.status.announced.iter().filter(|a| fresh(a.at, now)).for_each(|a| self.send(of, a));
    }

    fn send(&self, of: &ReleaseView, announcement: &Announcement) {
        lock(&self.unpublished).insert(announcement.name.clone());
        if self.queue.try_send(event(of, announcement, &self.instance)).is_err() {
            lock(&self.unpublished).remove(&announcement.name);
            self.metrics.event(EventOutcome::Dropped);
        }
    }
}

/// Whether an announcement of `at` is still worth an event.
pub(super) fn fresh(at: Time, now: Time) -> bool {
    now.since(at) < FRESH
}

async fn publish(client: Client, metrics: Arc<Metrics>, mut queue: mpsc::Receiver<Event>, unpublished: Unpublished) {
    while let Some(event) = queue.recv().await {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), namespace);
        let outcome = create(&api, &event).instrument(span(&event)).await;
        metrics.event(outcome);
        if let Some(name) = &event.metadata.name {
            lock(&unpublished).remove(name);
        }
    }
}

fn lock(unpublished: &Unpublished) -> MutexGuard<'_, BTreeSet<String>> {
    unpublished.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which Release and rollout the announcement speaks of: its name says so, see [`Announcement`].
fn span(event: &Event) -> tracing::Span {
    let name = event.metadata.name.as_deref().unwrap_or_default();
    let of = event.regarding.clone().unwrap_or_default();
    let release = NsName::new(of.namespace.unwrap_or_default(), of.name.unwrap_or_default());
    tracing::info_span!("announce", %release, rollout = name.rsplit('.').nth(1))
}

async fn create(api: &Api<Event>, event: &Event) -> EventOutcome {
    for attempt in 1..=TRIES {
        let error = match timeout(Duration::from_secs(5), api.create(&PostParams::default(), event)).await {
            Ok(Ok(_)) => return EventOutcome::Published,
            Ok(Err(kube::Error::Api(s))) if s.is_already_exists() => return EventOutcome::Known,
            // Nobody mends these by waiting a few seconds: a right that is missing, a namespace that ends.
            Ok(Err(kube::Error::Api(s))) if (400..500).contains(&s.code) && s.code != 429 => {
                tracing::warn!(event = ?event.metadata.name, error = %s, "an event was refused");
                return EventOutcome::Failed;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::debug!(event = ?event.metadata.name, error, attempt, "an event was not published");
        sleep(BETWEEN * attempt).await;
    }
    EventOutcome::Failed
}

fn event(of: &ReleaseView, announcement: &Announcement, instance: &str) -> Event {
    let NsName { namespace, name } = &of.name;
    Event {
        metadata: ObjectMeta {
            name: Some(announcement.name.clone()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(announcement.at.timestamp())),
        type_: Some(if announcement.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(announcement.reason.to_string()),
        action: Some(action(of)),
        note: Some(cut(&announcement.note, NOTE)),
        reporting_controller: Some(crate::api::GROUP.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(Release::api_version(&()).into_owned()),
            kind: Some(Release::kind(&()).into_owned()),
            namespace: Some(namespace.clone()),
            name: Some(name.clone()),
            uid: Some(of.uid.clone()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

/// What the controller was doing, as the phase says it.
fn action(of: &ReleaseView) -> String {
    of.status.phase.map_or_else(|| "Reconcile".to_owned(), |phase| format!("{phase:?}"))
}

/// At most `max` bytes, cut between characters.
fn cut(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    fn announced(n: usize) -> Announcement {
        let at = Time::from_millis(0);
        Announcement { name: format!("event-{n}"), at, warning: false, reason: Reason::Verified, note: String::new() }
    }

    #[test]
    fn what_is_not_published_yet_stays_within_bounds() {
        let unpublished = Unpublished::default();
        lock(&unpublished).extend((1..40).map(|n| announced(n).name));
        let (queue, metrics) = (mpsc::channel(1).0, Arc::new(Metrics::new()));
        let events = Events { queue, unpublished, metrics, instance: String::new() };
        let [published, waits, new] = [0, 1, 50].map(announced);
        let before = [published, waits.clone()];
        assert_eq!(events.kept(&before, std::slice::from_ref(&new)), [waits.clone(), new.clone()]);
        assert_eq!(events.kept(&before, &before), before, "nothing is new");
        let many: Vec<_> = (1..40).map(announced).collect();
        let kept = events.kept(&many, std::slice::from_ref(&new));
        assert_eq!((kept.len(), &kept[0], kept.last()), (KEPT + 1, &announced(40 - KEPT), Some(&new)), "the latest");
    }

    #[test]
    fn notes_are_cut_between_characters() {
        assert_eq!(cut("tide", 10), "tide");
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut(&"ä".repeat(600), NOTE).len(), 1024);
    }
}

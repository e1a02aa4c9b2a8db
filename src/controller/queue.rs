//! Which Release to look at next.
//!
//! Each Release stands here at most once, is never handed out twice at the same time, and loses no trigger that arrives
//! while it is being worked on.

use crate::api::NsName;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// A Release to look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) name: NsName,
    /// A workload or pod of it changed since the last look.
    pub(super) touched: bool,
    /// How long it was due before it was handed out.
    pub(super) waited: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    order: BTreeSet<(Instant, NsName)>,
    items: HashMap<NsName, Item>,
}

#[derive(Debug, Default)]
struct Item {
    due: Option<Instant>,
    /// When the last look began, as long as another one is asked for.
    last: Option<Instant>,
    touched: bool,
    running: bool,
}

/// Changes of workloads and pods within this time are one look.
const GATHER: Duration = Duration::from_millis(30);
/// Looks that such changes ask for begin at least this far apart: a Deployment of many pods changes all the time.
const APART: Duration = Duration::from_millis(150);

impl Queue {
    /// Asks for a look at `due`, or earlier if one is already asked for.
    pub(super) fn add(&self, name: &NsName, due: Instant, touched: bool) {
        let mut inner = self.lock();
        let item = inner.items.entry(name.clone()).or_default();
        item.touched |= touched;
        let earlier = item.due.is_none_or(|d| due < d);
        let (before, running) = (item.due, item.running);
        if !earlier {
            return;
        }
        item.due = Some(due);
        if running {
            return;
        }
        if let Some(before) = before {
            inner.order.remove(&(before, name.clone()));
        }
        inner.order.insert((due, name.clone()));
        let first = inner.order.first().is_some_and(|(_, n)| n == name);
        drop(inner);
        if first {
            self.changed.notify_one();
        }
    }

    /// Asks for a look because a workload or pod of it changed.
    pub(super) fn touch(&self, name: &NsName) {
        self.touch_at(name, Instant::now());
    }
    fn touch_at(&self, name: &NsName, now: Instant) {
        let soon = now + GATHER;
        let last = self.lock().items.get(name).and_then(|i| i.last);
        self.add(name, last.map_or(soon, |last| soon.max(last + APART)), true);
    }

    /// The next Release that is due; waits until there is one. It must be given back by [`Self::done`].
    pub(super) async fn next(&self) -> Job {
        loop {
            let wait = match self.take(Instant::now()) {
                Ok(job) => return job,
                Err(next) => next,
            };
            let changed = self.changed.notified();
            match wait {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }

    /// Ends a look; `again` is when to look although nothing happened.
    pub(super) fn done(&self, name: &NsName, again: Option<Instant>) {
        let mut inner = self.lock();
        let Some(item) = inner.items.get_mut(name) else { return };
        item.running = false;
        item.due = [item.due, again].into_iter().flatten().min();
        match item.due {
            Some(due) => drop(inner.order.insert((due, name.clone()))),
            None => drop(inner.items.remove(name)),
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Forgets every trigger, of those that are being looked at too.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.order.clear();
        inner.items.retain(|_, item| {
            item.due = None;
            item.running
        });
    }

    /// How many Releases are due, and for how long the oldest of them.
    pub(super) fn overdue(&self) -> (usize, Duration) {
        let now = Instant::now();
        let inner = self.lock();
        let due = inner.order.iter().take_while(|(at, _)| *at <= now).count();
        let oldest = inner.order.first().map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at));
        (due, oldest)
    }

    fn take(&self, now: Instant) -> Result<Job, Option<Instant>> {
        let mut inner = self.lock();
        match inner.order.first() {
            Some((at, _)) if *at <= now => {}
            other => return Err(other.map(|(at, _)| *at)),
        }
        let Some((due, name)) = inner.order.pop_first() else { return Err(None) };
        let item = inner.items.entry(name.clone()).or_default();
        item.running = true;
        item.last = Some(now);
        item.due = None;
        let touched = std::mem::take(&mut item.touched);
        Ok(Job { name, touched, waited: now - due })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: &str) -> NsName {
        NsName::new("shop", n)
    }
    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn many_triggers_are_one_look_at_the_earliest_time() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(&name("a"), now + secs(9), false);
        queue.add(&name("a"), now + secs(2), true);
        queue.add(&name("a"), now + secs(5), false);
        assert_eq!(queue.take(now), Err(Some(now + secs(2))));
        let job = queue.take(now + secs(3)).unwrap();
        assert_eq!(job, Job { name: name("a"), touched: true, waited: secs(1) });
        queue.done(&name("a"), None);
        assert_eq!(queue.take(now + secs(3600)), Err(None));
    }

    #[test]
    fn never_handed_out_twice_at_once_and_no_trigger_is_lost() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(&name("a"), now, false);
        queue.take(now).unwrap();
        queue.add(&name("a"), now, true);
        assert_eq!(queue.take(now + secs(3600)), Err(None));
        queue.done(&name("a"), Some(now + secs(60)));
        assert!(queue.take(now).unwrap().touched);
        queue.done(&name("a"), Some(now + secs(60)));
        assert_eq!(queue.take(now + secs(59)), Err(Some(now + secs(60))));
        assert!(!queue.take(now + secs(60)).unwrap().touched);
    }

    #[test]
    fn changes_of_many_pods_are_few_looks() {
        let (queue, start) = (Queue::default(), Instant::now());
        let mut looks = 0;
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            queue.touch_at(&name("a"), now);
            if let Ok(job) = queue.take(now) {
                looks += 1;
                queue.done(&job.name, Some(now + secs(60)));
            }
        }
        assert!((19..=21).contains(&looks), "{looks} looks in 3 s");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_an_earlier_trigger() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.add(&name("late"), Instant::now() + secs(3600), false);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next().await.name }
        });
        tokio::task::yield_now().await;
        queue.add(&name("soon"), Instant::now() + Duration::from_millis(5), false);
        assert_eq!(tokio::time::timeout(secs(30), waiting).await.unwrap().unwrap(), name("soon"));
    }

    #[test]
    fn a_replica_that_waits_keeps_no_triggers() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(&name("running"), now, false);
        queue.take(now).unwrap();
        queue.add(&name("running"), now, true);
        (0..1000).for_each(|i| queue.add(&name(&format!("preview-{i}")), now, false));
        queue.clear();
        assert_eq!((queue.take(now + secs(3600)), queue.lock().items.len()), (Err(None), 1));
        queue.done(&name("running"), None);
        assert_eq!((queue.take(now + secs(3600)), queue.lock().items.len()), (Err(None), 0));
    }

    #[test]
    fn what_is_due_is_counted_and_what_is_at_rest_is_forgotten() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(&name("a"), now - secs(3), false);
        queue.add(&name("b"), now + secs(100), false);
        let (due, oldest) = queue.overdue();
        assert!(due == 1 && oldest >= secs(3), "{due} {oldest:?}");
        let job = queue.take(now).unwrap();
        queue.done(&job.name, None);
        assert_eq!(queue.overdue(), (0, Duration::ZERO));
        assert_eq!(queue.lock().items.len(), 1);
    }
}

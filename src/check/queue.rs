//! Which rounds wait, run and are done: the book that the pool keeps. Pure; starts nothing itself.
//!
//! Namespaces take turns, and each may only have so many rounds running, so that nobody's black holes starve another.

use crate::api::NsName;
use crate::api::ask::{Ask, AskId, AskResult};
use futures::stream::AbortHandle;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Finished results that one Release may leave lying; the oldest go first.
const MOST_RESULTS: usize = 128;

/// Names one start of one round: an id that was cancelled and asked again is another run.
pub(super) type Run = u64;

#[derive(Default)]
pub(super) struct Queue {
    releases: HashMap<NsName, BTreeMap<AskId, Entry>>,
    /// By namespace, in order of arrival.
    waiting: HashMap<String, VecDeque<(NsName, AskId)>>,
    /// Namespaces with something waiting; the front one is next.
    turns: VecDeque<String>,
    running: HashMap<String, usize>,
    total: usize,
    last_run: Run,
}

enum Entry {
    Waiting(Arc<Ask>),
    Running(Run, AbortHandle),
    Done(Box<AskResult>),
}

/// A round that was given a place and must now be run.
pub(super) struct Job {
    pub run: Run,
    pub ask: Arc<Ask>,
    pub release: NsName,
}

impl Queue {
    /// Queues what is missing, cancels the other unfinished ones of this Release. Finished results stay.
    pub(super) fn ensure(&mut self, release: &NsName, asks: &[Ask]) {
        if let Some(entries) = self.releases.get_mut(release) {
            entries.retain(|id, entry| {
                matches!(entry, Entry::Done(_)) || asks.iter().any(|a| a.id == *id) || entry.cancel()
            });
        }
        for ask in asks {
            let entries = self.releases.entry(release.clone()).or_default();
            if entries.contains_key(&ask.id) {
                continue;
            }
            entries.insert(ask.id.clone(), Entry::Waiting(Arc::new(ask.clone())));
            let line = self.waiting.entry(release.namespace.clone()).or_default();
            if line.is_empty() {
                self.turns.push_back(release.namespace.clone());
            }
            line.push_back((release.clone(), ask.id.clone()));
        }
        self.tidy(release);
    }

    pub(super) fn results(&self, release: &NsName) -> Vec<AskResult> {
        let entries = self.releases.get(release).into_iter().flat_map(BTreeMap::values);
        entries.filter_map(|e| if let Entry::Done(result) = e { Some((**result).clone()) } else { None }).collect()
    }

    /// Takes these away: a result, or a round that is still under way.
    pub(super) fn forget(&mut self, release: &NsName, ids: &[AskId]) {
        if let Some(entries) = self.releases.get_mut(release) {
            entries.retain(|id, entry| !ids.contains(id) || entry.cancel());
        }
        self.tidy(release);
    }

    pub(super) fn drop_release(&mut self, release: &NsName) {
        for entry in self.releases.remove(release).iter_mut().flat_map(BTreeMap::values_mut) {
            entry.cancel();
        }
        self.tidy(release);
    }

    /// Takes the next round that may start, with the handle's other end left in the book.
    pub(super) fn start(&mut self, most: usize, most_per_namespace: usize, abort: &AbortHandle) -> Option<Job> {
        if self.total >= most {
            return None;
        }
        for _ in 0..self.turns.len() {
            let namespace = self.turns.pop_front()?;
            if self.running.get(&namespace).copied().unwrap_or(0) >= most_per_namespace {
                self.turns.push_back(namespace);
                continue;
            }
            let job = self.next_of(&namespace, abort);
            if self.waiting.get(&namespace).is_some_and(VecDeque::is_empty) {
                self.waiting.remove(&namespace);
            } else {
                self.turns.push_back(namespace.clone());
            }
            if let Some(job) = job {
                *self.running.entry(namespace).or_default() += 1;
                self.total += 1;
                return Some(job);
            }
        }
        None
    }

    /// Gives the place back, and keeps the result if somebody still wants it. Returns whether it was kept.
    pub(super) fn finish(&mut self, job: &Job, result: Option<AskResult>) -> bool {
        self.total = self.total.saturating_sub(1);
        if let Some(running) = self.running.get_mut(&job.release.namespace) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running.remove(&job.release.namespace);
            }
        }
        let Some(entries) = self.releases.get_mut(&job.release) else { return false };
        let Some(entry) = entries.get_mut(&job.ask.id).filter(|entry| entry.is(job.run)) else { return false };
        let Some(result) = result else {
            entries.remove(&job.ask.id);
            return false;
        };
        *entry = Entry::Done(Box::new(result));
        bound(entries);
        true
    }

    fn next_of(&mut self, namespace: &str, abort: &AbortHandle) -> Option<Job> {
        let line = self.waiting.get_mut(namespace)?;
        while let Some((release, id)) = line.pop_front() {
            let Some(entry) = self.releases.get_mut(&release).and_then(|entries| entries.get_mut(&id)) else {
                continue;
            };
            if let Entry::Waiting(ask) = entry {
                self.last_run += 1;
                let job = Job { run: self.last_run, ask: ask.clone(), release };
                *entry = Entry::Running(self.last_run, abort.clone());
                return Some(job);
            }
        }
        None
    }

    /// After entries were taken away: what is gone waits no more.
    fn tidy(&mut self, release: &NsName) {
        let entries = self.releases.get(release);
        if let Some(line) = self.waiting.get_mut(&release.namespace) {
            line.retain(|(whose, id)| whose != release || entries.is_some_and(|e| e.contains_key(id)));
            if line.is_empty() {
                self.waiting.remove(&release.namespace);
                self.turns.retain(|turn| *turn != release.namespace);
            }
        }
        if self.releases.get(release).is_some_and(BTreeMap::is_empty) {
            self.releases.remove(release);
        }
    }
}

impl Entry {
    /// Always false: what was cancelled is not kept.
    fn cancel(&mut self) -> bool {
        if let Self::Running(_, abort) = self {
            abort.abort();
        }
        false
    }
    fn is(&self, run: Run) -> bool {
        matches!(self, Self::Running(mine, _) if *mine == run)
    }
}

fn bound(entries: &mut BTreeMap<AskId, Entry>) {
    let done = |(id, entry): (&AskId, &Entry)| match entry {
        Entry::Done(result) => Some((result.at, id.clone())),
        _ => None,
    };
    let mut done: Vec<_> = entries.iter().filter_map(done).collect();
    done.sort();
    for (_, id) in done.iter().take(done.len().saturating_sub(MOST_RESULTS)) {
        entries.remove(id);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

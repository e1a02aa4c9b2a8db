//! Which fault strikes when: counted over all processes of a run.

use crate::plan::{Class, Fault, Kind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By so many statuses an API server lags behind.
const LAG: usize = 3;

/// The plan of one run as its proxies carry it out.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    armed: bool,
    faults: Vec<Fault>,
    counts: BTreeMap<Class, u32>,
    struck: Vec<Fault>,
    /// How the next requests for such a watch are answered, and how many.
    refusals: BTreeMap<Class, (Kind, u32)>,
    /// What the controller sent that it must never send.
    wrong: Vec<String>,
    /// Revisions of stored statuses, from the last one before the play began.
    stored: Vec<u64>,
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        Self(Mutex::new(State { faults: faults.to_vec(), ..State::default() }))
    }

    /// From now on it is counted, and faults strike.
    pub(crate) fn arm(&self) {
        let mut state = self.lock();
        state.armed = true;
        let before = state.stored.len().saturating_sub(1);
        state.stored.drain(..before);
    }

    /// Faults end: whatever comes must come to its end now.
    pub(crate) fn disarm(&self) {
        self.lock().armed = false;
    }

    /// How many there were of each class.
    pub(crate) fn counts(&self) -> BTreeMap<Class, u32> {
        self.lock().counts.clone()
    }

    /// Faults that came to pass at least once.
    pub(crate) fn struck(&self) -> usize {
        let state = self.lock();
        state.faults.iter().filter(|f| state.struck.contains(f)).count()
    }

    /// Events that were refused for good: the API server said that it has them (409), or will not have them (422).
    pub(crate) fn refused_events(&self) -> usize {
        let refused = |f: &&Fault| f.on == Class::Event && matches!(f.kind, Kind::Conflict | Kind::Invalid);
        self.lock().struck.iter().filter(refused).count()
    }

    /// What was sent without the lease.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    pub(super) fn accuse(&self, what: String) {
        self.lock().wrong.push(what);
    }

    /// Counts one of this class; what is to happen to it.
    pub(super) fn strike(&self, on: Class) -> Option<Fault> {
        let mut state = self.lock();
        if !state.armed {
            return None;
        }
        let count = state.counts.entry(on).or_default();
        *count += 1;
        let count = *count;
        let fault = state.faults.iter().find(|f| f.hits(on, count)).copied()?;
        if !fault.kind.may_be_nothing() {
            state.struck.push(fault);
        }
        Some(fault)
    }

    /// What might have been nothing was seen to be something.
    pub(super) fn came(&self, fault: Fault) {
        self.lock().struck.push(fault);
    }

    /// A status was stored: the answer to that.
    pub(super) fn stored(&self, answer: &[u8]) {
        let object: Value = serde_json::from_slice(answer).unwrap_or_default();
        let revision = object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok());
        self.lock().stored.extend(revision);
    }

    /// Revisions at which a lagging API server may stand: some statuses ago, then ever further back, to when it began.
    pub(super) fn earlier(&self) -> Vec<u64> {
        let state = self.lock();
        let last = state.stored.len().saturating_sub(1 + LAG);
        let steps = (0..=last).rev().step_by(LAG).chain([0]);
        steps.filter_map(|n| state.stored.get(n).copied()).collect()
    }

    pub(super) fn refuse(&self, on: Class, kind: Kind, times: u32) {
        self.lock().refusals.insert(on, (kind, times));
    }

    /// What is to happen to a request for this watch.
    pub(super) fn refusal(&self, on: Class) -> Option<Kind> {
        let mut state = self.lock();
        let (kind, left) = state.refusals.get_mut(&on)?;
        *left = left.checked_sub(1)?;
        Some(*kind)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

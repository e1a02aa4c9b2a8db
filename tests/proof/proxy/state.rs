//! Which fault strikes when: counted over all processes of a run.

use crate::plan::{Class, Fault, Kind};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        Self(Mutex::new(State { faults: faults.to_vec(), ..State::default() }))
    }

    /// From now on it is counted, and faults strike.
    pub(crate) fn arm(&self) {
        self.lock().armed = true;
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
        state.struck.push(fault);
        Some(fault)
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

//! What goes wrong between the caller and ECS, and when.

use super::error::Refusal;
use super::record::is_write;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Which calls: of an operation, about something, from the nth on, so many of them.
#[derive(Clone, Debug, Default)]
pub struct On {
    op: Option<String>,
    about: Option<String>,
    skip: usize,
    times: Option<usize>,
    within: Option<Duration>,
}

impl On {
    pub fn any() -> Self {
        Self::default()
    }

    pub fn op(op: &str) -> Self {
        Self { op: Some(op.to_owned()), ..Self::default() }
    }

    /// Only calls whose body has this text.
    pub fn about(self, text: &str) -> Self {
        Self { about: Some(text.to_owned()), ..self }
    }

    /// Not the first `n` of them.
    pub fn skip(self, n: usize) -> Self {
        Self { skip: n, ..self }
    }

    /// Then only so many of them. Without this: all.
    pub fn times(self, n: usize) -> Self {
        Self { times: Some(n), ..self }
    }

    /// And only so long after the call that a stale read waits for. Without this: however late.
    pub fn within(self, time: Duration) -> Self {
        Self { within: Some(time), ..self }
    }

    pub fn once(self) -> Self {
        self.times(1)
    }
}

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Refused before anything has happened.
    Refuse(Refusal),
    /// AccessDeniedException in the words of IAM.
    Deny,
    /// Carried out, and then answered like this.
    DoneBut(Refusal),
    /// Never arrives: the connection is closed.
    Lost,
    /// Carried out; the connection is closed without an answer.
    AnswerLost,
    /// Carried out; nobody answers, and the connection stays open.
    Silence,
    /// Reads the state from before the last call of this operation. Counts only once there was one since the rule was
    /// made; a write is carried out as ever.
    Stale(&'static str),
    /// The answer is changed: an unknown state, a missing field.
    Rewrite(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Waits at this gate before it is carried out. A caller that ends meanwhile has never called, and no rule has seen
    /// its call.
    HoldBefore(Gate),
    /// Carried out; the answer waits at this gate. Calls that never arrive are not counted.
    HoldAfter(Gate),
}

impl Fault {
    pub fn throttle() -> Self {
        Self::Refuse(Refusal::throttled())
    }

    pub fn server_error() -> Self {
        Self::Refuse(Refusal::server())
    }

    pub fn server_error_after() -> Self {
        Self::DoneBut(Refusal::server())
    }

    pub fn rewrite(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Rewrite(Arc::new(change))
    }
}

/// A point at which a call waits for the test.
#[derive(Clone)]
pub struct Gate {
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub fn new() -> Self {
        Self { waiting: watch::Sender::new(0), open: watch::Sender::new(false) }
    }

    /// Waits until a call waits here.
    pub async fn reached(&self) {
        let _ = self.waiting.subscribe().wait_for(|n| *n > 0).await;
    }

    /// Waits until none does: all have passed, or their callers have ended.
    pub async fn left(&self) {
        let _ = self.waiting.subscribe().wait_for(|n| *n == 0).await;
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        self.waiting.send_modify(|n| *n += 1);
        let _here = Here(self);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

/// A call at a gate. It leaves when the value is dropped, which happens too when its caller ends.
struct Here<'a>(&'a Gate);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|n| *n -= 1);
    }
}

struct Rule {
    on: On,
    fault: Fault,
    seen: usize,
    /// How many have waited before they were carried out.
    held: usize,
    /// When what it waits for was called.
    begun: Option<Instant>,
    /// Whether it has met a call.
    met: bool,
}

/// All rules, in the order in which they were made.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    pub fn add(&self, on: On, fault: Fault) {
        self.0.lock().unwrap().push(Rule { on, fault, seen: 0, held: 0, begun: None, met: false });
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The gate at which this call waits before it is carried out.
    pub(super) fn gate(&self, op: &str, body: &str) -> Option<Gate> {
        let mut rules = self.0.lock().unwrap();
        rules.iter_mut().find_map(|rule| {
            let Fault::HoldBefore(gate) = &rule.fault else { return None };
            let open = rule.on.times.is_some_and(|times| rule.held >= times);
            if open || !rule.on.means(op, body) || !rule.on.counts(rule.seen) {
                return None;
            }
            rule.held += 1;
            Some(gate.clone())
        })
    }

    /// What goes wrong with this call. `happened` tells whether a call of an operation was carried out before.
    pub(super) fn of(&self, op: &str, body: &str, happened: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut rules = self.0.lock().unwrap();
        let (holds, others): (Vec<_>, Vec<_>) = rules.iter_mut().partition(|rule| rule.holds());
        let mut faults: Vec<Fault> = others.into_iter().filter_map(|rule| rule.meets(op, body, &happened)).collect();
        if !faults.iter().any(|f| matches!(f, Fault::Lost)) {
            faults.extend(holds.into_iter().filter_map(|rule| rule.meets(op, body, &happened)));
        }
        faults
    }

    /// Whether each has met a call.
    pub fn all_met(&self) -> bool {
        self.0.lock().unwrap().iter().all(|rule| rule.met)
    }
}

impl On {
    fn means(&self, op: &str, body: &str) -> bool {
        self.op.as_deref().is_none_or(|wanted| wanted == op)
            && self.about.as_deref().is_none_or(|text| body.contains(text))
    }

    /// Whether the nth of them is meant.
    fn counts(&self, nth: usize) -> bool {
        nth >= self.skip && self.times.is_none_or(|times| nth < self.skip + times)
    }
}

impl Rule {
    fn holds(&self) -> bool {
        matches!(self.fault, Fault::HoldBefore(_) | Fault::HoldAfter(_))
    }

    fn meets(&mut self, op: &str, body: &str, happened: &impl Fn(&str) -> bool) -> Option<Fault> {
        if let Fault::Stale(after) = self.fault {
            self.begun = self.begun.or((after == op).then(Instant::now));
        }
        let early =
            matches!(self.fault, Fault::Stale(after) if is_write(op) || self.begun.is_none() || !happened(after));
        let late = self.begun.zip(self.on.within).is_some_and(|(at, time)| at.elapsed() > time);
        if early || late || !self.on.means(op, body) {
            return None;
        }
        let nth = self.seen;
        self.seen += 1;
        self.met |= self.on.counts(nth);
        self.on.counts(nth).then(|| self.fault.clone())
    }
}

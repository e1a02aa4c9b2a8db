//! What goes wrong between the caller and ECS, and when.

use super::error::Refusal;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Which calls: of an operation, about something, from the nth on, so many of them.
#[derive(Clone, Debug, Default)]
pub struct On {
    op: Option<String>,
    about: Option<String>,
    skip: usize,
    times: Option<usize>,
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
    /// Reads the state from before the last call of this operation. Counts only once there was one.
    Stale(&'static str),
    /// The answer is changed: an unknown state, a missing field.
    Rewrite(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Waits at this gate before it is carried out. A caller that ends meanwhile has never called.
    HoldBefore(Gate),
    /// Carried out; the answer waits at this gate.
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
}

/// All rules, in the order in which they were made.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    pub fn add(&self, on: On, fault: Fault) {
        self.0.lock().unwrap().push(Rule { on, fault, seen: 0 });
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What goes wrong with this call. `happened` tells whether a call of an operation was carried out before.
    pub(super) fn of(&self, op: &str, body: &str, happened: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut rules = self.0.lock().unwrap();
        rules.iter_mut().filter_map(|rule| rule.meets(op, body, &happened)).collect()
    }
}

impl Rule {
    fn meets(&mut self, op: &str, body: &str, happened: &impl Fn(&str) -> bool) -> Option<Fault> {
        let meant = self.on.op.as_deref().is_none_or(|wanted| wanted == op)
            && self.on.about.as_deref().is_none_or(|text| body.contains(text));
        let early = matches!(self.fault, Fault::Stale(after) if !happened(after));
        if !meant || early {
            return None;
        }
        let nth = self.seen;
        self.seen += 1;
        let within = self.on.times.is_none_or(|times| nth < self.on.skip + times);
        (nth >= self.on.skip && within).then(|| self.fault.clone())
    }
}

//! A watch on its way: its events may come late, twice, in another order, or not at all.

use super::Shared;
use super::answer;
use crate::plan::{Class, Fault, Kind};
use axum::body::{Body, Bytes};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use serde_json::{Value, json};
use std::io::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long events are held back.
const HELD: Duration = Duration::from_millis(1500);
/// How long nothing may hold the proxy up that waits for nothing.
const LONG: Duration = Duration::from_secs(3600);

type Out = UnboundedSender<Result<Bytes, Error>>;

struct Pump {
    shared: Arc<Shared>,
    class: Class,
    out: Out,
    /// Events to come later, why, and the objects that they are about.
    held: Vec<(Fault, String, Bytes)>,
    until: Option<Instant>,
    silent: bool,
}

pub(super) fn carry(shared: Arc<Shared>, class: Class, upstream: reqwest::Response) -> Body {
    let (out, stream) = unbounded();
    let pump = Pump { shared, class, out, held: Vec::new(), until: None, silent: false };
    tokio::spawn(pump.run(upstream));
    Body::from_stream(stream)
}

impl Pump {
    async fn run(mut self, mut upstream: reqwest::Response) {
        let mut rest = Vec::new();
        loop {
            let until = self.until.unwrap_or_else(|| Instant::now() + LONG);
            tokio::select! {
                () = sleep_until(until), if self.until.is_some() => self.flush(),
                chunk = upstream.chunk() => {
                    let Ok(Some(chunk)) = chunk else { break };
                    rest.extend_from_slice(&chunk);
                    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        if !self.line(line.into()) {
                            return;
                        }
                    }
                }
            }
            if self.out.is_closed() {
                return;
            }
        }
        if self.silent {
            // It never ends, for as long as somebody listens.
            while !self.out.is_closed() {
                tokio::time::sleep(HELD).await;
            }
        }
        self.flush();
    }

    /// Whether the watch goes on.
    fn line(&mut self, line: Bytes) -> bool {
        if self.silent {
            return true;
        }
        let event: Value = serde_json::from_slice(&line).unwrap_or_default();
        if event["type"] == "BOOKMARK" {
            self.send(line);
            return true;
        }
        let object = event["object"]["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        match self.shared.faults.strike(self.class) {
            None => {
                // What is coalesced never comes after a newer version of it.
                self.held.retain(|(why, other, _)| why.kind != Kind::Coalesce || *other != object);
                self.send(line);
                let swapped = self.held.iter().map(|(why, ..)| *why).filter(|why| why.kind == Kind::Swap);
                swapped.for_each(|why| self.shared.faults.came(why));
                self.flush();
            }
            Some(fault) => return self.fault(fault, object, line),
        }
        true
    }

    fn fault(&mut self, fault: Fault, object: String, line: Bytes) -> bool {
        match fault.kind {
            Kind::Drop => {}
            Kind::Twice => [line.clone(), line].into_iter().for_each(|l| self.send(l)),
            Kind::Swap => self.hold(fault, object, line),
            Kind::Coalesce => {
                self.held.retain(|(_, other, _)| *other != object);
                self.hold(fault, object, line);
            }
            Kind::HalfOpen => self.silent = true,
            Kind::GoneInStream => {
                let expired = json!({"type": "ERROR", "object": answer::status(410, "Expired")});
                self.send(format!("{expired}\n").into());
                return false;
            }
            Kind::Torn => {
                self.send(line.slice(..line.len() / 2));
                let _ = self.out.unbounded_send(Err(Error::other("the connection is closed")));
                return false;
            }
            // It ends, and the next ones are answered so.
            kind => {
                self.shared.faults.refuse(self.class, kind, fault.times);
                return false;
            }
        }
        true
    }

    fn hold(&mut self, why: Fault, object: String, line: Bytes) {
        self.held.push((why, object, line));
        self.until.get_or_insert(Instant::now() + HELD);
    }

    fn flush(&mut self) {
        self.until = None;
        for (_, _, line) in std::mem::take(&mut self.held) {
            self.send(line);
        }
    }

    fn send(&self, line: Bytes) {
        let _ = self.out.unbounded_send(Ok(line));
    }
}

//! Every call and its answer, for tests to read and for others to check.

use super::about::About;
use super::clock::At;
use super::standing::{self, Standing};
use super::world::World;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// One call, as it came and as it was answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// `ecs`, `sts`, `elasticloadbalancing` or `ecr`.
    pub service: &'static str,
    pub op: String,
    pub account: String,
    pub region: String,
    /// Who asked: the ARN behind the credentials.
    pub caller: String,
    pub at: At,
    /// The same by the machine's clock, which no test moves.
    pub real: jiff::Timestamp,
    /// The bodies, as they went over the wire.
    pub request: String,
    pub answer: String,
    pub status: u16,
    /// Whether it was carried out, whatever was answered.
    pub made: bool,
    /// False if the caller never saw the answer.
    pub delivered: bool,
    /// True if a test has changed the answer, so that it need not be one that AWS would give.
    pub doctored: bool,
    /// Of a write to ECS.
    pub about: About,
}

impl Call {
    /// The request as JSON; `null` where it is none.
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.request).unwrap_or_default()
    }

    /// True if something was changed by it.
    pub fn wrote(&self) -> bool {
        self.made && is_write(&self.op)
    }
}

/// True for operations that can change something.
pub fn is_write(op: &str) -> bool {
    !["Describe", "List", "AssumeRole", "Get", "BatchGet"].iter().any(|read| op.starts_with(read))
}

/// All calls, and the file that they are also written to.
#[derive(Default)]
pub struct Log {
    calls: Mutex<Vec<Call>>,
    standings: Mutex<Vec<Standing>>,
    file: Mutex<Option<File>>,
}

impl Log {
    /// Keeps a file below `dir` too: one line of JSON for each call.
    pub fn with_file(dir: Option<PathBuf>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let file = dir.map(|dir| {
            std::fs::create_dir_all(&dir).unwrap();
            let name = format!("{}-{}.jsonl", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            File::create(dir.join(name)).unwrap()
        });
        Self { calls: Mutex::default(), standings: Mutex::default(), file: Mutex::new(file) }
    }

    pub fn all(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn standings(&self) -> Vec<Standing> {
        self.standings.lock().unwrap().clone()
    }

    /// Notes how all services stand.
    pub(super) fn look(&self, world: &World) {
        let mut standings = self.standings.lock().unwrap();
        for region in world.regions.values() {
            let new = standing::new(&standings, region);
            standings.extend(new);
        }
    }

    /// How many there have been: an upper bound for `since`.
    pub fn len(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(super) fn add(&self, call: Call) {
        if let Some(file) = self.file.lock().unwrap().as_mut() {
            let line = json!({
                "service": call.service, "op": call.op, "account": call.account, "region": call.region,
                "at": call.at.as_secs_f64(), "request": call.request, "answer": call.answer, "status": call.status,
                "delivered": call.delivered, "doctored": call.doctored,
            });
            // One write each, so that a process that is killed leaves whole lines.
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        self.calls.lock().unwrap().push(call);
    }
}

//! Every decision's input as one JSON line, so that a bug seen in a cluster becomes a fixture.

use crate::api::time::Time;
use crate::rollout::{Observed, ReleaseView};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What one step was decided on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Recorded {
    pub release: ReleaseView,
    pub observed: Observed,
    pub now: Time,
}

#[derive(Serialize)]
struct Line<'a> {
    release: &'a ReleaseView,
    observed: &'a Observed,
    now: Time,
}

/// Appends to one file.
pub struct Recorder {
    file: Mutex<File>,
}

impl Recorder {
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// A line that cannot be written is lost, and said so: recording never stops a rollout.
    pub fn record(&self, release: &ReleaseView, observed: &Observed, now: Time) {
        if let Err(error) = self.write(&Line { release, observed, now }) {
            tracing::warn!(%error, "a decision was not recorded");
        }
    }

    fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text)
    }
}

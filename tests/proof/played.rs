//! What was played before by these very programs: with `PROOF=all` the plays take hours, and go on where they ended.
//!
//! Only what held is remembered. Whatever changes the controller or the plays begins a new file.

use crate::plan::Class;
use crate::run::Outcome;
use crate::support::cluster::repository;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

pub(crate) struct Played {
    /// By plan.
    before: BTreeMap<String, Value>,
    file: File,
}

impl Played {
    pub(crate) fn open() -> Self {
        let programs = [Path::new(env!("CARGO_BIN_EXE_tidegate")).to_owned(), std::env::current_exe().unwrap()];
        let mut hash = Sha256::new();
        programs.iter().for_each(|program| hash.update(fs::read(program).unwrap()));
        let name = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>();
        let dir = repository().join("target/proof");
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("played-{name}.jsonl"));
        // The last line may be half-written.
        let lines: Vec<Value> = fs::read_to_string(&path).unwrap_or_default().lines().filter_map(read).collect();
        let before = lines.into_iter().map(|v| (v["plan"].as_str().unwrap_or_default().to_owned(), v)).collect();
        Self { before, file: OpenOptions::new().create(true).append(true).open(path).unwrap() }
    }

    /// What came of it, if it held.
    pub(crate) fn outcome(&self, plan: &str) -> Option<Outcome> {
        let told = self.before.get(plan)?;
        let counts = told["counts"].as_object()?.iter();
        let counts = counts.map(|(class, n)| Some((class.parse::<Class>().ok()?, u32::try_from(n.as_u64()?).ok()?)));
        Some(Outcome {
            plan: plan.parse().ok()?,
            end: Ok(told["end"].as_str()?.to_owned()),
            counts: counts.collect::<Option<_>>()?,
            struck: told["struck"].as_bool()?,
            took: Duration::from_millis(told["millis"].as_u64()?),
        })
    }

    pub(crate) fn keep(&mut self, outcome: &Outcome) {
        let Ok(end) = &outcome.end else { return };
        let counts: BTreeMap<String, u32> = outcome.counts.iter().map(|(class, n)| (class.to_string(), *n)).collect();
        let told = json!({
            "plan": outcome.plan.to_string(), "end": end, "counts": counts, "struck": outcome.struck,
            "millis": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
        });
        writeln!(self.file, "{told}").unwrap();
    }
}

fn read(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

//! What was played before, of these very sources: with `PROOF=all` the plays take hours, and go on where they ended.
//!
//! What held is not played again. What was violated is, and is told of even if it holds then, until the file is a new
//! one: whatever changes the controller, the plays, what judges them or the control plane begins one. It means the same on
//! every machine, so a file from elsewhere may be laid into `target/proof`.

use crate::plan::Class;
use crate::run::Outcome;
use crate::support::cluster::repository;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// What a play depends on. Of `src` that is not the unit tests.
const SOURCES: [&str; 9] = [
    "src",
    "tests/proof",
    "tests/support",
    "tests/cluster",
    "tests/registry",
    "charts",
    "crds",
    "Cargo.toml",
    "Cargo.lock",
];

pub(crate) struct Played {
    /// What held, by plan.
    held: BTreeMap<String, Value>,
    /// What was ever violated.
    violated: BTreeSet<String>,
    file: File,
}

impl Played {
    pub(crate) fn open() -> Self {
        let dir = repository().join("target/proof");
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("played-{}.jsonl", at_start()));
        let (held, violated) = told(&fs::read_to_string(&path).unwrap_or_default());
        Self { held, violated, file: OpenOptions::new().create(true).append(true).open(path).unwrap() }
    }

    /// Whether it was violated at some time.
    pub(crate) fn violated(&self, plan: &str) -> bool {
        self.violated.contains(plan)
    }

    /// What came of it, if it held.
    pub(crate) fn outcome(&self, plan: &str) -> Option<Outcome> {
        let told = self.held.get(plan)?;
        let counts = told["counts"].as_object()?.iter();
        let counts = counts.map(|(class, n)| Some((class.parse::<Class>().ok()?, u32::try_from(n.as_u64()?).ok()?)));
        Some(Outcome {
            plan: plan.parse().ok()?,
            end: Ok(told["end"].as_str()?.to_owned()),
            counts: counts.collect::<Option<_>>()?,
            struck: told["struck"].as_bool()?,
            took: Duration::from_millis(told["millis"].as_u64()?),
            violated_before: self.violated(plan),
        })
    }

    /// Panics if the sources are not those that were there at the start: nobody knows then what was played.
    pub(crate) fn keep(&mut self, outcome: &Outcome) {
        assert!(
            sources() == at_start(),
            "the sources changed while they were played, so {} is not recorded: begin anew",
            outcome.plan
        );
        let plan = outcome.plan.to_string();
        let told = match &outcome.end {
            Err(why) => json!({"plan": plan, "violated": why.lines().next()}),
            Ok(end) => {
                let counts = outcome.counts.iter().map(|(class, n)| (class.to_string(), *n));
                json!({
                    "plan": plan, "end": end, "counts": counts.collect::<BTreeMap<_, _>>(), "struck": outcome.struck,
                    "millis": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
                })
            }
        };
        writeln!(self.file, "{told}").unwrap();
    }
}

/// What held at last, and what was ever violated. The last line may be half-written.
fn told(file: &str) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let (mut held, mut violated) = (BTreeMap::new(), BTreeSet::new());
    for told in file.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let plan = told["plan"].as_str().unwrap_or_default().to_owned();
        if told["end"].is_string() {
            held.insert(plan, told);
        } else {
            held.remove(&plan);
            violated.insert(plan);
        }
    }
    (held, violated)
}

/// What the sources were when this process first asked.
fn at_start() -> &'static str {
    static AT_START: OnceLock<String> = OnceLock::new();
    AT_START.get_or_init(sources)
}

fn sources() -> String {
    let mut hash = Sha256::new();
    SOURCES.iter().for_each(|source| add(&mut hash, repository(), Path::new(source)));
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Adds what is in the files at `path`, in the order of their names. What is built is not a source.
fn add(hash: &mut Sha256, root: &Path, path: &Path) {
    let whole = root.join(path);
    if whole.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let of_units = |name: &OsStr| path.starts_with("src") && (name == "tests" || name == "tests.rs");
        let kept = names.iter().filter(|name| !of_units(name) && *name != "bin");
        kept.for_each(|name| add(hash, root, &path.join(name)));
    } else if let Ok(text) = fs::read(&whole) {
        hash.update(path.to_string_lossy().as_bytes());
        hash.update(u64::try_from(text.len()).unwrap().to_be_bytes());
        hash.update(text);
    }
}

#[test]
fn what_was_violated_is_played_again_and_not_forgotten() {
    let (ill, well) = (r#"{"plan": "good", "violated": "why"}"#, r#"{"plan": "good", "end": "Verified"}"#);
    let known = |lines: &[&str]| {
        let (held, violated) = told(&lines.join("\n"));
        (held.contains_key("good"), violated.contains("good"))
    };
    assert_eq!(known(&[ill]), (false, true));
    assert_eq!(known(&[ill, well]), (true, true));
    assert_eq!(known(&[well, ill]), (false, true));
    assert_eq!(known(&[well, &ill[..9]]), (true, false), "half a line says nothing");
    assert_eq!(sources(), at_start());
}

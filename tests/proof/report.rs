//! The numbers of all sections, in `target/proof/report.md`.

use crate::run::Outcome;
use crate::support::cluster::repository;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static SECTIONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Writes what came of a section's runs.
pub(crate) fn section(name: &str, planned: usize, outcomes: &[Outcome], took: Duration) {
    let mut text = String::new();
    let writes = |o: &Outcome| o.counts.iter().filter(|(c, _)| c.writes()).map(|(_, n)| *n).sum::<u32>();
    let all: u32 = outcomes.iter().map(writes).sum();
    let (held, struck) =
        (outcomes.iter().filter(|o| o.end.is_ok()).count(), outcomes.iter().filter(|o| o.struck).count());
    let mended: Vec<_> = outcomes.iter().filter(|o| o.end.is_ok() && o.violated_before).collect();
    let _ = writeln!(
        text,
        "{} runs of {planned} in {} s; every fault came to pass in {struck}; {} violated, {} violated before and held now; {all} writes of the controller.\n",
        outcomes.len(),
        took.as_secs(),
        outcomes.len() - held,
        mended.len()
    );
    let _ = writeln!(
        text,
        "| play | runs | all faults came to pass | violated | writes | ends |\n|---|---|---|---|---|---|"
    );
    let mut plays = BTreeMap::<&str, Vec<&Outcome>>::new();
    outcomes.iter().for_each(|o| plays.entry(&o.plan.play).or_default().push(o));
    for (play, runs) in plays {
        let mut ends: Vec<_> =
            runs.iter().filter_map(|o| o.end.as_ref().ok()).map(|e| format!("`{}`", e.replace('|', "/"))).collect();
        ends.sort();
        ends.dedup();
        let struck = runs.iter().filter(|o| o.struck).count();
        let violated = runs.iter().filter(|o| o.end.is_err()).count();
        let writes: u32 = runs.iter().map(|o| writes(o)).sum();
        let _ = writeln!(text, "| {play} | {} | {struck} | {violated} | {writes} | {} |", runs.len(), ends.join(", "));
    }
    for o in outcomes.iter().filter(|o| o.end.is_err()) {
        let _ = writeln!(text, "\nViolated: `{}`", o.plan.replay());
    }
    for o in mended {
        let _ = writeln!(text, "\nViolated before, held now: `{}`", o.plan.replay());
    }
    note(name, text);
}

/// Writes a section of other form.
pub(crate) fn note(name: &str, text: String) {
    let mut sections = SECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    sections.insert(name.to_owned(), text);
    let whole: String = sections.iter().map(|(name, text)| format!("## {name}\n\n{text}\n")).collect();
    let dir = repository().join("target/proof");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("report.md"), format!("# What was played, and what came of it\n\n{whole}")).unwrap();
}

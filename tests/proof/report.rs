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
    let writes: u32 = outcomes.iter().flat_map(|o| &o.counts).filter(|(c, _)| c.writes()).map(|(_, n)| n).sum();
    let (held, struck) =
        (outcomes.iter().filter(|o| o.end.is_ok()).count(), outcomes.iter().filter(|o| o.struck).count());
    let _ = writeln!(
        text,
        "{} runs of {planned} in {} s; every fault came to pass in {struck}; {} violated; {writes} writes of the controller.\n",
        outcomes.len(),
        took.as_secs(),
        outcomes.len() - held
    );
    let _ = writeln!(text, "| play | runs | all faults came to pass | violated | ends |\n|---|---|---|---|---|");
    let mut plays = BTreeMap::<&str, Vec<&Outcome>>::new();
    outcomes.iter().for_each(|o| plays.entry(&o.plan.play).or_default().push(o));
    for (play, runs) in plays {
        let mut ends: Vec<_> =
            runs.iter().filter_map(|o| o.end.as_ref().ok()).map(|e| format!("`{}`", e.replace('|', "/"))).collect();
        ends.sort();
        ends.dedup();
        let struck = runs.iter().filter(|o| o.struck).count();
        let violated = runs.iter().filter(|o| o.end.is_err()).count();
        let _ = writeln!(text, "| {play} | {} | {struck} | {violated} | {} |", runs.len(), ends.join(", "));
    }
    for o in outcomes.iter().filter(|o| o.end.is_err()) {
        let _ = writeln!(text, "\nViolated: `{}`", o.plan.replay());
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

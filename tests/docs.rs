//! The pages that people write by hand keep up with the code, and with each other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate::api::Phase;
use tidegate::api::ask::Outcome;
use tidegate::api::effect::{Answer, Effect};
use tidegate::api::reason::Reason;
use tidegate::telemetry::{EventOutcome, Metrics};

#[test]
fn every_reason_has_its_paragraph_in_the_troubleshooting_page() {
    let page = fs::read_to_string("docs/troubleshooting.md").unwrap();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let missing: Vec<String> =
        Reason::ALL.iter().map(|e| e.0.to_string()).filter(|reason| !headings.contains(&reason.as_str())).collect();
    assert!(missing.is_empty(), "no paragraph about {missing:?}");
    let unknown: Vec<&&str> = headings.iter().filter(|h| Reason::ALL.iter().all(|e| e.0.to_string() != **h)).collect();
    assert!(unknown.is_empty(), "paragraphs about reasons that do not exist: {unknown:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") && !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_metric_stands_on_the_operations_page_and_no_other() {
    let encoded = used().encode().unwrap();
    let types = encoded.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split_once(' '));
    let real: BTreeSet<String> = types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .filter(|name| name != "tidegate_build")
        .collect();
    let page = fs::read_to_string("docs/operations.md").unwrap();
    let words = page.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let named: BTreeSet<String> =
        words.filter(|w| w.len() > 9 && w.starts_with("tidegate_")).map(str::to_owned).collect();
    assert_eq!(named, real);
}

/// With a sample of everything: a family without one is not shown.
fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.reconciled("work", Duration::ZERO, Duration::ZERO);
    metrics.entered(Phase::Rolling);
    metrics.announced(Reason::RolledBack);
    metrics.answered(&Effect::SetFinalizer, &Answer::Ambiguous { message: String::new() });
    metrics.counted(Outcome::Pass);
    metrics.event(EventOutcome::Published);
    metrics.watch_error("releases");
    metrics.requested("status", "ok", Duration::ZERO);
    let at = "2026-01-01T00:00:00Z";
    let stages = [json!({"name": "only", "targets": []})];
    let rollout = json!({"id": "1-1", "image": "registry.example/a:sha-1234567", "step": "Ended", "startedAt": at, "stages": stages});
    metrics.ended(&serde_json::from_value(rollout).unwrap(), Some(Phase::Verified));
    metrics
}

fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for dir in [".", "docs", "docs/reference"] {
        for entry in fs::read_dir(Path::new(dir)).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "md") {
                pages.push(entry.path());
            }
        }
    }
    pages
}

//! `tidegate replay`: the decisions of a recording, taken again by this version.

use crate::api::effect::Effect;
use crate::controller::record::Recorded;
use crate::rollout::{Decision, step};
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Recording made by `tidegate run --record FILE`.
    file: PathBuf,
    /// Print each decision whole, as one JSON line.
    #[arg(long)]
    json: bool,
}

/// Prints what would be decided on each line of the recording.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    let file = File::open(&args.file).with_context(|| format!("{}", args.file.display()))?;
    write_all(BufReader::new(file), args.json, &mut io::stdout().lock()).or_else(|e| {
        // Whoever reads our output may stop reading.
        let closed = e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe);
        if closed { Ok(()) } else { Err(e) }
    })
}

fn write_all(recording: impl BufRead, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    for (number, line) in recording.lines().enumerate() {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let read = || format!("line {} is no recorded decision of this version", number + 1);
        let recorded: Recorded = serde_json::from_str(&line).with_context(read)?;
        let decision = step(&recorded.release, &recorded.observed, recorded.now);
        if json {
            serde_json::to_writer(&mut *out, &decision)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", summary(&recorded, &decision))?;
        }
    }
    Ok(())
}

/// Time, Release, phase and step before and after, effect, message.
fn summary(recorded: &Recorded, decision: &Decision) -> String {
    let state = |status: &crate::api::ReleaseStatus| {
        let phase = status.phase.map_or_else(|| "-".to_owned(), |p| format!("{p:?}"));
        let step = status.rollout.as_ref().map_or_else(|| "-".to_owned(), |r| format!("{:?}", r.step));
        format!("{phase}/{step}")
    };
    let (before, after) = (state(&recorded.release.status), state(&decision.status));
    let moved = if recorded.release.status == decision.status { "= " } else { "-> " };
    let effect = match &decision.effect {
        None => String::new(),
        Some(Effect::Write(write)) => {
            let images: Vec<_> = write.images.iter().map(|i| i.image.to_string()).collect();
            format!("  writes {} {}", write.workload, images.join(", "))
        }
        Some(Effect::DeletePod(pod)) => format!("  deletes pod {}/{} of {}", pod.namespace, pod.pod, pod.workload),
        Some(other) => format!("  {other:?}"),
    };
    let message = decision.status.message.as_deref().unwrap_or_default();
    format!("{} {} {before} {moved}{after}{effect}  {message}", recorded.now, recorded.release.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> String {
        serde_json::json!({
            "release": {
                "name": {"namespace": "shop", "name": "checkout"}, "uid": "u", "generation": 1, "deleting": false,
                "finalizer": false, "annotations": {}, "status": {"observedGeneration": -1},
                "spec": {"image": {"repository": "r", "tag": "sha-1234567"}, "stages": [
                    {"name": "staging", "checks": "None", "promotion": {"mode": "Automatic"}, "targets": [
                        {"name": "web", "kubernetes": {"kind": "Deployment", "name": "web", "containers": ["app"]}}]}]}
            },
            "observed": {"targets": [[{"stage": "staging", "target": "web"}, "Absent"]], "results": [], "answer": null},
            "now": "2026-11-21T12:00:00.000Z"
        })
        .to_string()
    }

    #[test]
    fn a_recording_is_decided_on_again() {
        let mut out = Vec::new();
        write_all(line().as_bytes(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("2026-11-21T12:00:00.000Z shop/checkout -/- -> Pending/Preflight"), "{text}");
        let mut out = Vec::new();
        write_all(line().as_bytes(), true, &mut out).unwrap();
        let decision: Decision = serde_json::from_slice(&out).unwrap();
        assert_eq!(decision.status.phase, Some(crate::api::Phase::Pending));
    }

    #[test]
    fn what_is_no_recording_is_named_by_its_line() {
        let recording = format!("{}\n{{\"now\": 1}}\n", line());
        let error = write_all(recording.as_bytes(), false, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is no recorded decision of this version");
    }
}

//! What was measured, as JSON (standard output and a file) and as tables beside the aims and the peers.

use crate::ecs::{self, Ecs};
use crate::flight::Flight;
use crate::idle::Idle;
use crate::numbers::Spread;
use crate::peers;
use crate::pulls::Pulls;
use crate::rollouts::Rollouts;
use crate::settings::Settings;
use crate::soak::{Sample, Soak};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    version: &'static str,
    machine: Machine,
    runs: usize,
    pub(crate) rollouts: Option<Rollouts>,
    pub(crate) pulls: Option<Pulls>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) ecs: Option<Ecs>,
    pub(crate) flight: Option<Flight>,
    pub(crate) soak: Option<Soak>,
}

/// How much the times can be trusted: a load well above the number of cores says little.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    cores: usize,
    load_before: String,
    load_after: String,
}

impl Report {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let machine = Machine { cores, load_before: load()?, load_after: String::new() };
        let version = env!("CARGO_PKG_VERSION");
        Ok(Self {
            version,
            machine,
            runs: settings.runs,
            rollouts: None,
            pulls: None,
            idle: vec![],
            ecs: None,
            flight: None,
            soak: None,
        })
    }

    /// JSON first, then the tables.
    pub(crate) fn print(mut self) -> Result<()> {
        self.machine.load_after = load()?;
        let json = serde_json::to_string_pretty(&self)?;
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench.json");
        fs::write(&file, &json)?;
        println!("{json}\n");
        self.tables();
        println!("\nJSON: {}", file.display());
        Ok(())
    }

    fn tables(&self) {
        let m = &self.machine;
        println!("{} cores; load before and after: {}; {}\n", m.cores, m.load_before, m.load_after);
        if self.rollouts.is_some() || self.pulls.is_some() {
            row(["", "aim", "Tidegate", "Argo Rollouts", "Flagger"]);
            row(["---"; 5]);
        }
        if let Some(r) = &self.rollouts {
            rollouts(r);
        }
        if let Some(p) = &self.pulls {
            pulls(p);
        }
        if !self.idle.is_empty() {
            idle(&self.idle);
        }
        if let Some(e) = &self.ecs {
            on_ecs(e);
        }
        if let Some(f) = &self.flight {
            in_flight(f);
        }
        if let Some(s) = &self.soak {
            soaked(s);
        }
    }
}

fn rollouts(r: &Rollouts) {
    let (what, argo, flagger) = peers::ACT;
    row([what, "p50 60, p99 150", &spread(&r.edit_to_patch), argo, flagger]);
    row(["approval to production, ms", "p50 40, p99 100", &spread(&r.approval_to_patch), "-", "-"]);
    row(["edit to verified in both stages, ms", "", &spread(&r.edit_to_verified), "-", "-"]);
    let (q, (what, argo, flagger)) = (&r.requests, peers::WRITES);
    let parts = format!(
        "{} (two workloads): status {}, finalizer {}, workloads {}",
        q.writes(),
        q.status,
        q.finalizer,
        q.workloads
    );
    row([what, "12", &parts, argo, flagger]);
    let (what, argo, flagger) = peers::READS;
    row([what, "", &format!("{} (two workloads)", q.reads), argo, flagger]);
    row([
        "Events; Lease; refused, per release",
        "",
        &format!("{}; {}; {}", q.events, q.lease, q.refused),
        "about 10",
        "-",
    ]);
}

fn pulls(p: &Pulls) {
    row(["pull error to restore, ms", "p99 500", &spread(&p.error_to_restore), "-", "-"]);
    let (what, argo, flagger) = peers::FAILURE;
    row([what, "", "see above and below", argo, flagger]);
    row(["pull error to restored and verified, ms", "", &spread(&p.error_to_rolled_back), "-", "-"]);
    let (what, argo, flagger) = peers::CHECKED;
    row([what, "yes", "yes", argo, flagger]);
    row(["writes per failed release, Events apart", "", &p.requests.writes().to_string(), "-", "-"]);
}

fn idle(all: &[Idle]) {
    println!();
    row(["", "objects at rest", "resident, MiB", "peak, MiB", "CPU s/min", "reads/min", "writes/min"]);
    row(["---"; 7]);
    for i in all {
        let q = &i.requests;
        let [size, resident, peak] =
            [i.releases.to_string(), format!("{:.1}", i.resident_mib), format!("{:.1}", i.peak_mib)];
        let [cpu, reads] = [format!("{:.2}", i.cpu_seconds), q.reads.to_string()];
        let writes = format!("{} (lease {})", q.writes() + q.events + q.lease, q.lease);
        row(["**Tidegate**", &size, &resident, &peak, &cpu, &reads, &writes]);
    }
    for (who, [size, resident, peak, cpu, reads, writes]) in peers::IDLE {
        row([who, size, resident, peak, cpu, reads, writes]);
    }
    println!();
    row([
        "objects at rest",
        "start: s until ready; CPU s until then; until at rest",
        "reads meanwhile",
        "edit to first image patch of another, ms",
    ]);
    row(["---"; 4]);
    for i in all {
        let start = format!("{:.2}; {:.2}; {:.2}", i.ready_seconds, i.ready_cpu_seconds, i.start_cpu_seconds);
        let reads = i.start_requests.reads.to_string();
        row([&i.releases.to_string(), &start, &reads, &spread(&i.reaction.edit_to_patch)]);
    }
}

fn in_flight(f: &Flight) {
    println!();
    row([&format!("{} rollouts in flight", f.in_flight), "seen", "aim"]);
    row(["---"; 3]);
    row(["resident; peak, MiB", &format!("{:.1}; {:.1}", f.resident_mib, f.peak_mib), "100; 150"]);
    row(["edit to first image patch, ms: alone", &spread(&f.alone.edit_to_patch), "-"]);
    row(["the same among them", &spread(&f.among.edit_to_patch), "as alone"]);
    row(["approval to production, ms: alone", &spread(&f.alone.approval_to_patch), "-"]);
    row(["the same among them", &spread(&f.among.approval_to_patch), "as alone"]);
    let q = &f.requests;
    row(["reads; writes; per minute", &format!("{}; {}", q.reads, q.writes()), "-"]);
    row(["CPU s per minute", &format!("{:.2}", f.cpu_seconds), "-"]);
    row(["s from the first Release until all are in flight", &format!("{:.0}", f.launch_seconds), "-"]);
    let again = format!("{:.2}; {:.2}", f.restart_seconds, f.restart_cpu_seconds);
    row(["started anew among them: s until ready; CPU s until then", &again, "-; 3"]);
}

type Of = fn(&Sample) -> f64;

fn soaked(s: &Soak) {
    println!();
    let what = format!("{:.0} minutes: {} verified, {} rolled back", s.minutes, s.verified, s.rolled_back);
    row([what.as_str(), "1st quarter", "2nd", "3rd", "4th"]);
    row(["---"; 5]);
    let parts: [(&str, Of); 5] = [
        ("resident, MiB", |s| s.resident_mib),
        ("descriptors", |s| s.descriptors as f64),
        ("threads", |s| s.threads as f64),
        ("tasks", |s| s.tasks as f64),
        ("CPU s, from the start", |s| s.cpu_seconds),
    ];
    for (name, of) in parts {
        let medians: Vec<String> = s.quarters(of).iter().map(|m| format!("{m:.1}")).collect();
        println!("| {name} | {} |", medians.join(" | "));
    }
}

fn on_ecs(e: &Ecs) {
    println!();
    row(["on ECS", "calls to AWS", "documented limit"]);
    row(["---"; 3]);
    let parts: Vec<String> = e.release.iter().map(|(op, calls)| format!("{op} {calls:.1}")).collect();
    let all: f64 = e.release.values().sum();
    let what = format!("per release that takes ECS {} s", ecs::DEPLOYMENT.as_secs());
    row([&what, &format!("**{all:.0}**: {}", parts.join(", ")), "-"]);
    for (size, calls) in &e.idle {
        row([&format!("per minute, {size} at rest"), &format!("**{calls}**"), "-"]);
    }
    for f in &e.in_flight {
        let what = format!("per minute, {} in flight: {}", ecs::IN_FLIGHT, f.name);
        row([&what, &format!("**{}**", f.calls_per_minute), &f.limit_per_minute.to_string()]);
    }
    row(["throttled, in all of this", &e.throttled.to_string(), "-"]);
}

fn spread(s: &Spread) -> String {
    format!("{} / **{}** / {}; p99 **{}** (n = {})", s.min, s.p50, s.max, s.p99, s.count)
}

fn row<const N: usize>(cells: [&str; N]) {
    println!("| {} |", cells.join(" | "));
}

fn load() -> Result<String> {
    let all = fs::read_to_string("/proc/loadavg")?;
    Ok(all.split(' ').next().context("no load")?.to_owned())
}

//! The plays of good and bad images, and every end that each may come to.
//!
//! An end: phase, reason and cause; what staging ran, in order; what production ran; what is held against which image.
//! Tags are shortened: `1` the old one, `2` the new one, `3` a newer one, `5` somebody else's.

use super::Begins::{Adopting, Settled, Unknown};
use super::people as p;
use super::{NEW, NEWER, OLD, Play};
use serde_json::{Value, json};

const ILL: &str = r#"{"http": [{"path": "/health", "status": 503}]}"#;
pub(super) const FAILS: &str = r#"{"http": [{"path": "/items", "status": 500}]}"#;
pub(super) const NEVER: &str = r#"{"ready": {"never": true}}"#;

fn as_it_is(_: &mut Value) {}

fn under_load(spec: &mut Value) {
    spec["stages"][1]["performanceChecks"] = json!([{
        "name": "latency",
        "http": {"pods": {"port": 8080}, "path": "/load", "requests": 10, "concurrency": 2, "timeout": "5s", "warmUp": 1},
        "thresholds": {"errorRate": {"max": "1%"}},
    }]);
}

/// It asks for a header out of a Secret that is not there: nobody can ask.
pub(crate) fn unasked(check: &mut Value) {
    check["http"]["headers"] = json!([{"name": "Authorization", "secret": {"name": "gone", "key": "token"}}]);
}

fn soon_expired(spec: &mut Value) {
    spec["stages"][1]["promotion"]["timeout"] = json!("3s");
}

pub(super) const BASE: Play =
    Play { name: "", begins: Settled, behaves: &[], spec: as_it_is, people: p::nobody, last: NEW, ends: &[] };

pub(super) const PLAYS: &[Play] = &[
    Play { name: "good", people: p::approves, ends: &["Verified Verified | 1 2 | 1 2 | -"], ..BASE },
    Play {
        name: "staging-health",
        behaves: &[(NEW, ILL)],
        ends: &["RolledBack RolledBack HealthCheckFailed | 1 2 1 | 1 | 2"],
        ..BASE
    },
    Play {
        name: "production-health",
        people: p::approves_what_is_ill_in_production,
        ends: &["RolledBack RolledBack HealthCheckFailed | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "production-smoke",
        people: p::approves_what_fails_its_smoke_test,
        ends: &["RolledBack RolledBack SmokeTestFailed | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "production-load",
        spec: under_load,
        people: p::approves_what_fails_under_load,
        ends: &["RolledBack RolledBack PerformanceCheckFailed | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "production-pull",
        people: p::approves_what_cannot_be_pulled,
        ends: &["RolledBack RolledBack ImagePullFailed | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "expiry",
        spec: soon_expired,
        ends: &["Failed PromotionExpired PromotionExpired | 1 2 | 1 | -"],
        ..BASE
    },
    Play {
        name: "abort",
        people: p::abort_in_production,
        ends: &["RolledBack Aborted Aborted | 1 2 | 1 2 1 | -"],
        ..BASE
    },
    Play {
        name: "supersede-staging",
        behaves: &[(NEW, NEVER)],
        people: p::newer_while_staging_works,
        last: NEWER,
        // Taken over at once; or taken back first, where the newer tag comes before a status says that the last one was
        // written. People see the write earlier than that, so it needs no crash; nor does what runs at the end differ.
        ends: &["Verified Verified | 1 2 3 | 1 3 | -", "Verified Verified | 1 2 1 3 | 1 3 | -"],
        ..BASE
    },
    Play {
        name: "supersede-waiting",
        people: p::newer_while_it_waits,
        last: NEWER,
        ends: &["Verified Verified | 1 2 3 | 1 3 | -"],
        ..BASE
    },
    Play {
        name: "supersede-production",
        people: p::newer_while_production_works,
        last: NEWER,
        ends: &["Verified Verified | 1 2 3 | 1 2 3 | -"],
        ..BASE
    },
    Play {
        name: "restore-fails",
        behaves: &[(NEW, FAILS), (OLD, ILL)],
        ends: &["Failed RollbackFailed SmokeTestFailed | 1 2 1 | 1 | 2"],
        ..BASE
    },
    Play {
        name: "human-edit",
        behaves: &[(NEW, NEVER)],
        people: p::person_changes_the_image,
        ends: &["Failed Contended Contended | 1 2 5 | 1 | -"],
        ..BASE
    },
    Play {
        name: "gitops-revert",
        behaves: &[(NEW, NEVER)],
        people: p::gitops_reverts_the_workload,
        ends: &["Failed Contended Contended | 1 2 1 | 1 | -"],
        ..BASE
    },
    Play {
        name: "git-revert",
        behaves: &[(NEW, NEVER)],
        people: p::git_reverts_the_release,
        last: OLD,
        ends: &["Verified Verified | 1 2 1 | 1 | -"],
        ..BASE
    },
    Play { name: "delete", people: p::delete_in_production, ends: &["gone | 1 2 | 1 2 1"], ..BASE },
    Play { name: "adopt", begins: Adopting, last: OLD, ends: &["Verified Verified | 1 | 1 | -"], ..BASE },
    Play {
        name: "first-bad",
        begins: Unknown,
        behaves: &[(NEW, FAILS)],
        ends: &["RolledBack RolledBack SmokeTestFailed |  | 1 2 1 | 2"],
        ..BASE
    },
];

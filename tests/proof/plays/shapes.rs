//! Plays of stages that are more than one Deployment of one pod, of production in work, and of stages that bake.

use super::Begins::{Beside, Large, Stateful};
use super::people as p;
use super::table::BASE;
use super::{NEWER, Play};
use serde_json::{Value, json};

/// Checks of production that go on failing for as long as somebody needs.
fn patient(spec: &mut Value) {
    spec["stages"][1]["healthChecks"][0]["retry"]["attempts"] = json!(100);
}

fn bakes(spec: &mut Value) {
    spec["stages"][0]["bake"] = json!("10s");
}

/// Until somebody has seen that it does.
fn bakes_long(spec: &mut Value) {
    spec["stages"][0]["bake"] = json!("10m");
}

pub(super) const PLAYS: &[Play] = &[
    Play {
        name: "two-targets",
        begins: Beside,
        people: p::approves,
        ends: &["Verified Verified | 1 2 | 1 2, db 1 2 | -"],
        ..BASE
    },
    Play {
        name: "two-targets-bad",
        begins: Beside,
        people: p::approves_what_fails_its_smoke_test,
        ends: &["RolledBack RolledBack SmokeTestFailed | 1 2 | 1 2 1, db 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "stuck-pod",
        begins: Stateful,
        people: p::approves_what_cannot_be_pulled,
        ends: &["RolledBack RolledBack ImagePullFailed | 1 2 | db 1 2 1 | 2 and 1 pod deleted"],
        ..BASE
    },
    Play { name: "large", begins: Large, people: p::approves, ends: &["Verified Verified | 1 2 | 1 2 | -"], ..BASE },
    Play {
        name: "large-bad",
        begins: Large,
        people: p::approves_what_is_ill_in_production,
        ends: &["RolledBack RolledBack HealthCheckFailed | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "human-edit-production",
        people: p::person_changes_production,
        ends: &["Failed Contended Contended | 1 2 | 1 2 5 | -"],
        ..BASE
    },
    Play {
        name: "gitops-revert-production",
        people: p::gitops_reverts_production,
        ends: &["Failed Contended Contended | 1 2 | 1 2 1 | -"],
        ..BASE
    },
    Play {
        name: "supersede-verifying",
        spec: patient,
        people: p::newer_while_production_is_verified,
        last: NEWER,
        // Production settles first, whatever is newer.
        ends: &["Verified Verified | 1 2 3 | 1 2 3 | -"],
        ..BASE
    },
    Play {
        name: "supersede-restoring",
        people: p::newer_while_production_comes_back,
        last: NEWER,
        ends: &["Verified Verified | 1 2 3 | 1 2 1 3 | 2"],
        ..BASE
    },
    Play { name: "bake", spec: bakes, people: p::approves, ends: &["Verified Verified | 1 2 | 1 2 | -"], ..BASE },
    Play {
        name: "bake-fails",
        spec: bakes_long,
        people: p::turns_ill_while_it_bakes,
        ends: &["RolledBack RolledBack HealthCheckFailed | 1 2 1 | 1 | 2"],
        ..BASE
    },
];

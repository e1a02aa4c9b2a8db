//! Plays in which people decide: how far back, whether at all, and what could not be asked.

use super::people as p;
use super::table::{BASE, FAILS, NEVER, unasked};
use super::{NEW, NEWER, Play};
use serde_json::{Value, json};

/// What ends as it does in production alone: the pods of both stages share their image.
const ILL_IN_PRODUCTION: &str = r#"{"http": [{"path": "/not-there", "status": 404}]}"#;

fn asked_more(spec: &mut Value) {
    let more = json!({"name": "new", "http": {"pods": {"port": 8080}, "path": "/not-there"}});
    spec["stages"][1]["smokeTests"].as_array_mut().unwrap().push(more);
}

fn manual(spec: &mut Value) {
    asked_more(spec);
    spec["stages"][1]["rollback"] = json!({"mode": "Manual"});
}

fn never(spec: &mut Value) {
    asked_more(spec);
    spec["stages"][1]["rollback"] = json!({"mode": "Never"});
}

fn whole_release(spec: &mut Value) {
    asked_more(spec);
    spec["stages"][1]["rollback"] = json!({"scope": "Release"});
}

fn held(spec: &mut Value) {
    unasked(&mut spec["stages"][0]["smokeTests"][0]);
    spec["stages"][0]["rollback"] = json!({"onInconclusive": "Hold"});
}

pub(super) const PLAYS: &[Play] = &[
    Play {
        name: "taken-back-by-order",
        people: p::approves_and_takes_it_back,
        ends: &["RolledBack RolledBack RollbackRequested | 1 2 1 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "manual",
        behaves: &[(NEW, ILL_IN_PRODUCTION)],
        spec: manual,
        people: p::approves_and_takes_back_what_failed,
        ends: &["RolledBack RolledBack RollbackRequested | 1 2 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "never",
        behaves: &[(NEW, ILL_IN_PRODUCTION)],
        spec: never,
        people: p::approves,
        ends: &["Failed RollbackForbidden SmokeTestFailed | 1 2 | 1 2 | 2 and debts"],
        ..BASE
    },
    Play {
        name: "scope-release",
        behaves: &[(NEW, ILL_IN_PRODUCTION)],
        spec: whole_release,
        people: p::approves,
        ends: &["RolledBack RolledBack SmokeTestFailed | 1 2 1 | 1 2 1 | 2"],
        ..BASE
    },
    Play {
        name: "hold-accepted",
        spec: held,
        people: p::accepts_what_could_not_be_asked,
        ends: &["Verified Verified | 1 2 | 1 2 | -"],
        ..BASE
    },
    Play {
        name: "hold-aborted",
        spec: held,
        people: p::aborts_what_could_not_be_asked,
        ends: &["RolledBack Aborted Aborted | 1 2 1 | 1 | -"],
        ..BASE
    },
    Play { name: "suspended", people: p::suspends_and_goes_on, ends: &["Verified Verified | 1 2 | 1 2 | -"], ..BASE },
    Play {
        name: "retried",
        behaves: &[(NEW, FAILS)],
        people: p::tries_again,
        ends: &["Verified Verified | 1 2 1 2 | 1 2 | -"],
        ..BASE
    },
    Play {
        name: "quarantined",
        behaves: &[(NEW, FAILS)],
        people: p::removes_the_tag_and_brings_it_again,
        last: NEWER,
        ends: &["Verified Verified | 1 2 1 3 | 1 3 | 2"],
        ..BASE
    },
    Play {
        name: "supersede-suspended",
        behaves: &[(NEW, NEVER)],
        people: p::newer_while_suspended,
        last: NEWER,
        // A Release that is suspended is taken back: nothing takes over.
        ends: &["Verified Verified | 1 2 1 3 | 1 3 | -"],
        ..BASE
    },
];

//! Plays of what stands around the image: migrations, what undoes them, and which image a tag means.

use super::Begins::Registered;
use super::people as p;
use super::table::{BASE, FAILS, NEVER};
use super::{NEW, NEWER, Play};
use crate::support::jobs::inline;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const IS_THAT: &str = r#"{"digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
const MIGRATION_FAILS: &str = r#"{"job": {"exitCode": 3}}"#;
const MIGRATION_TAKES: &str = r#"{"job": {"exitCode": 0, "after": "20s"}}"#;

fn migrates(spec: &mut Value) {
    spec["stages"][0]["hooks"] = json!([inline("migrate")]);
}

fn migrates_for_good(spec: &mut Value) {
    migrates(spec);
    spec["stages"][0]["hooks"][0]["irreversible"] = json!(true);
}

fn migrates_and_undoes(spec: &mut Value) {
    migrates(spec);
    spec["stages"][0]["onRollback"] = json!([inline("undo")]);
}

fn pinned(spec: &mut Value) {
    spec["image"]["digest"] = json!(DIGEST);
}

pub(super) const PLAYS: &[Play] = &[
    Play {
        name: "migration",
        spec: migrates,
        people: p::approves,
        ends: &["Verified Verified | 1 2 | 1 2 | -"],
        ..BASE
    },
    Play {
        name: "migration-fails",
        behaves: &[(NEW, MIGRATION_FAILS)],
        spec: migrates,
        ends: &["Failed HookFailed HookFailed | 1 | 1 | -"],
        ..BASE
    },
    Play {
        name: "migration-stays",
        behaves: &[(NEW, FAILS)],
        spec: migrates_for_good,
        ends: &["Failed RollbackForbidden SmokeTestFailed | 1 2 | 1 | 2 and debts"],
        ..BASE
    },
    Play {
        name: "migration-undone",
        behaves: &[(NEW, FAILS)],
        spec: migrates_and_undoes,
        ends: &["RolledBack RolledBack SmokeTestFailed | 1 2 1 | 1 | 2"],
        ..BASE
    },
    Play {
        name: "migration-aborted",
        behaves: &[(NEW, MIGRATION_TAKES)],
        spec: migrates,
        people: p::aborts_the_migration,
        ends: &["Failed Aborted Aborted | 1 | 1 | -"],
        ..BASE
    },
    Play {
        name: "supersede-migration",
        behaves: &[(NEW, MIGRATION_TAKES)],
        spec: migrates,
        people: p::newer_while_it_migrates,
        last: NEWER,
        ends: &["Verified Verified | 1 3 | 1 3 | -"],
        ..BASE
    },
    Play {
        name: "digest",
        behaves: &[(NEW, IS_THAT)],
        spec: pinned,
        people: p::approves,
        ends: &["Verified Verified | 1 2 | 1 2 | -"],
        ..BASE
    },
    Play {
        name: "digest-moved",
        behaves: &[(NEW, IS_THAT)],
        people: p::approves_what_means_another_image_by_now,
        ends: &["RolledBack RolledBack DigestDiffers | 1 2 | 1 2 1 | -"],
        ..BASE
    },
    Play {
        name: "registry",
        begins: Registered,
        people: p::pushes_and_approves,
        ends: &["Verified Verified | 1 2 | 1 2 | -"],
        ..BASE
    },
    Play {
        name: "registry-moved",
        begins: Registered,
        people: p::pushes_and_moves_the_tag,
        ends: &["Failed DigestDiffers DigestDiffers | 1 2 | 1 | -"],
        ..BASE
    },
    Play {
        name: "registry-supersede",
        begins: Registered,
        behaves: &[(NEW, NEVER)],
        people: p::pushes_a_newer_one,
        last: NEWER,
        // As in `supersede-staging`.
        ends: &["Verified Verified | 1 2 3 | 1 3 | -", "Verified Verified | 1 2 1 3 | 1 3 | -"],
        ..BASE
    },
];

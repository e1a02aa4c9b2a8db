//! Each phase, held for as long as the damage takes; and what ends it afterwards.

use crate::plays::{NEW, OLD, Patience, approve, fails_and_does_not_come_back, held, migrates};
use crate::plays::{release, stuck_in_production, unasked};
use crate::support::Scene;
use crate::support::jobs::inline;
use crate::support::wait::{is, until};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tidegate::api::{Phase, Reason};

type Act = for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, ()>;

pub(crate) struct Situation {
    pub(crate) name: &'static str,
    pub(crate) reach: Act,
    /// Whatever held it is mended.
    pub(crate) mend: Act,
    /// What production may run afterwards, where that is not what it ran before.
    pub(crate) production: &'static [&'static str],
}

const BEFORE: &[&str] = &[];
/// It stays in work, or is taken back.
const EITHER: &[&str] = &[OLD, NEW];

pub(crate) const SITUATIONS: &[Situation] = &[
    Situation {
        name: "pending",
        reach: |s| pending(s).boxed_local(),
        mend: |s| s.suspend(false).boxed_local(),
        production: BEFORE,
    },
    Situation { name: "rolling", reach: |s| rolling(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "verifying", reach: |s| verifying(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "awaiting", reach: |s| awaiting(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "restoring", reach: |s| restoring(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "verified", reach: |s| verified(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "rolled-back", reach: |s| rolled_back(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "failed", reach: |s| failed(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "holding", reach: |s| holding(s).boxed_local(), mend, production: BEFORE },
    Situation { name: "hook", reach: |s| hook(s).boxed_local(), mend, production: EITHER },
    Situation { name: "production-rolling", reach: |s| production_rolling(s).boxed_local(), mend, production: EITHER },
    Situation {
        name: "production-restoring",
        reach: |s| production_restoring(s).boxed_local(),
        mend,
        // What failed is not brought again.
        production: &[OLD],
    },
];

fn mend(s: &Scene) -> LocalBoxFuture<'_, ()> {
    async {
        s.behaves(NEW, json!({})).await;
        s.behaves(OLD, json!({})).await;
    }
    .boxed_local()
}

fn brings_new() -> Value {
    release(NEW, Patience { attempts: 3 })
}

async fn pending(s: &Scene) {
    let mut spec = brings_new();
    spec["suspend"] = json!(true);
    s.apply(&spec).await;
    s.blocked(Reason::Suspended).await;
}

async fn rolling(s: &Scene) {
    s.behaves(NEW, json!({"ready": {"never": true}})).await;
    s.apply(&brings_new()).await;
    s.phase(NEW, Phase::Rolling).await;
    until("the new tag is written", async || is(s.runs("staging").await == NEW, (), "not yet")).await;
}

async fn verifying(s: &Scene) {
    let mut spec = brings_new();
    spec["stages"][0]["healthChecks"][0]["retry"] = json!({"attempts": 100, "interval": "1s"});
    s.behaves(NEW, json!({"http": [{"path": "/health", "status": 503}]})).await;
    s.apply(&spec).await;
    s.phase(NEW, Phase::Verifying).await;
}

async fn awaiting(s: &Scene) {
    s.apply(&brings_new()).await;
    s.awaiting(NEW).await;
}

async fn restoring(s: &Scene) {
    s.restoring_by(&brings_new()).await;
}

async fn verified(s: &Scene) {
    s.release_to_production(NEW).await;
}

async fn rolled_back(s: &Scene) {
    s.behaves(NEW, json!({"http": [{"path": "/items", "status": 500}]})).await;
    s.apply(&brings_new()).await;
    s.rolled_back(NEW, Reason::SmokeTestFailed).await;
}

async fn failed(s: &Scene) {
    let mut spec = brings_new();
    spec["stages"][1]["promotion"]["timeout"] = json!("1s");
    s.apply(&spec).await;
    s.ends(NEW, Phase::Failed, Reason::PromotionExpired).await;
}

/// Nobody can ask a smoke test: a person is asked what becomes of staging.
async fn holding(s: &Scene) {
    let mut spec = brings_new();
    unasked(&mut spec["stages"][0]["smokeTests"][0]);
    spec["stages"][0]["rollback"] = json!({"onInconclusive": "Hold"});
    s.apply(&spec).await;
    held(s).await;
}

/// Production was approved, and its migration is at work.
async fn hook(s: &Scene) {
    let mut spec = brings_new();
    spec["stages"][1]["hooks"] = json!([inline("migrate")]);
    s.behaves(NEW, json!({"job": {"exitCode": 0, "after": "15s"}})).await;
    s.apply(&spec).await;
    approve(s, NEW, None).await;
    migrates(s).await;
}

async fn production_rolling(s: &Scene) {
    s.apply(&brings_new()).await;
    stuck_in_production(s).await;
}

async fn production_restoring(s: &Scene) {
    s.apply(&brings_new()).await;
    fails_and_does_not_come_back(s).await;
}

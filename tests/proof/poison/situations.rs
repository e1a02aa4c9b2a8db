//! Each phase, held for as long as the damage takes; and what ends it afterwards.

use crate::plays::{NEW, OLD, Patience, release};
use crate::support::Scene;
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
}

pub(crate) const SITUATIONS: &[Situation] = &[
    Situation { name: "pending", reach: |s| pending(s).boxed_local(), mend: |s| s.suspend(false).boxed_local() },
    Situation { name: "rolling", reach: |s| rolling(s).boxed_local(), mend },
    Situation { name: "verifying", reach: |s| verifying(s).boxed_local(), mend },
    Situation { name: "awaiting", reach: |s| awaiting(s).boxed_local(), mend },
    Situation { name: "restoring", reach: |s| restoring(s).boxed_local(), mend },
    Situation { name: "verified", reach: |s| verified(s).boxed_local(), mend },
    Situation { name: "rolled-back", reach: |s| rolled_back(s).boxed_local(), mend },
    Situation { name: "failed", reach: |s| failed(s).boxed_local(), mend },
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

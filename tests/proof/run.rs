//! One run: a play, its plan, and whether the end is one that it may come to.

use crate::clock;
use crate::end::{reached, story};
use crate::keeper::Keeper;
use crate::plan::{Class, Fault, Kind, Plan};
use crate::plays::{Patience, play};
use crate::poison;
use crate::proxy::Faults;
use crate::support::people::RELEASE;
use crate::support::scene::play_with;
use crate::support::{Cluster, Scene, audit};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tidegate::api::Release;
use tidegate::api::status::Phase;

/// How long it takes until somebody touches a Release at rest.
const NEXT_TOUCH: Duration = Duration::from_secs(5);

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    /// The end, or what was violated.
    pub(crate) end: Result<String, String>,
    /// How many requests and events there were of each class.
    pub(crate) counts: BTreeMap<Class, u32>,
    /// Whether all faults came to pass.
    pub(crate) struck: bool,
    pub(crate) took: Duration,
    /// It was violated when the same sources were played before.
    pub(crate) violated_before: bool,
}

/// Plays `plan` on a runtime of its own. Never panics for what the controller did.
pub(crate) fn run(plan: &Plan) -> Outcome {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}-{}", plan.play.replace('.', "-"), COUNT.fetch_add(1, Ordering::Relaxed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let faults = Arc::new(Faults::new(&plan.faults));
    let (began, started) = (audit::length(Cluster::get()), Instant::now());
    let end = RefCell::new(String::new());
    let whole = AssertUnwindSafe(|| runtime.block_on(perform(plan, &name, &faults, &end)));
    let end = match catch_unwind(whole) {
        Ok(()) => Ok(end.into_inner()),
        Err(panic) => {
            let told = runtime.block_on(told(&format!("t-{name}"), began));
            Err(format!("{}\n{told}", said(&*panic)))
        }
    };
    let struck = faults.struck() == plan.faults.len();
    let (plan, counts, took) = (plan.clone(), faults.counts(), started.elapsed());
    Outcome { plan, end, counts, struck, took, violated_before: false }
}

async fn perform(plan: &Plan, name: &str, faults: &Arc<Faults>, end: &RefCell<String>) {
    let keeper = Keeper::new(faults.clone(), plan.replicas);
    let acts = async |s: &Scene| {
        *s.again.borrow_mut() = Some(plan.replay());
        let how = match poison::named(&plan.play) {
            Some((situation, damage)) => poison::perform(s, &keeper, situation, damage).await,
            None => played(s, &keeper, plan, faults).await,
        };
        *end.borrow_mut() = how;
    };
    tokio::select! {
        () = play_with(Cluster::get(), name, acts, |ns| keeper.tail(ns)) => {}
        () = keeper.tend() => {}
    }
}

async fn played(s: &Scene, keeper: &Keeper, plan: &Plan, faults: &Faults) -> String {
    let play = play(&plan.play).unwrap_or_else(|| panic!("there is no play {:?}", plan.play));
    // Where answers are missing, a check must not be out of patience before they come again.
    let patience = Patience { attempts: if plan.only_crashes() { 2 } else { 8 } };
    keeper.start(&s.ns).await;
    play.set_up(s, patience).await;
    faults.arm();
    let whole = async {
        play.go(s, patience).await;
        reached(s, play).await
    };
    let undelivered = |f: &Fault| f.on == Class::WatchReleases && f.kind == Kind::Drop;
    // At rest nothing is looked at, so an edit that is not delivered is seen with whatever happens next.
    let how = if plan.faults.iter().any(undelivered) {
        tokio::select! { how = whole => how, () = touch_again_and_again(s) => unreachable!() }
    } else {
        whole.await
    };
    faults.disarm();
    assert!(faults.wrong().is_empty(), "sent without the lease: {:#?}", faults.wrong());
    s.refused_events.set(faults.refused_events());
    let allowed = play.ends.contains(&how.as_str()) || clock::may_be_overdue(plan, &how);
    assert!(allowed, "ended {how:?}, which is none of {:#?}", play.ends);
    how
}

/// What happens next to a Release that rests, or waits for a person: somebody changes what means nothing to it. One that
/// is at work has to go on by itself.
async fn touch_again_and_again(s: &Scene) {
    for n in 0.. {
        tokio::time::sleep(NEXT_TOUCH).await;
        let at_work = [Phase::Rolling, Phase::Verifying, Phase::Restoring];
        let Some(release) = s.api::<Release>().get_opt(RELEASE).await.unwrap() else { continue };
        if !release.status.and_then(|s| s.phase).is_some_and(|phase| at_work.contains(&phase)) {
            s.annotate(json!({"example.com/touched": n.to_string()})).await;
        }
    }
}

/// Every write of the run.
async fn told(namespace: &str, began: u64) -> String {
    let client = Cluster::get().client("admin").await;
    let marks: Api<ConfigMap> = Api::namespaced(client, namespace);
    story(&audit::read(Cluster::get(), &marks, began, &[namespace.to_owned()]).await)
}

pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

//! The way back: what a restore would bring, chosen by evidence before the first write.

use super::checks::{self, Asked, Question};
use super::draft::{Draft, Flow, Work};
use super::{evidence, identity, plan, quarantine, sight, write};
use crate::api::Reason;
use crate::api::ask::Query;
use crate::api::spec::{Retry, Stage};
use crate::api::status::{
    CheckKind, ContainerImage, Debt, Purpose, Stable, Step, TargetState, TargetStep, Verdict, WayBack, Written,
};
use crate::api::time::Duration;
use crate::api::view::LiveTarget;

/// Rounds of each check, and time in all, that are spent on asking what runs now.
const ROUNDS: i32 = 3;
const BUDGET: Duration = Duration::from_secs(15);
const BETWEEN: Duration = Duration::from_secs(2);

/// Chooses the ways back of all targets of the stage together. `None`: chosen; else what to do until then.
pub(super) fn ways_back(d: &mut Draft, w: &mut Work) -> Option<Flow> {
    let stage = w.stage().clone();
    let older = |t: &TargetState| d.live(&stage.name, &t.name).is_some_and(|live| sight::older(live, t));
    if w.state().targets.iter().any(older) {
        // What was inherited seems to be gone, and is not.
        d.look_again_in(sight::AGAIN);
        return Some(Flow::Stay);
    }
    let doubtful = stage.targets.iter().any(|t| {
        d.live(&stage.name, &t.name).is_some_and(|live| {
            let containers = t.containers();
            debt_of(d, &stage.name, &t.name, live).is_none()
                && stable_of(d, &stage, &t.name, live, containers).is_none()
        })
    });
    let proven = if doubtful { ask(d, w, &stage)? } else { Proof::Unneeded };
    let proven = match proven {
        Proof::Wait => return Some(Flow::Stay),
        other => other,
    };
    for (i, target) in stage.targets.iter().enumerate() {
        let live = d.live(&stage.name, &target.name)?;
        let way_back = choose(d, &stage, &target.name, target.containers(), live, &proven);
        if !way_back.verified && w.state().targets[i].way_back.as_ref() != Some(&way_back) {
            let why = if way_back.quarantined { "failed here before" } else { "is not known to be well" };
            let note = format!("{}: what runs now {why}; a restore would bring it all the same", live.workload);
            d.warning(Reason::WayBackUnverified, note);
        }
        let wanted = write::writable(live, plan::wanted(&w.spec, target));
        let debt = debt_of(d, &stage.name, &target.name, live);
        let state = &mut w.state_mut().targets[i];
        if state.inherited.as_ref().is_some_and(|i| live.runs(&i.written.images)) {
            continue;
        }
        // Where something was inherited, somebody else changed it meanwhile: nothing is owed any more.
        state.inherited = None;
        state.not_written();
        state.uid = Some(live.uid.clone());
        state.intent_generation = live.ecs.is_none().then_some(live.generation);
        state.way_back = Some(way_back);
        if live.runs(&wanted) {
            take(state, live, wanted, debt);
        }
    }
    None
}

/// Takes a target over that runs the image already: adopted, or, where we wrote it and never verified it, as written.
pub(super) fn take(state: &mut TargetState, live: &LiveTarget, images: Vec<ContainerImage>, debt: Option<Debt>) {
    state.uid = Some(live.uid.clone());
    state.state = TargetStep::Adopted;
    if let Some(debt) = debt {
        state.state = TargetStep::Written;
        state.effect = Some(debt.effect);
        state.way_back = Some(debt.way_back);
    }
    // What its pods went through before says nothing of this rollout.
    state.progressing_before = live.progressing.clone();
    state.restarts_before = evidence::restarts(live, None);
    state.written = Some(Written { images, generation: live.generation, revision: live.revision.clone() });
}

/// Whether a target of the stage in work runs what we wrote and never verified.
pub(super) fn owes(d: &Draft, w: &Work) -> bool {
    let stage = w.stage_name();
    let mut targets = w.stage().targets.iter();
    targets.any(|t| d.live(&stage, &t.name).is_some_and(|live| debt_of(d, &stage, &t.name, live).is_some()))
}

/// Whether all targets are available in full on what they run, and can be asked.
pub(super) fn stands(d: &Draft, stage: &Stage) -> bool {
    let stands = |l: &LiveTarget| l.ecs.is_some() || l.pods.iter().any(|p| p.ready && !p.terminating);
    let lives = stage.targets.iter().map(|t| d.live(&stage.name, &t.name));
    lives.into_iter().all(|l| l.is_some_and(|l| evidence::rolled_out(l, None) && stands(l)))
}

enum Proof {
    Unneeded,
    Wait,
    /// The health checks passed on what runs now; hashes of them.
    Passed(Vec<String>),
    /// Hashes of those that did.
    NotPassed(Vec<String>),
}

/// Asks the health checks of what runs now.
fn ask(d: &mut Draft, w: &mut Work, stage: &Stage) -> Option<Proof> {
    if stage.targets.iter().any(|t| d.live(&stage.name, &t.name).is_none()) {
        return None;
    }
    let settled = stands(d, stage);
    if stage.health_checks.is_empty() {
        return Some(if settled { Proof::Passed(vec![]) } else { Proof::NotPassed(vec![]) });
    }
    if !settled {
        return Some(Proof::NotPassed(vec![]));
    }
    let now = d.now;
    let since = *w.state_mut().choosing_since.get_or_insert(now);
    w.rollout.step = Step::ChoosingWayBack;
    let retry = Retry { attempts: ROUNDS, interval: BETWEEN, successes: 1 };
    let questions: Vec<Question> = stage
        .health_checks
        .iter()
        .map(|c| Question {
            name: c.name.clone(),
            kind: CheckKind::Health,
            query: Query::from(&c.question),
            retry: retry.clone(),
            delay: Duration::ZERO,
            informative: false,
        })
        .collect();
    let hashes = questions.iter().map(Question::hash).collect();
    let late = !d.due(since.plus(BUDGET));
    match checks::ask(d, w, Purpose::WayBack, &questions, since) {
        Asked::Passed => Some(Proof::Passed(hashes)),
        Asked::Waiting if late => Some(Proof::Wait),
        _ => {
            d.asks.clear();
            let passed = |q: &&Question| {
                let mut checks = w.state().checks.iter();
                checks.any(|c| c.name == q.name && c.verdict == Some(Verdict::Passed))
            };
            Some(Proof::NotPassed(questions.iter().filter(passed).map(Question::hash).collect()))
        }
    }
}

fn choose(d: &Draft, stage: &Stage, target: &str, containers: &[String], live: &LiveTarget, proof: &Proof) -> WayBack {
    if let Some(debt) = debt_of(d, &stage.name, target, live) {
        return debt.way_back;
    }
    let now = as_it_is(live, containers);
    if let Some(stable) = stable_of(d, stage, target, live, containers) {
        return WayBack { verified: true, passed: stable.passed.clone(), ..now };
    }
    let bad = quarantine::holds_any(d, &now.images);
    if let Proof::Passed(passed) = proof
        && !bad
    {
        return WayBack { verified: true, passed: passed.clone(), ..now };
    }
    match any_stable(d, stage, target, live) {
        Some(s) if !quarantine::holds_any(d, &s.images) => WayBack {
            images: s.images.clone(),
            verified: true,
            passed: s.passed.clone(),
            task_definition: s.task_definition.clone(),
            ..now
        },
        _ => {
            let passed = if let Proof::NotPassed(some) = proof { some.clone() } else { vec![] };
            WayBack { passed, quarantined: bad, ..now }
        }
    }
}

/// What runs now, of which nothing good is known yet.
fn as_it_is(live: &LiveTarget, containers: &[String]) -> WayBack {
    WayBack {
        images: live.images(containers),
        verified: false,
        passed: vec![],
        quarantined: false,
        task_definition: live.ecs.as_ref().map(|e| e.task_definition.clone()),
        revision: live.ecs.as_ref().and(live.revision.clone()),
    }
}

/// What we wrote there and neither verified nor took back, if it still runs.
pub(super) fn debt_of(d: &Draft, stage: &str, target: &str, live: &LiveTarget) -> Option<Debt> {
    let mut debts = d.status.debts.iter();
    let mine = |b: &&Debt| b.stage == stage && b.target == target && b.uid == live.uid && live.runs(&b.written);
    debts.rfind(mine).cloned()
}

fn any_stable<'s>(d: &'s Draft, stage: &Stage, target: &str, live: &LiveTarget) -> Option<&'s Stable> {
    let mut all = d.status.stable.iter();
    all.find(|s| s.stage == stage.name && s.target == target && s.workload == live.workload)
}

/// The stable entry, if that is exactly what runs.
fn stable_of<'s>(
    d: &'s Draft,
    stage: &Stage,
    target: &str,
    live: &LiveTarget,
    containers: &[String],
) -> Option<&'s Stable> {
    let stable = any_stable(d, stage, target, live)?;
    let images = live.images(containers);
    let same = |i: &ContainerImage| {
        stable.images.iter().any(|s| {
            s.container == i.container
                && s.image == i.image
                && !identity::differ(&d.status.indexes, i.digest.as_ref(), s.digest.as_ref())
        })
    };
    (!images.is_empty() && images.iter().all(same)).then_some(stable)
}

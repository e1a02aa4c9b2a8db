//! What may go wrong, and what people may do, at any time.

use super::super::jobs::Ending;
use super::super::play::Fate;
use super::super::workloads::{Behaviour, container, set_image, workload};
use super::super::world::World;
use super::laws::Laws;
use crate::api::ask::Outcome;
use crate::api::effect::Refused;
use crate::api::spec::WorkloadKind;
use crate::api::time::Duration;
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{Image, NsName, Reason, ReleaseStatus, TargetId, annotation};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::rollout::tests) enum Move {
    /// So many undisturbed decisions.
    Turns(u8),
    Decide(Fate),
    Converge,
    Seconds(u32),
    /// Runs until nothing more happens or a person is waited for, for so many steps of the clock at most.
    Run(u8),
    LoseResults,
    DuplicateResult,
    StaleResult,
    Person(u8, u8),
    GitOps(u8),
    Edit(u8),
    Scale(u8),
    Zero(u8),
    Pause(u8),
    Unread(u8),
    Denied(u8),
    Away(u8),
    Replace(u8),
    Claim(u8),
    Approve,
    Token(u8),
    Tag(u8),
    OtherEdit,
    Suspend,
    Abort,
    ForgedAbort,
    /// The last rollout shall be taken back; or one that there never was.
    Rollback(bool),
    Delete,
    Retry(u8),
    StatusLost,
    Behave(u8, u8),
    Refuse(u8),
    JobsVanish,
    Hook(u8, u8),
    Unfit(bool),
}

pub(super) fn moves() -> impl Strategy<Value = Vec<Move>> {
    use Move::*;
    let fate = prop_oneof![Just(Fate::Crash), Just(Fate::CrashAfter), Just(Fate::AnswerLost), Just(Fate::NotDone)];
    let common = prop_oneof![
        6 => (1u8..6).prop_map(Turns),
        3 => Just(Converge),
        6 => (1u8..60).prop_map(Run),
        3 => fate.prop_map(Decide),
        2 => prop_oneof![Just(1u32), Just(5), Just(40), Just(130), Just(90_000)].prop_map(Seconds),
        3 => (0u8..4).prop_map(Tag),
        3 => Just(Approve),
        2 => (0u8..8, 0u8..7).prop_map(|(a, b)| Behave(a, b)),
    ];
    let rare = prop_oneof![
        Just(LoseResults),
        Just(DuplicateResult),
        Just(StaleResult),
        (0u8..4, 0u8..2).prop_map(|(a, b)| Person(a, b)),
        (0u8..4).prop_map(GitOps),
        (0u8..4).prop_map(Edit),
        (0u8..4).prop_map(Scale),
        (0u8..4).prop_map(Zero),
        (0u8..4).prop_map(Pause),
        (0u8..4).prop_map(Unread),
        (0u8..4).prop_map(Denied),
        (0u8..4).prop_map(Away),
        (0u8..4).prop_map(Replace),
        (0u8..4).prop_map(Claim),
        (0u8..6).prop_map(Token),
        Just(OtherEdit),
        Just(Suspend),
        Just(Abort),
        Just(ForgedAbort),
        any::<bool>().prop_map(Rollback),
        Just(Rollback(true)),
        Just(Delete),
        (0u8..3).prop_map(Retry),
        Just(StatusLost),
        (0u8..4).prop_map(Refuse),
        Just(JobsVanish),
        (0u8..4, 0u8..3).prop_map(|(a, b)| Hook(a, b)),
        any::<bool>().prop_map(Unfit),
    ];
    proptest::collection::vec(prop_oneof![3 => common, 2 => rare], 1..40)
}

const TAGS: [&str; 4] = ["sha-a1", "sha-b2", "sha-c3", "sha-d4"];

impl Move {
    pub(in crate::rollout::tests) fn make(self, w: &mut World, laws: &mut Laws) -> Result<(), TestCaseError> {
        match self {
            Self::Turns(n) => (0..n).try_for_each(|_| laws.decide(w, Fate::Done).map(drop))?,
            Self::Decide(fate) => drop(laws.decide(w, fate)?),
            Self::Converge => drop(w.converge()),
            Self::Seconds(s) => w.pass(Duration::from_secs(s.into())),
            Self::Run(n) => laws.run(w, n.into()).map(drop)?,
            Self::LoseResults => w.results.clear(),
            Self::DuplicateResult => results(w, false),
            Self::StaleResult => results(w, true),
            Self::Person(t, i) => {
                laws.strangers.insert(id(t));
                let image = Image::new(format!("ghcr.io/acme/shop:human-{i}"));
                live(w, t, |l| set_image(l, "app", image, "kubectl-edit"));
            }
            Self::GitOps(t) => {
                laws.strangers.insert(id(t));
                live(w, t, |l| set_image(l, "app", Image::new("ghcr.io/acme/shop:sha-a1"), "argocd-controller"));
            }
            Self::Edit(t) => {
                *w.edits.entry(id(t)).or_default() += 1;
                live(w, t, |l| {
                    l.generation += 1;
                    l.revision = None;
                    l.resource_version.push('e');
                });
            }
            Self::Scale(t) => live(w, t, |l| {
                l.generation += 1;
                l.replicas.wanted = 1 + l.replicas.wanted % 4;
                l.resource_version.push('s');
            }),
            Self::Zero(t) => live(w, t, |l| {
                l.generation += 1;
                l.replicas.wanted = if l.replicas.wanted == 0 { 2 } else { 0 };
            }),
            Self::Pause(t) => live(w, t, |l| l.paused = !l.paused),
            Self::Unread(t) => hide(w, t, TargetView::Unreachable("no answer".into())),
            Self::Denied(t) => hide(w, t, TargetView::Denied("may not be read".into())),
            Self::Away(t) => away(w, laws, t),
            Self::Replace(t) => {
                laws.strangers.insert(id(t));
                live(w, t, |l| l.uid.push('x'));
            }
            Self::Claim(t) => live(w, t, |l| {
                let other = l.claimed_by.is_none().then(|| NsName::new("shop", "other"));
                l.claimed_by = other;
            }),
            Self::Approve => approve(w),
            Self::Token(n) => {
                let values =
                    ["sha-b2", "production:sha-b2", "production:sha-b2#1-1", "true", "staging:sha-c3", "sha-c3"];
                w.annotate(annotation::PROMOTE, values[usize::from(n)]);
            }
            Self::Tag(n) => w.tag(TAGS[usize::from(n)]),
            Self::OtherEdit => w.edit(|s| s.history_limit = (s.history_limit + 1) % 4),
            Self::Suspend => w.edit(|s| s.suspend = !s.suspend),
            Self::Abort => {
                if let Some(id) = w.rel.status.running().map(|r| r.id.to_string()) {
                    w.annotate(annotation::ABORT, &id);
                }
            }
            Self::ForgedAbort => w.annotate(annotation::ABORT, "7-7"),
            Self::Rollback(last) => {
                let id = w.rel.status.rollout.as_ref().filter(|_| last).map(|r| r.id.to_string());
                w.annotate(annotation::ROLLBACK, &id.unwrap_or_else(|| "7-7".into()));
            }
            Self::Delete => w.rel.deleting = true,
            Self::Retry(n) => w.annotate(annotation::RETRY, &format!("again-{n}")),
            Self::StatusLost => {
                w.rel.status = ReleaseStatus::default();
                laws.forget(w);
            }
            Self::JobsVanish => w.jobs_vanish(),
            Self::Hook(n, e) => {
                let endings = [Ending::Well, Ending::Badly, Ending::Never];
                let name = ["one", "two", "keep", "undo"][usize::from(n)];
                w.endings.insert(name.to_owned(), endings[usize::from(e)]);
            }
            Self::Unfit(unfit) => w.unfit = unfit.then(|| (Reason::HookNotFound, "there is no CronJob".to_owned())),
            Self::Behave(t, b) => behave(w, t, b),
            Self::Refuse(n) => {
                let kinds = [Refused::Forbidden, Refused::Invalid, Refused::Throttled];
                w.refuse = kinds.get(usize::from(n)).map(|k| (*k, "User cannot patch resource".to_owned()));
            }
        }
        Ok(())
    }
}

/// Everything that the adversary broke works again; who has to decide something has decided it.
pub(in crate::rollout::tests) fn mend(w: &mut World) {
    w.refuse = None;
    w.unfit = None;
    w.endings.clear();
    w.behaviour.clear();
    if w.rel.spec.suspend {
        w.edit(|s| s.suspend = false);
    }
    for (id, mut view) in std::mem::take(&mut w.hidden) {
        if let TargetView::Live(live) = &mut view {
            live.resource_version.push('h');
        }
        w.targets.insert(id, view);
    }
    for n in 0..4 {
        if matches!(w.targets.get(&id(n)), Some(TargetView::Absent)) {
            w.targets.insert(id(n), TargetView::Live(Box::new(fresh(n))));
        }
        live(w, n, |l| {
            l.claimed_by = None;
            l.paused = false;
            l.replicas.wanted = l.replicas.wanted.max(1);
        });
    }
}

pub(in crate::rollout::tests) fn id(n: u8) -> TargetId {
    let stage = if n < 2 { "staging" } else { "production" };
    TargetId::new(stage, if n.is_multiple_of(2) { "web" } else { "worker" })
}

fn live(w: &mut World, n: u8, change: impl FnOnce(&mut LiveTarget)) {
    if let Some(TargetView::Live(live)) = w.targets.get_mut(&id(n)) {
        change(live);
    }
}

/// A target cannot be read, or can be again.
fn hide(w: &mut World, n: u8, by: TargetView) {
    let id = id(n);
    match w.hidden.remove(&id) {
        Some(view) => drop(w.targets.insert(id, view)),
        None => {
            if let Some(view) = w.targets.insert(id.clone(), by) {
                w.hidden.insert(id, view);
            }
        }
    }
}

fn fresh(n: u8) -> LiveTarget {
    let id = id(n);
    let kind = if id.target == "worker" { WorkloadKind::StatefulSet } else { WorkloadKind::Deployment };
    let mut live = workload(kind, &format!("{}-{}", id.stage, id.target), "sha-a1", &["app".into()]);
    if n.is_multiple_of(2) {
        live.containers.push(container("init", Image::new("ghcr.io/acme/shop:sha-a1")));
    }
    live.uid = format!("{}-new", live.uid);
    live
}

/// A target is deleted, or comes back as another object.
fn away(w: &mut World, laws: &mut Laws, n: u8) {
    laws.strangers.insert(id(n));
    let view = match w.targets.get(&id(n)) {
        Some(TargetView::Live(_)) => TargetView::Absent,
        Some(TargetView::Absent) => TargetView::Live(Box::new(fresh(n))),
        _ => return,
    };
    w.targets.insert(id(n), view);
}

fn approve(w: &mut World) {
    let token = w.rel.status.running().and_then(|r| r.promotion.as_ref()).map(|p| p.token.clone());
    if let Some(token) = token {
        w.annotate(annotation::PROMOTE, &token);
    }
}

fn behave(w: &mut World, tag: u8, behaviour: u8) {
    use Behaviour::{CannotAsk, CrashLoop, FailsHealth, FailsSmoke, Healthy, NeverReady, PullError};
    let all = [Healthy, FailsHealth, FailsSmoke, PullError, CrashLoop, NeverReady, CannotAsk];
    let tag_name = TAGS[usize::from(tag % 4)];
    let key = if tag < 4 { tag_name.to_owned() } else { format!("production:{tag_name}") };
    w.behaviour.insert(key, all[usize::from(behaviour)]);
}

/// A result comes twice, or late: of another revision, or of a round before the target was available.
fn results(w: &mut World, stale: bool) {
    let Some(mut result) = w.results.first().cloned().or_else(|| w.last_result.clone()) else { return };
    if stale {
        result.message = "stale".into();
        result.outcome = Outcome::Pass;
        result.id.revision.push('x');
    }
    w.results.push(result);
}

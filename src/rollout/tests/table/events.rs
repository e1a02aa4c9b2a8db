//! What may happen to a Release, wherever it stands.

use super::super::jobs::Ending;
use super::super::workloads::{Behaviour, set_image};
use super::super::world::World;
use crate::api::ask::{AskResult, Outcome};
use crate::api::effect::{Answer, Refused};
use crate::api::status::Step;
use crate::api::time::Duration;
use crate::api::view::TargetView;
use crate::api::{Image, NsName, ReleaseStatus, TargetId, annotation};

pub(super) struct Event {
    pub(super) name: &'static str,
    /// Lets it happen. False: it cannot happen here.
    pub(super) happen: fn(&mut World) -> bool,
}

const fn event(name: &'static str, happen: fn(&mut World) -> bool) -> Event {
    Event { name, happen }
}

pub(super) const ALL: &[Event] = &[
    event("nothing", |_| true),
    event("deletion", |w| {
        w.rel.deleting = true;
        true
    }),
    event("abort, this rollout's id", |w| {
        let Some(id) = w.rel.status.rollout.as_ref().map(|r| r.id.to_string()) else { return false };
        note(w, annotation::ABORT, &id)
    }),
    event("abort, another id", |w| note(w, annotation::ABORT, "99-9")),
    event("the target is deleted", |w| view(w, TargetView::Absent)),
    event("the target is replaced by another object", |w| live(w, |l| l.uid = "uid-other".into())),
    event("somebody sets another image", |w| {
        live(w, |l| set_image(l, "app", Image::new("ghcr.io/acme/shop:human"), "kubectl-edit"))
    }),
    event("the target may not be read", |w| view(w, TargetView::Denied("may not be read".into()))),
    event("the target cannot be reached", |w| view(w, TargetView::Unreachable("no answer".into()))),
    event("another Release has claimed the target", |w| live(w, |l| l.claimed_by = Some(NsName::new("shop", "other")))),
    event("the target becomes available", World::converge),
    event("its image cannot be pulled", |w| behave(w, Behaviour::PullError)),
    event("its container crashes", |w| behave(w, Behaviour::CrashLoop)),
    event("its pods restart with an edited environment", |w| {
        let moved = live(w, |l| l.revision = Some("edited".into()));
        moved && w.rel.status.running().is_some()
    }),
    event("an HPA scales it, not observed yet", |w| {
        live(w, |l| {
            l.generation += 1;
            l.revision = None;
            l.replicas.wanted += 1;
        })
    }),
    event("it is scaled to zero", |w| {
        live(w, |l| {
            l.replicas = Default::default();
            l.pods.clear();
        })
    }),
    event("it is paused", |w| live(w, |l| l.paused = true)),
    event("the hook succeeds", |w| hook_ends(w, Ending::Well)),
    event("the hook fails", |w| hook_ends(w, Ending::Badly)),
    event("the hook's Job is deleted, and stays away", |w| {
        let there = runs_hook(w);
        w.jobs_vanish();
        if there {
            w.turn();
            w.pass(Duration::from_secs(15));
        }
        there
    }),
    event("the hook's timeout passes", |w| {
        w.pass(Duration::from_secs(15 * 60));
        runs_hook(w)
    }),
    event("the checks pass", |w| answer_checks(w, Outcome::Pass)),
    event("a check fails until its budget is spent", |w| answer_checks(w, Outcome::Fail)),
    event("a check cannot be asked until its budget is spent", |w| answer_checks(w, Outcome::Error)),
    event("there is nobody to ask until the budget is spent", |w| answer_checks(w, Outcome::NoData)),
    event("a result that was counted comes again", |w| stray(w, |r| r.id.number -= 1)),
    event("a result of another revision", |w| stray(w, |r| r.id.revision = "other".into())),
    event("a result from before it was available", |w| stray(w, |r| r.at = crate::api::Time::from_millis(0))),
    event("progressDeadline passes", |w| {
        w.pass(Duration::from_secs(600));
        true
    }),
    event("promotion.timeout passes", |w| {
        w.pass(Duration::from_secs(24 * 3600));
        w.step_name() == Step::AwaitingPromotion
    }),
    event("a new tag", |w| {
        w.tag("sha-c3");
        true
    }),
    event("the tag goes back to `sha-a1`", |w| {
        w.tag("sha-a1");
        true
    }),
    event("another edit of the spec", |w| {
        w.edit(|s| {
            use crate::api::spec::Question;
            let Question::Http(http) = &mut s.stages[0].health_checks[0].question else { unreachable!() };
            http.path = Some("/healthz".into());
        });
        true
    }),
    event("suspend: true", |w| {
        w.edit(|s| s.suspend = true);
        true
    }),
    event("suspend: true, and a new tag", |w| {
        w.edit(|s| s.suspend = true);
        w.tag("sha-c3");
        true
    }),
    event("the right token", |w| {
        let token = w.rel.status.running().and_then(|r| r.promotion.as_ref()).map(|p| p.token.clone());
        token.is_some_and(|t| note(w, annotation::PROMOTE, &t))
    }),
    event("the tag as token", |w| note(w, annotation::PROMOTE, "sha-b2")),
    event("a wrong token", |w| note(w, annotation::PROMOTE, "true")),
    event("the token of an earlier rollout", |w| note(w, annotation::PROMOTE, "production:sha-b2#1-1")),
    event("retry", |w| note(w, annotation::RETRY, "again")),
    event("the rollback annotation", |w| note(w, annotation::ROLLBACK, "2-1")),
    event("the write is made", |w| write(w).is_some()),
    event("the write is made, and its answer is lost", |w| write(w).is_some_and(|_| answer(w, ambiguous()))),
    event("the write gets no answer and is not made", |w| intended(w) && answer(w, ambiguous())),
    event("the write meets a newer version (409)", |w| intended(w) && refuse(w, Refused::Conflict, "modified")),
    event("the write is refused by roles (403)", |w| {
        intended(w) && refuse(w, Refused::Forbidden, "User cannot patch resource \"deployments\"")
    }),
    event("the write is refused by admission (403, 422)", |w| {
        intended(w) && refuse(w, Refused::Invalid, "denied the request")
    }),
    event("the write is throttled (429)", |w| intended(w) && refuse(w, Refused::Throttled, "too many requests")),
    event("the status is lost", |w| {
        w.rel.status = ReleaseStatus::default();
        true
    }),
    event("the status is lost, and deletion", |w| {
        w.rel.status = ReleaseStatus::default();
        w.rel.deleting = true;
        true
    }),
];

/// The stage in work.
fn stage(w: &World) -> String {
    w.rel.status.running().and_then(|r| r.stage.clone()).unwrap_or_else(|| "staging".into())
}

fn view(w: &mut World, view: TargetView) -> bool {
    let id = TargetId::new(stage(w), "web");
    w.targets.insert(id, view) != Some(TargetView::Absent)
}

fn live(w: &mut World, change: impl FnOnce(&mut crate::api::view::LiveTarget)) -> bool {
    match w.targets.get_mut(&TargetId::new(stage(w), "web")) {
        Some(TargetView::Live(live)) => {
            change(live);
            true
        }
        _ => false,
    }
}

fn behave(w: &mut World, behaviour: Behaviour) -> bool {
    let stage = stage(w);
    let Some(TargetView::Live(live)) = w.targets.get(&TargetId::new(&stage, "web")) else { return false };
    let tag = live.containers[0].image.short();
    w.behaviour.insert(tag, behaviour);
    w.converge()
}

fn note(w: &mut World, key: &str, value: &str) -> bool {
    w.annotate(key, value);
    true
}

/// All questions of the step in work are answered alike until it is left, or has no more.
fn answer_checks(w: &mut World, outcome: Outcome) -> bool {
    if w.decide().asks.is_empty() {
        return false;
    }
    (w.mute, w.force) = (false, Some(outcome));
    let step = w.step_name();
    for _ in 0..40 {
        if w.step_name() != step {
            break;
        }
        if !w.turn() {
            w.now = w.again.unwrap();
        }
    }
    (w.mute, w.force) = (true, None);
    w.results.clear();
    true
}

fn runs_hook(w: &World) -> bool {
    matches!(w.step_name(), Step::RunningHooks | Step::RunningRollbackHooks)
}

fn hook_ends(w: &mut World, ending: Ending) -> bool {
    for hook in ["migrate", "undo"] {
        w.endings.insert(hook.into(), ending);
    }
    runs_hook(w) && w.jobs_go_on()
}

fn stray(w: &mut World, change: impl FnOnce(&mut AskResult)) -> bool {
    let Some(ask) = w.decide().asks.first().cloned() else { return false };
    let mut result =
        AskResult { id: ask.id, outcome: Outcome::Fail, message: "stray".into(), measured: None, at: w.now };
    change(&mut result);
    w.results.push(result);
    true
}

fn intended(w: &World) -> bool {
    w.next_write().is_some() && w.rel.status.running().is_some()
}

fn write(w: &mut World) -> Option<()> {
    if !intended(w) {
        return None;
    }
    w.answer = Some(w.write(w.next_write()?));
    Some(())
}

fn answer(w: &mut World, answer: Answer) -> bool {
    w.answer = Some(answer);
    true
}

fn refuse(w: &mut World, kind: Refused, message: &str) -> bool {
    answer(w, Answer::Refused { kind, message: message.into() })
}

fn ambiguous() -> Answer {
    Answer::Ambiguous { message: "no answer in time".into() }
}

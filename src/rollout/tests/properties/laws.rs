//! The laws, as they can be read from decisions, writes and the world. Each names what it forbids.

use super::super::play::Fate;
use super::super::world::World;
use super::{deletions, verified};
use crate::api::effect::{Effect, TargetWrite};
use crate::api::hook::HookRun;
use crate::api::spec::{PromotionMode, ReleaseSpec};
use crate::api::status::{ContainerImage, HookStep, Rollout, Step, TargetState, TargetStep};
use crate::api::time::{Duration, Time};
use crate::api::view::TargetView;
use crate::api::{Reason, ReleaseStatus, RolloutId, TargetId, Verb};
use crate::rollout::Decision;
use proptest::test_runner::TestCaseError;
use std::collections::{BTreeMap, BTreeSet};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Decisions that may follow each other at one instant while nothing happens outside.
const BUSY: usize = 30;

#[derive(Clone, Debug, Default)]
pub(in crate::rollout::tests) struct Laws {
    /// Targets that somebody else changed: what runs there is no longer ours to answer for.
    pub(in crate::rollout::tests) strangers: BTreeSet<TargetId>,
    /// What a target ran when its forward write was first intended, by effect.
    before: BTreeMap<String, Vec<ContainerImage>>,
    /// Writes that changed an image, by effect.
    made: BTreeMap<String, usize>,
    /// A lost status may leave numbers and memories behind.
    lost: bool,
    /// The size of what is stored is not looked at.
    pub(in crate::rollout::tests) sizeless: bool,
}

pub(in crate::rollout::tests) type Law = Result<(), TestCaseError>;

pub(in crate::rollout::tests) fn law(holds: bool, what: impl FnOnce() -> String) -> Law {
    if holds { Ok(()) } else { Err(TestCaseError::fail(what())) }
}

/// The Release was deleted, and nothing holds it any more.
pub(in crate::rollout::tests) fn gone(w: &World) -> bool {
    w.rel.deleting && !w.rel.finalizer
}

impl Laws {
    pub(in crate::rollout::tests) fn forget(&mut self, _w: &World) {
        self.lost = true;
    }

    /// Forgets the effects of all rollouts but one: each law speaks of one only.
    pub(in crate::rollout::tests) fn only_of(&mut self, rollout: RolloutId) {
        let of = |effect: &str| effect.split('/').nth(1) == Some(&rollout.to_string());
        self.before.retain(|effect, _| of(effect));
        self.made.retain(|effect, _| of(effect));
    }

    /// One decision under the laws. Whether anything came of it.
    pub(in crate::rollout::tests) fn decide(&mut self, w: &mut World, fate: Fate) -> Result<bool, TestCaseError> {
        if gone(w) {
            return Ok(false);
        }
        let decision = w.decide();
        self.follow(w, decision, fate)
    }

    /// The same of a decision that was taken on `w` already.
    pub(in crate::rollout::tests) fn follow(
        &mut self,
        w: &mut World,
        decision: Decision,
        fate: Fate,
    ) -> Result<bool, TestCaseError> {
        if let Some(Effect::Write(write)) = &decision.effect {
            self.of_write(w, &decision, write)?;
        }
        self.carry(w, decision, fate)
    }

    /// A decision is carried out. That it may write is asked before: of what it was taken on.
    pub(super) fn carry(&mut self, w: &mut World, decision: Decision, fate: Fate) -> Result<bool, TestCaseError> {
        self.of_decision(w, &decision)?;
        verified::stages(w, &decision)?;
        if let Some(Effect::DeletePod(pod)) = &decision.effect {
            deletions::allowed(w, &decision, pod)?;
        }
        if let Some(Effect::RunHook(run)) = &decision.effect {
            self.of_hook(w, &decision, run)?;
        }
        let images = self.images(w);
        let effect = decision.effect.clone();
        let ran = w.rel.status.running().is_some();
        let seen = w.targets.clone();
        let moved = w.carry_out(decision, fate);
        let deleted: BTreeSet<_> = w.deleted.iter().map(|p| &p.uid).collect();
        law(deleted.len() == w.deleted.len(), || format!("a pod was deleted twice: {:?}", w.deleted))?;
        self.of_stored(w, ran, &seen)?;
        self.of_jobs(w)?;
        if let Some(Effect::Write(write)) = effect {
            self.of_change(w, &write, &images)?;
        }
        Ok(moved)
    }

    /// A write that was answered by silence comes to the API server after all.
    pub(in crate::rollout::tests) fn land(&mut self, w: &mut World, write: TargetWrite) -> Law {
        let images = self.images(w);
        w.write(write.clone());
        // A look from before is no other than one right before it came.
        w.past.remove(&TargetId::new(&write.stage, &write.target));
        self.of_change(w, &write, &images)
    }

    fn of_change(&mut self, w: &World, write: &TargetWrite, before: &[String]) -> Law {
        if self.images(w) == before {
            return Ok(());
        }
        let made = self.made.entry(write.stamp.effect.to_string()).or_default();
        *made += 1;
        law(*made == 1, || format!("{} changed its target twice", write.stamp.effect))
    }

    fn images(&self, w: &World) -> Vec<String> {
        let live = w.targets.values().filter_map(|v| match v {
            TargetView::Live(l) => Some(l.containers.iter().map(|c| c.image.to_string()).collect::<Vec<_>>().join(",")),
            _ => None,
        });
        live.collect()
    }

    /// Decides until nothing more follows and nothing more happens, `steps` of the clock at most. Whether it came to rest.
    pub(in crate::rollout::tests) fn run(&mut self, w: &mut World, steps: usize) -> Result<bool, TestCaseError> {
        for _ in 0..steps {
            let mut turns = 0;
            loop {
                let moved = self.decide(w, Fate::Done)?;
                let grown = w.converge();
                if !moved && !grown {
                    break;
                }
                turns += 1;
                law(turns < BUSY, || format!("no rest in {:?}: {}", w.step_name(), w.message()))?;
            }
            match w.again.filter(|_| !gone(w)) {
                // Asked again in a day: that is rest.
                Some(at) if w.rel.status.running().is_none() && at > w.now.plus(DAY) => return Ok(true),
                // While it waits for a person nothing else happens, however often verified stages are asked.
                Some(at) if at > w.now => w.now = expiry(w).unwrap_or(at).max(at),
                Some(_) => return Err(TestCaseError::fail(format!("woken in the past: {}", w.message()))),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    pub(in crate::rollout::tests) fn run_out(&mut self, w: &mut World) -> Result<bool, TestCaseError> {
        self.run(w, 300)
    }

    fn of_decision(&self, w: &World, decision: &Decision) -> Law {
        let (before, after) = (&w.rel.status, &decision.status);
        if after.announcements != before.announcements {
            let (announced, announcements) = (before.announced.clone(), before.announcements);
            let quiet = ReleaseStatus { announced, announcements, ..after.clone() };
            law(quiet != *before, || format!("announced though nothing changed: {:?}", after.announced))?;
        }
        law(after.observed_generation <= w.rel.generation, || "a generation was observed that is not there".into())?;
        match &decision.effect {
            Some(Effect::RemoveFinalizer) => {
                law(after.running().is_none(), || "the finalizer goes while a rollout runs".into())?;
            }
            Some(Effect::Write(_)) => law(w.rel.finalizer, || "a write without a finalizer".into())?,
            _ => {}
        }
        let (Some(old), Some(new)) = (&before.rollout, &after.rollout) else { return Ok(()) };
        if old.id != new.id {
            return Ok(());
        }
        law(old.step != Step::Ended || new == old, || format!("{} changed after its end", old.id))?;
        for (a, b) in old.stages.iter().flat_map(|s| &s.targets).zip(new.stages.iter().flat_map(|s| &s.targets)) {
            // What is adopted is never taken back: of it the way back is only noted.
            let open = |s: TargetStep| matches!(s, TargetStep::Untouched | TargetStep::Adopted);
            let chosen = !open(a.state) && !open(b.state);
            law(!chosen || a.way_back == b.way_back, || format!("the way back of {} was chosen anew", a.workload))?;
        }
        Ok(())
    }

    pub(super) fn of_write(&mut self, w: &World, decision: &Decision, write: &TargetWrite) -> Law {
        let Some(rollout) = decision.status.running() else {
            return law(false, || "a write with nothing running".into());
        };
        let effect = write.stamp.effect.clone();
        let parts = effect.parts().unwrap();
        law(parts.rollout == rollout.id, || format!("{effect} is not of rollout {}", rollout.id))?;
        let state = rollout.stage_state(&write.stage).unwrap().targets.iter().find(|t| t.name == write.target).unwrap();
        law(state.effect.as_ref() == Some(&effect), || format!("{effect} is not the stored intent"))?;
        let Some(back) = &state.way_back else { return law(false, || format!("{effect} without a way back")) };
        let spec: ReleaseSpec = serde_json::from_value(rollout.spec.clone().unwrap()).unwrap();
        let (at, stage) = spec.stage(&write.stage).unwrap();
        let target = stage.targets.iter().find(|t| t.name == write.target).unwrap();
        let listed = |c: &ContainerImage| target.containers().contains(&c.container);
        law(write.images.iter().all(listed), || format!("{effect} names a container that is not listed"))?;
        law(write.images.len() == target.containers().len(), || format!("{effect} leaves a container out"))?;
        let id = TargetId::new(&write.stage, &write.target);
        let Some(TargetView::Live(live)) = w.targets.get(&id) else { return law(false, || "a blind write".into()) };
        let runs = live.images(target.containers());
        let names = |images: &[ContainerImage]| images.iter().map(|i| i.image.clone()).collect::<Vec<_>>();
        let debts: Vec<_> = decision.status.debts.iter().map(|b| names(&b.written)).collect();
        match parts.verb {
            Verb::Forward => {
                law(names(&write.images).iter().all(|i| *i == rollout.image), || {
                    format!("{effect} brings another image")
                })?;
                let owes = decision.status.debts.iter().any(|b| b.stage == write.stage && b.target == write.target);
                let done = |name: &String| {
                    let mut hooks = rollout.stage_state(&write.stage).unwrap().hooks.iter();
                    hooks.any(|h| h.name == *name && h.state == HookStep::Succeeded)
                };
                law(stage.hooks.iter().all(|h| done(&h.name)), || format!("{effect} before its hooks"))?;
                // Somebody else's image was there, and what is brought is what was verified before it.
                let stable = decision.status.stable.iter().any(|s| {
                    s.stage == write.stage && s.target == write.target && names(&s.images) == names(&back.images)
                });
                law(owes || stable || names(&back.images) != names(&write.images), || {
                    format!("{effect}: the way back is the image")
                })?;
                self.approved(rollout, &spec, at)?;
                let found = self.before.entry(effect.to_string()).or_insert_with(|| runs.clone());
                // An intent that was taken back and begun anew looks anew.
                if state.intents <= 1 {
                    *found = runs.clone();
                }
                law(names(found) == names(&runs), || format!("{effect} goes over an image that came after the intent"))
            }
            Verb::Restore => {
                let barred = rollout.stage_state(&write.stage).unwrap().hooks.iter();
                let barred = barred.filter(|h| h.irreversible && h.state == HookStep::Succeeded).count();
                let ordered = rollout.cause.as_ref().is_some_and(|c| c.reason == Reason::RollbackRequested);
                law(barred == 0 || ordered, || format!("{effect} goes back over an irreversible hook"))?;
                law(names(&write.images) == names(&back.images), || {
                    format!("{effect} brings something else than the way back")
                })?;
                let ours = names(&runs).iter().all(|i| *i == rollout.image) || debts.contains(&names(&runs));
                law(ours, || format!("{effect} goes over {runs:?}"))
            }
        }
    }

    /// A hook is intended before it is begun, of an approved stage that is not written, and of each effect once.
    fn of_hook(&self, w: &World, decision: &Decision, run: &HookRun) -> Law {
        let Some(rollout) = decision.status.running() else {
            return law(false, || "a hook with nothing running".into());
        };
        let effect = run.effect().to_string();
        let stage = rollout.stage_state(rollout.stage.as_deref().unwrap_or_default()).unwrap();
        let undo = effect.ends_with("/undo");
        let intended = if undo { &stage.on_rollback } else { &stage.hooks };
        law(intended.iter().any(|h| h.effect.as_str() == effect && h.state == HookStep::Starting), || {
            format!("{effect} is not the stored intent")
        })?;
        law(w.rel.finalizer, || format!("{effect} without a finalizer"))?;
        let before = intended.iter().take_while(|h| h.effect.as_str() != effect);
        law(before.into_iter().all(|h| h.state == HookStep::Succeeded), || format!("{effect} before its turn"))?;
        if !undo {
            let spec: ReleaseSpec = serde_json::from_value(rollout.spec.clone().unwrap()).unwrap();
            self.approved(rollout, &spec, spec.stage(&stage.name).unwrap().0)?;
            let written =
                |t: &TargetState| t.effect.as_ref().and_then(|e| e.parts()).is_some_and(|p| p.rollout == rollout.id);
            law(!stage.targets.iter().any(written), || format!("{effect} after the first write"))?;
        }
        Ok(())
    }

    /// No Job is created twice for one effect, and no version goes over what an irreversible hook did but by order.
    fn of_jobs(&self, w: &World) -> Law {
        let mut effects: Vec<_> = w.created.clone();
        effects.sort();
        let twice = effects.windows(2).find(|p| p[0] == p[1]);
        law(twice.is_none() || self.lost, || format!("{twice:?} was run twice"))
    }

    fn approved(&self, rollout: &Rollout, spec: &ReleaseSpec, at: usize) -> Law {
        if spec.promotion(at).mode == PromotionMode::Automatic {
            return Ok(());
        }
        let stage = &spec.stages[at].name;
        let tag = rollout.image.short();
        let right = [format!("{stage}:{tag}#{}", rollout.id), format!("{stage}:{tag}"), tag];
        let given = rollout.approvals.iter().find(|a| a.stage == *stage);
        let stale =
            |token: &String| token.split('#').nth(1).is_none() && rollout.promote_at_start.as_ref() == Some(token);
        law(given.is_some_and(|a| right.contains(&a.token) && !stale(&a.token)), || {
            format!("{stage} is written without an approval: {given:?}")
        })
    }

    fn of_stored(&self, w: &World, ran: bool, seen: &BTreeMap<TargetId, TargetView>) -> Law {
        let status = &w.rel.status;
        if !self.sizeless {
            let rollout = status.rollout.clone().map(|r| Rollout { spec: None, ..r });
            let size = serde_json::to_string(&ReleaseStatus { rollout, ..status.clone() }).unwrap().len();
            law(size < 64 * 1024, || format!("the status is {size} bytes"))?;
        }
        law(status.history.len() <= 10 && status.quarantine.len() <= 20 && status.debts.len() <= 16, || {
            "too long a list".into()
        })?;
        let Some(rollout) = &status.rollout else { return Ok(()) };
        let stale = rollout.stages.iter().flat_map(|s| &s.checks).any(|c| c.message.as_deref() == Some("stale"));
        law(!stale, || "a stale result was counted".into())?;
        if rollout.step != Step::Ended || !ran {
            return Ok(());
        }
        verified::end(status.phase, seen, rollout)
    }

    /// With what is broken left broken: a rollout has ended, or waits for something that people can see.
    pub(in crate::rollout::tests) fn waits_for_somebody(&self, w: &World, rested: bool) -> Law {
        if gone(w) {
            return Ok(());
        }
        let Some(rollout) = w.rel.status.running() else { return self.owes_nothing_unsaid(w) };
        // One whose first write is refused chooses its way back anew for each try.
        let before = matches!(rollout.step, Step::Preflight | Step::ChoosingWayBack);
        let blocked = before && rollout.blocked.is_some();
        let said = w.condition("Stalled").is_some_and(|c| c.1 == "RollbackFailed");
        law(blocked || said, || format!("{:?} goes on for ever (at rest: {rested}): {}", rollout.step, w.message()))?;
        law(!w.rel.deleting, || format!("a deletion waits in {:?}: {}", rollout.step, w.message()))
    }

    pub(in crate::rollout::tests) fn all_has_ended(&self, w: &World) -> Law {
        if gone(w) {
            return Ok(());
        }
        law(w.rel.status.running().is_none(), || format!("{:?} does not end: {}", w.step_name(), w.message()))?;
        law(!w.rel.finalizer, || format!("the finalizer stays: {}", w.message()))?;
        self.owes_nothing_unsaid(w)
    }

    /// What we wrote and never verified is either taken back or remembered.
    fn owes_nothing_unsaid(&self, w: &World) -> Law {
        for (id, view) in w.targets.iter().filter(|(id, _)| !self.strangers.contains(*id) && !self.lost) {
            let TargetView::Live(live) = view else { continue };
            let Some(stamp) = live.stamp.as_ref().filter(|s| live.runs(&s.images)) else { continue };
            if stamp.effect.parts().is_none_or(|p| p.verb == Verb::Restore) {
                continue;
            }
            let stable = w
                .rel
                .status
                .stable
                .iter()
                .any(|s| s.stage == id.stage && s.target == id.target && live.runs(&s.images));
            let debt = w
                .rel
                .status
                .debts
                .iter()
                .any(|b| b.stage == id.stage && b.target == id.target && live.runs(&b.written));
            law(stable || debt, || {
                format!("{id} runs what was never verified, and nobody remembers: {}", w.message())
            })?;
        }
        Ok(())
    }
}

/// Until when it waits for a person.
pub(in crate::rollout::tests) fn expiry(w: &World) -> Option<Time> {
    let rollout = w.rel.status.running().filter(|r| matches!(r.step, Step::AwaitingPromotion | Step::Holding))?;
    let waits = rollout.promotion.as_ref()?;
    let (at, _) = w.rel.spec.stage(&waits.stage)?;
    Some(waits.since.plus(w.rel.spec.promotion(at).timeout))
}

//! Hooks: work done once per rollout and stage, before the first write; and what undoes it when the stage is taken back.
//!
//! A hook is never run twice: its Job has a name of its own, its ECS task a client token, which is stored before it is
//! created, and one that is gone after it was created is not created again.

use super::draft::{Draft, Flow, Work};
use super::preflight::Blocked;
use super::{ReleaseView, entry, jobs, restore, supersede, tasks};
use crate::api::hook::{HookLook, HookRun, HookView};
use crate::api::spec::{Hook, HookKind, ReleaseSpec, Stage};
use crate::api::status::{Cause, HookState, HookStep, Rollout, StageState, Step};
use crate::api::time::Duration;
use crate::api::{EffectId, HookId, Reason, RolloutId};

mod follow;
mod undo;

pub(super) use follow::pause;
pub(super) use undo::{may_be_undone, not_undone, to_be_undone, undo, undone_at};

/// The name under which it is asked whether a hook could be run: no rollout ever has this id.
const NONE: RolloutId = RolloutId { generation: 0, attempt: 0 };

/// Which hook of which rollout, and what it is made from.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) rel: &'a ReleaseView,
    pub(super) spec: &'a ReleaseSpec,
    pub(super) stage: &'a Stage,
    pub(super) id: &'a HookId,
    pub(super) rollout: RolloutId,
}

impl Planned<'_> {
    pub(super) fn effect(&self) -> EffectId {
        EffectId::of_hook(&self.rel.uid, self.rollout, self.id)
    }
}

/// Whether hooks could be run.
pub(super) enum Ready {
    Yes,
    /// What they are made from was not looked at for this decision.
    NotLookedAt,
    Blocked(Blocked),
}

/// What became of the hook whose turn it is.
enum Turn {
    Wait,
    /// It succeeded.
    Next,
    /// It is over, and was not done.
    Over(Cause),
    /// None is left.
    Done,
}

/// What must be looked at. `starts`: a rollout is about to.
pub(super) fn looks(rel: &ReleaseView, starts: bool) -> Vec<(HookId, HookLook)> {
    let Some(rollout) = rel.status.running() else {
        let stages = rel.spec.stages.iter().filter(|_| starts);
        return stages.flat_map(|s| fit(rel, &rel.spec, s, None)).collect();
    };
    let frozen = rollout.spec.as_ref().map(|s| serde_json::from_value::<ReleaseSpec>(s.clone()));
    let spec = match frozen {
        None => rel.spec.clone(),
        Some(Ok(spec)) => spec,
        Some(Err(_)) => return vec![],
    };
    let Some((at, stage)) = rollout.stage.as_ref().and_then(|s| spec.stage(s)) else { return vec![] };
    match rollout.step {
        Step::Preflight => {
            let last = if rollout.spec.is_some() { at + 1 } else { spec.stages.len() };
            let stages = spec.stages[at..last].iter();
            stages.flat_map(|s| fit(rel, &spec, s, rollout.stage_state(&s.name))).collect()
        }
        Step::RunningHooks | Step::RunningRollbackHooks => {
            let undo = rollout.step == Step::RunningRollbackHooks;
            let found = |state: &StageState| {
                let under_way = states(state, undo).iter().find(|h| h.under_way())?;
                let hook = list(stage, undo).iter().find(|h| h.name == under_way.name)?;
                let id = id(stage, hook, undo);
                let of = Planned { rel, spec: &spec, stage, id: &id, rollout: rollout.id };
                let run = run_of(of, hook, hook.timeout(), Some(under_way))?;
                Some((id, HookLook::Found(run)))
            };
            rollout.stage_state(&stage.name).and_then(found).into_iter().collect()
        }
        _ => vec![],
    }
}

/// Whether the hooks of the stage in work, or of all stages from there on (`all`), could be run.
pub(super) fn ready(d: &Draft, w: &Work, all: bool) -> Ready {
    let last = if all { w.spec.stages.len() } else { w.at + 1 };
    for (at, stage) in w.spec.stages.iter().enumerate().take(last).skip(w.at) {
        if entry::runs_already(d, w, stage) {
            continue;
        }
        for (id, hook) in not_begun(stage, w.rollout.stages.get(at)) {
            match d.obs.hooks.get(&id) {
                Some(HookView::Unfit { reason, message }) => {
                    let message = format!("hook {} of {}: {message}", hook.name, stage.name);
                    return Ready::Blocked(Blocked { reason: *reason, message });
                }
                Some(HookView::Unreachable(message)) => {
                    let message = format!("hook {} of {}: {message}", hook.name, stage.name);
                    return Ready::Blocked(Blocked { reason: Reason::TargetUnreachable, message });
                }
                Some(HookView::Fit) => {}
                // They were, when the way back began to be chosen.
                _ if w.rollout.step == Step::ChoosingWayBack => {}
                _ => return Ready::NotLookedAt,
            }
        }
    }
    Ready::Yes
}

/// Runs the hooks of the stage in work, then writes it.
pub(super) fn advance(d: &mut Draft, w: &mut Work) -> Flow {
    match follow::next(d, w, false) {
        Turn::Wait => Flow::Stay,
        Turn::Over(why) => {
            let why = w.rollout.cause.clone().unwrap_or(why);
            restore::fail_stage(d, w, why)
        }
        Turn::Next | Turn::Done if w.rollout.cause.is_some() => {
            let Some(why) = w.rollout.cause.clone() else { return Flow::Stay };
            restore::fail_stage(d, w, why)
        }
        Turn::Next | Turn::Done if supersede::newer(d, w).is_some() => {
            // Who makes room for whom depends on the targets, which were not looked at meanwhile.
            d.look_again(d.now);
            w.rollout.step = Step::Preflight;
            Flow::Stay
        }
        Turn::Next => Flow::Go,
        Turn::Done => {
            let now = d.now;
            w.state_mut().first_write_at = Some(now);
            // The targets were not looked at meanwhile.
            d.look_again(now);
            w.rollout.step = Step::Rolling;
            Flow::Stay
        }
    }
}

/// Tells the hook that is at work to end, for `why`. Whether one is.
pub(super) fn stop(w: &mut Work, why: &Cause) -> bool {
    let at_work = w.rollout.step == Step::RunningHooks && w.state().hooks.iter().any(HookState::under_way);
    if at_work && w.rollout.cause.is_none() {
        w.rollout.cause = Some(why.clone());
    }
    at_work
}

/// Whether a hook of the stage was begun in this rollout.
pub(super) fn begun(state: &StageState) -> bool {
    !state.hooks.is_empty()
}

/// Whether a hook is left to be run before the stage is written.
pub(super) fn open(w: &Work) -> bool {
    !w.stage().hooks.is_empty() && !all_done(w, false)
}

/// The hook that has succeeded and cannot be undone.
pub(super) fn irreversible(state: &StageState) -> Option<&str> {
    let done = state.hooks.iter().find(|h| h.irreversible && h.state == HookStep::Succeeded);
    done.map(|h| h.name.as_str())
}

/// Whether only a person may take the stage in work back: for a hook of this rollout, or of one whose debt is not paid.
pub(super) fn barred(d: &Draft, w: &Work) -> bool {
    let stage = &w.stage().name;
    irreversible(w.state()).is_some() || d.status.debts.iter().any(|b| b.irreversible && b.stage == *stage)
}

/// How a hook is spoken of.
fn note(hook: &str, stage: &str, message: &str) -> String {
    format!("hook {hook} of {stage}: {message}")
}

/// Which hook is at work, for people.
pub(super) fn said(rollout: &Rollout, undo: bool) -> String {
    let stage = rollout.stage.as_ref().and_then(|s| rollout.stage_state(s));
    let Some(hook) = stage.and_then(|s| states(s, undo).last()) else { return "its hooks are being run".into() };
    let place = place(hook).map(|p| format!(" ({p})")).unwrap_or_default();
    let of_task = hook.task.as_ref().and_then(|t| t.again_at);
    let refused = hook.job.as_ref().and_then(|j| j.again_at).or(of_task).is_some();
    let doing = match (hook.stop_at.is_some(), undo) {
        (true, _) => "is being stopped",
        (false, _) if refused => "is to be run again",
        (false, true) => "undoes what its hooks did",
        (false, false) => "is at work",
    };
    let more = hook.message.as_ref().map(|m| format!(": {m}")).unwrap_or_default();
    format!("hook {}{place} {doing}{more}", hook.name)
}

/// Where its work is done, for people.
fn place(hook: &HookState) -> Option<String> {
    let job = hook.job.as_ref().map(|j| format!("Job {}/{}", j.namespace, j.name));
    let task = || {
        let task = hook.task.as_ref()?;
        Some(match task.id() {
            Some(id) => format!("ECS task {}/{id}", task.cluster),
            None => format!("its ECS task in {}", task.cluster),
        })
    };
    job.or_else(task)
}

/// The hook as it is run, in `timeout` from now on. `state`: how it stands, once it was begun. `None`: it has nothing to
/// run beside.
fn run_of(of: Planned, hook: &Hook, timeout: Duration, state: Option<&HookState>) -> Option<HookRun> {
    match &hook.kind {
        HookKind::Job(job) => Some(jobs::of_hook(of, job, timeout)),
        HookKind::EcsTask(task) => tasks::of_hook(of, task, state.and_then(|s| s.task.as_ref())),
    }
}

fn list(stage: &Stage, undo: bool) -> &[Hook] {
    if undo { &stage.on_rollback } else { &stage.hooks }
}

fn states(state: &StageState, undo: bool) -> &[HookState] {
    if undo { &state.on_rollback } else { &state.hooks }
}

fn states_mut(w: &mut Work, undo: bool) -> &mut Vec<HookState> {
    let state = w.state_mut();
    if undo { &mut state.on_rollback } else { &mut state.hooks }
}

fn all_done(w: &Work, undo: bool) -> bool {
    list(w.stage(), undo).iter().all(|h| {
        let mut states = states(w.state(), undo).iter();
        states.any(|s| s.name == h.name && s.state == HookStep::Succeeded)
    })
}

fn id(stage: &Stage, hook: &Hook, on_rollback: bool) -> HookId {
    HookId { stage: stage.name.clone(), hook: hook.name.clone(), on_rollback }
}

fn not_begun<'a>(stage: &'a Stage, state: Option<&'a StageState>) -> impl Iterator<Item = (HookId, &'a Hook)> {
    let both = [false, true].into_iter().flat_map(|undo| list(stage, undo).iter().map(move |h| (undo, h)));
    let begun = move |undo: bool, h: &Hook| state.is_some_and(|s| states(s, undo).iter().any(|b| b.name == h.name));
    both.filter(move |(undo, h)| !begun(*undo, h)).map(|(undo, h)| (id(stage, h, undo), h))
}

fn fit(rel: &ReleaseView, spec: &ReleaseSpec, stage: &Stage, state: Option<&StageState>) -> Vec<(HookId, HookLook)> {
    let look = |(id, hook): (HookId, &Hook)| {
        let run = run_of(Planned { rel, spec, stage, id: &id, rollout: NONE }, hook, hook.timeout(), None)?;
        Some((id, HookLook::Fit(run)))
    };
    not_begun(stage, state).filter_map(look).collect()
}

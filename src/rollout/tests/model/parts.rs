//! Worlds cut into parts, each of which is kept once: a world is then a few numbers.

use super::super::jobs::SimJob;
use super::super::properties::laws::Laws;
use super::super::workloads::Behaviour;
use super::super::world::World;
use super::acts::Play;
use super::normal::normalize;
use crate::api::ask::AskResult;
use crate::api::effect::{Answer, Refused, TargetWrite};
use crate::api::view::{LiveTarget, TargetView};
use crate::api::{NsName, Reason, ReleaseSpec, ReleaseStatus, TargetId};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, RwLock};

/// One world: the numbers of its parts.
pub(super) type Ids = [u32; 9];
pub(super) const STATUS: usize = 0;
pub(super) const FRONT: usize = 1;
pub(super) const TALK: usize = 2;
pub(super) const ENV: usize = 3;
pub(super) const GHOST: usize = 4;
pub(super) const JOBS: usize = 5;
pub(super) const PAST: usize = 6;
pub(super) const TARGETS: usize = 7;

/// The Release without its status.
#[derive(Debug)]
struct Front {
    generation: i64,
    deleting: bool,
    finalizer: bool,
    annotations: BTreeMap<String, String>,
    spec: ReleaseSpec,
}

/// What is in the controller's memory, and under way.
#[derive(Debug)]
struct Talk {
    results: Vec<AskResult>,
    last_result: Option<AskResult>,
    answer: Option<Answer>,
    late: Option<TargetWrite>,
}

/// What the controller sees beside the targets.
#[derive(Debug)]
struct Jobs {
    jobs: BTreeMap<NsName, SimJob>,
    created: Vec<String>,
    unfit: Option<(Reason, String)>,
}

/// What the adversary has arranged: the controller sees what comes of it, and not before somebody is asked or
/// something is done.
#[derive(Debug)]
struct Env {
    behaviour: BTreeMap<String, Behaviour>,
    refuse: Option<(Refused, String)>,
    deleted: Vec<crate::api::effect::PodDeletion>,
    endings: BTreeMap<String, super::super::jobs::Ending>,
}

#[derive(Debug)]
struct Place {
    view: Option<TargetView>,
    hidden: Option<TargetView>,
    edits: Option<u32>,
}

/// Every part that was ever seen.
pub(super) struct Parts {
    template: World,
    targets: Vec<TargetId>,
    /// Whether a result that was given may be given again.
    again: bool,
    status: Pool<ReleaseStatus>,
    front: Pool<Front>,
    talk: Pool<Talk>,
    env: Pool<Env>,
    jobs: Pool<Jobs>,
    ghost: Pool<Laws>,
    past: Pool<BTreeMap<TargetId, LiveTarget>>,
    places: Pool<Place>,
}

struct Pool<T> {
    known: Mutex<HashMap<u128, u32>>,
    values: RwLock<Vec<Arc<T>>>,
}

impl<T: Debug> Pool<T> {
    fn new() -> Self {
        Self { known: Mutex::default(), values: RwLock::default() }
    }
    fn number(&self, value: T) -> u32 {
        let key = fingerprint(&value);
        let mut known = self.known.lock().unwrap();
        *known.entry(key).or_insert_with(|| {
            let mut values = self.values.write().unwrap();
            values.push(Arc::new(value));
            u32::try_from(values.len() - 1).unwrap()
        })
    }
    fn value(&self, number: u32) -> Arc<T> {
        self.values.read().unwrap()[number as usize].clone()
    }
    fn len(&self) -> usize {
        self.values.read().unwrap().len()
    }
}

impl Parts {
    pub(super) fn new(start: &World, again: bool) -> Self {
        let mut template = start.clone();
        template.rel.status = ReleaseStatus::default();
        let targets: Vec<_> = start.targets.keys().cloned().collect();
        assert!(TARGETS + targets.len() <= Ids::default().len(), "too many targets");
        template.targets.clear();
        template.plain = true;
        Self {
            template,
            targets,
            again,
            status: Pool::new(),
            front: Pool::new(),
            talk: Pool::new(),
            env: Pool::new(),
            jobs: Pool::new(),
            ghost: Pool::new(),
            past: Pool::new(),
            places: Pool::new(),
        }
    }

    /// Which part a target is.
    pub(super) fn place(&self, target: &TargetId) -> usize {
        TARGETS + self.targets.iter().position(|t| t == target).unwrap()
    }
    pub(super) fn places(&self) -> std::ops::Range<usize> {
        TARGETS..TARGETS + self.targets.len()
    }

    /// Brings `play` to its normal form and numbers those parts that `changed` holds; the others are those of `before`.
    pub(super) fn take(&self, mut play: Play, before: &Ids, changed: &[usize]) -> Ids {
        normalize(&mut play);
        let Play { w, laws, late } = play;
        let World { rel, mut targets, mut hidden, edits, results, last_result, answer, .. } = w;
        let mut ids = *before;
        let mut fresh = |part: usize, number: &mut dyn FnMut() -> u32| {
            if changed.contains(&part) {
                ids[part] = number();
            }
        };
        let mut status = Some(rel.status);
        fresh(STATUS, &mut || self.status.number(status.take().unwrap()));
        let (generation, deleting, finalizer) = (rel.generation, rel.deleting, rel.finalizer);
        let mut front = Some(Front { generation, deleting, finalizer, annotations: rel.annotations, spec: rel.spec });
        fresh(FRONT, &mut || self.front.number(front.take().unwrap()));
        let last_result = last_result.filter(|_| self.again);
        let mut talk = Some(Talk { results, last_result, answer, late });
        fresh(TALK, &mut || self.talk.number(talk.take().unwrap()));
        let (behaviour, refuse, endings, deleted) = (w.behaviour, w.refuse, w.endings, w.deleted);
        let mut env = Some(Env { behaviour, refuse, deleted, endings });
        let mut jobs = Some(Jobs { jobs: w.jobs, created: w.created, unfit: w.unfit });
        fresh(JOBS, &mut || self.jobs.number(jobs.take().unwrap()));
        fresh(ENV, &mut || self.env.number(env.take().unwrap()));
        let mut laws = Some(laws);
        fresh(GHOST, &mut || self.ghost.number(laws.take().unwrap()));
        let mut past = Some(w.past);
        fresh(PAST, &mut || self.past.number(past.take().unwrap()));
        for (i, target) in self.targets.iter().enumerate() {
            fresh(TARGETS + i, &mut || {
                let (view, hidden) = (targets.remove(target), hidden.remove(target));
                self.places.number(Place { view, hidden, edits: edits.get(target).copied() })
            });
        }
        ids
    }

    /// All parts are new.
    pub(super) fn take_all(&self, play: Play) -> Ids {
        let all: Vec<usize> = (0..TARGETS + self.targets.len()).collect();
        self.take(play, &Ids::default(), &all)
    }

    pub(super) fn play(&self, ids: &Ids) -> Play {
        let mut w = self.template.clone();
        w.rel.status = (*self.status.value(ids[STATUS])).clone();
        let front = self.front.value(ids[FRONT]);
        (w.rel.generation, w.rel.deleting, w.rel.finalizer) = (front.generation, front.deleting, front.finalizer);
        w.rel.annotations = front.annotations.clone();
        w.rel.spec = front.spec.clone();
        let talk = self.talk.value(ids[TALK]);
        (w.results, w.last_result) = (talk.results.clone(), talk.last_result.clone());
        w.answer = talk.answer.clone();
        let env = self.env.value(ids[ENV]);
        w.behaviour = env.behaviour.clone();
        (w.refuse, w.deleted, w.endings) = (env.refuse.clone(), env.deleted.clone(), env.endings.clone());
        let jobs = self.jobs.value(ids[JOBS]);
        (w.jobs, w.created, w.unfit) = (jobs.jobs.clone(), jobs.created.clone(), jobs.unfit.clone());
        w.past = (*self.past.value(ids[PAST])).clone();
        for (i, target) in self.targets.iter().enumerate() {
            let place = self.places.value(ids[TARGETS + i]);
            w.targets.extend(place.view.clone().map(|v| (target.clone(), v)));
            w.hidden.extend(place.hidden.clone().map(|v| (target.clone(), v)));
            w.edits.extend(place.edits.map(|e| (target.clone(), e)));
        }
        Play { w, laws: (*self.ghost.value(ids[GHOST])).clone(), late: talk.late.clone() }
    }

    /// Whether no target was written yet.
    pub(super) fn unwritten(&self, ids: &Ids) -> bool {
        self.past.value(ids[PAST]).is_empty()
    }

    pub(super) fn sizes(&self) -> String {
        let [status, front, talk] = [self.status.len(), self.front.len(), self.talk.len()];
        let [env, ghost, places] = [self.env.len(), self.ghost.len(), self.places.len()];
        let (jobs, past) = (self.jobs.len(), self.past.len());
        format!(
            "{status} statuses, {front} fronts, {talk} talks, {env} envs, {jobs} jobs, {ghost} ghosts, {past} pasts, {places} places"
        )
    }
}

thread_local! {
    static TEXT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// Of everything that `Debug` shows, which is every field.
fn fingerprint(value: &impl Debug) -> u128 {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        write!(text, "{value:?}").unwrap();
        let (mut a, mut b) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            let x = u64::from_le_bytes(eight);
            a = (a ^ x).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23);
            b = (b.rotate_left(29) ^ x).wrapping_mul(0x9fb2_1c65_1e98_df25);
            a ^= a >> 31;
            b ^= b >> 33;
        }
        (u128::from(a) << 64 | u128::from(b)) ^ text.len() as u128
    })
}

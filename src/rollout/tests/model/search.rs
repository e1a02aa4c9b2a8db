//! Breadth first through everything that may happen, level by level, in two threads.
//!
//! A state is a world and what the adversary has left. What follows from one is worked out in [`super::steps`].

use super::super::properties::adversary::Move;
use super::super::world::World;
use super::acts::{Act, Budget, Play};
use super::leads::{Lead, Situation};
use super::parts::{Ids, Parts};
use super::steps::{Expanded, Seen};
use super::table::{Memo, Table};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A world, and what the adversary has left.
type State = (u32, Budget);
/// A state, and the state and act that led there.
type Found = (State, u32, Act);

pub(super) const THREADS: usize = 2;

/// One search: where it begins, what may happen, and how often.
pub(super) struct Config {
    pub name: &'static str,
    pub start: fn() -> World,
    /// Where it begins beside the start.
    pub leads: Vec<Lead>,
    pub acts: Vec<Act>,
    pub budget: Budget,
    /// Once there are so many states, no further level is begun.
    pub most: usize,
    /// Of so many worlds of the level that was not begun, one is followed to its end.
    pub outermost: u32,
    /// Of so many worlds one is mended, and played to its end.
    pub mended: usize,
    /// Each level is printed.
    pub told: bool,
}

pub(super) struct Search {
    pub config: Config,
    pub parts: Parts,
    pub worlds: Table<Ids>,
    pub(super) expanded: Memo<u32, Expanded>,
    pub(super) fates: Memo<u32, Vec<(Act, u32)>>,
    pub(super) seen: Memo<Ids, Seen>,
    pub(super) looked: Memo<(Ids, u8), Seen>,
    pub(super) carried: Memo<(Ids, Act), Ids>,
    pub(super) moves: Memo<(Act, [u32; 6]), Vec<u32>>,
    /// Where it begins: the first states.
    pub situations: Vec<Situation>,
    /// World, what is left, and the state and act that led there; those where it begins led to themselves.
    pub states: Vec<(u32, Budget, u32, Act)>,
    pub transitions: AtomicUsize,
}

/// What went wrong, where, and after which act.
pub(super) struct Violation {
    pub state: u32,
    pub act: Option<Act>,
    pub what: String,
}

impl Search {
    pub(super) fn new(config: Config) -> Self {
        let mut play = Play { w: (config.start)(), laws: Default::default(), late: None };
        play.laws.sizeless = true;
        play.w.plain = true;
        let dear = |m: Move| config.acts.contains(&Act::Do(m));
        let parts = Parts::new(&play.w, dear(Move::DuplicateResult) || dear(Move::StaleResult));
        let start = parts.take_all(play);
        let worlds = Table::default();
        let first = worlds.number(start);
        let states = vec![(first, config.budget, 0, Act::Tick)];
        Self {
            config,
            parts,
            worlds,
            expanded: Memo::default(),
            fates: Memo::default(),
            seen: Memo::default(),
            looked: Memo::default(),
            carried: Memo::default(),
            moves: Memo::default(),
            situations: vec![Situation { name: "a new tag".into(), acts: vec![] }],
            states,
            transitions: AtomicUsize::new(0),
        }
    }

    /// Decisions that were taken: the same sight gives the same one.
    pub(super) fn decisions(&self) -> usize {
        self.seen.len()
    }

    /// Every state that can be reached from the situations; where there are too many, those of so many acts. Gives how
    /// many, if it was cut.
    pub(super) fn run(&mut self) -> Result<Option<usize>, Violation> {
        let mut depth = 0;
        let mut known: HashSet<State> = self.states.iter().map(|s| (s.0, s.1)).collect();
        let mut level = 0..self.states.len();
        while !level.is_empty() {
            if self.states.len() >= self.config.most {
                return Ok(Some(depth));
            }
            depth += 1;
            let found = self.follow(level.clone(), &known)?;
            for (state, parent, act) in found {
                if known.insert(state) {
                    self.states.push((state.0, state.1, parent, act));
                }
            }
            level = level.end..self.states.len();
            if self.config.told {
                let (states, worlds, decisions) = (self.states.len(), self.worlds.len(), self.decisions());
                println!("  {states} states, {worlds} worlds, {decisions} decisions, {}", self.parts.sizes());
            }
        }
        Ok(None)
    }

    /// What follows from the states of one level, and is not `known`.
    fn follow(&self, level: std::ops::Range<usize>, known: &HashSet<State>) -> Result<Vec<Found>, Violation> {
        let (next, stop) = (AtomicUsize::new(level.start), AtomicBool::new(false));
        let worker = || {
            let mut found = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= level.end {
                    break;
                }
                let (world, budget, ..) = self.states[i];
                let state = u32::try_from(i).unwrap();
                let followed = self.successors(world, budget).inspect_err(|_| stop.store(true, Ordering::Relaxed));
                let followed = followed.map_err(|(act, what)| Violation { state, act, what })?;
                self.transitions.fetch_add(followed.len(), Ordering::Relaxed);
                let fresh = followed.into_iter().filter(|(_, w, b)| !known.contains(&(*w, *b)));
                found.extend(fresh.map(|(act, w, b)| ((w, b), state, act)));
            }
            Ok(found)
        };
        std::thread::scope(|s| {
            let threads: Vec<_> = (0..THREADS).map(|_| s.spawn(worker)).collect();
            let found: Result<Vec<_>, _> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            Ok(found?.into_iter().flatten().collect())
        })
    }
}

//! Every way in which things can come about, within bounds: the core against an adversary, without chance.
//!
//! A state is a world in its [normal form](normal) (the Release with its status, workloads, answers under way) and what
//! the adversary has left. Each configuration is searched breadth first, level by level, from several [moments](leads) of
//! an undisturbed release at once, until there are so many states that no further level is begun; in each transition the
//! laws of [`super::properties::laws`] are asked. From each world the way to an end is followed, which comes
//! [in time](bounds); of the worlds of the last level, from one in sixteen. A violation prints the shortest way to it.
//! The same world, laws and moves serve the random adversary of [`super::properties`].
//!
//! What may happen at any time: a decision is made and carried out; it is stored and the controller ends before or after
//! its effect; its answer is lost; its write comes late; the memory is lost; workloads go on one by one, or their pods
//! stay unavailable; time passes, to the next instant that the controller wants or past a deadline; a look shows one
//! workload as it was before our last write to it, with its old version, generation and pods, once after each write. What
//! else may happen, and how often, is said by each configuration. Bounds for `MODEL=deep` are larger.
//!
//! Not of the model: two Releases on one workload, ECS, metrics, load and registries (those have tests of their own),
//! several old looks after one write, and a write that comes to the API server after its rollout has ended, which is not
//! promised to be taken back.

mod acts;
mod bounds;
mod configs;
mod leads;
mod liveness;
mod looks;
mod normal;
mod parts;
mod search;
mod steps;
mod table;

use super::properties::laws::Laws;
use acts::Play;
use configs::{Depth, all};
use search::{Config, Search};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Walks on which a world and its normal form are held against each other, and the steps of each.
const WALKS: u64 = 24;
const STEPS: usize = 60;

struct Count {
    states: usize,
    worlds: usize,
}

fn explore(config: Config) -> Count {
    let (name, begun) = (config.name, Instant::now());
    let mut search = Search::new(config);
    let lengths = search.begin().unwrap_or_else(|violation| panic!("{}", search.trace(&violation)));
    let cut = match search.run() {
        Ok(None) => "all there are".to_owned(),
        Ok(Some(depth)) => format!("all within {depth} acts"),
        Err(violation) => panic!("{}", search.trace(&violation)),
    };
    let searched = begun.elapsed();
    let found = |e| panic!("{}", search.trace(&search.violation(e)));
    let count = Count { states: search.states.len(), worlds: search.worlds.len() };
    let within = bounds::longest(&(search.config.start)().rel.spec, search.config.budget.orders);
    let ways = liveness::everywhere(&search, within).unwrap_or_else(found);
    let mended = liveness::mended(&search, within).unwrap_or_else(found);
    println!(
        "{name}: {} states ({cut}), {} worlds, {} decisions, {} transitions in {searched:.1?}; {} worlds followed: an end after at most {} \
         steps and {} s of {within}, {} wait for somebody; {} mended, ended after {} s at most; {:.1?} in all; {}",
        count.states,
        count.worlds,
        search.decisions(),
        search.transitions.load(Ordering::Relaxed),
        ways.followed,
        ways.steps,
        ways.time / 1000,
        ways.waiting,
        mended.followed,
        mended.time / 1000,
        begun.elapsed(),
        search.parts.sizes(),
    );
    println!("  {lengths:?} acts from a new tag to rest, undisturbed; states found first from: {}", search.shares());
    count
}

#[test]
fn the_laws_hold_in_every_state() {
    let depth = Depth::asked_for();
    let only = std::env::var("MODEL_ONLY").ok();
    let bounds = std::env::var("MODEL_BOUNDS").ok().map(|b| configs::bounds(&b));
    let configs = all(depth).into_iter().filter(|c| only.as_ref().is_none_or(|o| c.name.contains(o.as_str())));
    let own = |c: Config| Config { told: only.is_some(), budget: bounds.unwrap_or(c.budget), ..c };
    let counts: Vec<Count> = configs.map(|c| explore(own(c))).collect();
    let (states, worlds) = counts.iter().fold((0, 0), |(s, w), c| (s + c.states, w + c.worlds));
    println!("model: {states} distinct states, of {worlds} distinct worlds");
    assert!(states >= 1_000_000 || only.is_some(), "only {states} states");
}

/// Nothing that matters is lost in the normal form: wherever chance leads a world and its normal form, they are in the
/// same place.
#[test]
fn a_world_and_its_normal_form_go_on_alike() {
    let mut reached = 0;
    for config in all(Depth::Usual) {
        let (name, start) = (config.name, config.start);
        let mut search = Search::new(config);
        let _ = search.begin().unwrap_or_else(|violation| panic!("{}", search.trace(&violation)));
        for walk in 0..WALKS {
            let from = walk as usize % search.situations.len();
            let mut chance = walk.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut raw = Play { w: start(), laws: Laws::default(), late: None };
            raw.laws.sizeless = true;
            for act in &search.situations[from].acts {
                raw.make(*act, None).unwrap_or_else(|e| panic!("{name}: {act:?}: {e}"));
            }
            let (mut world, mut left, ..) = search.states[from];
            for step in 0..STEPS {
                let next = search.successors(world, left).unwrap_or_else(|(act, e)| panic!("{name}: {act:?}: {e}"));
                if next.is_empty() {
                    break;
                }
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                // The controller's own steps, more often than not: else no rollout comes far.
                let own = chance % 3 > 0;
                let (act, w, l) = if own { next[0] } else { next[(chance >> 8) as usize % next.len()] };
                raw.make(act, None).unwrap_or_else(|e| panic!("{name}: {act:?}: {e}"));
                (world, left) = (w, l);
                let (found, wanted) = (search.parts.take_all(raw.clone()), search.worlds.value(world));
                let status = |ids| serde_json::to_string(&search.parts.play(ids).w.rel.status).unwrap();
                assert_eq!(status(&found), status(&wanted), "{name}: walk {walk}, step {step}, {act:?}");
                assert_eq!(found, wanted, "{name}: walk {walk}, step {step}, {act:?}: parts differ");
                reached += 1;
            }
        }
    }
    assert!(reached > 1000, "only {reached} steps");
}

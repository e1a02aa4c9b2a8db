//! From everywhere it comes to an end, once the adversary rests.

use super::super::properties::adversary;
use super::leads::Situation;
use super::parts::Ids;
use super::search::{Search, THREADS, Violation};
use super::steps::Next;
use crate::api::time::Duration;

/// What was seen of the ways to the end.
#[derive(Default)]
pub(super) struct Ways {
    /// The most steps of controller, cluster and clock that lead to an end.
    pub steps: u32,
    /// The most time that passes on the way.
    pub time: i64,
    /// Worlds that come to no end but wait for what people can see.
    pub waiting: usize,
    /// Worlds that were followed.
    pub followed: usize,
}

/// How far it is from one world to where nothing happens any more.
#[derive(Clone, Copy)]
enum Way {
    Unknown,
    /// Being walked, as the n-th of this walk.
    Walked(u32),
    Ends {
        steps: u32,
        time: i64,
    },
    /// It goes round, and says why.
    Waits,
}

/// From every world: with what is broken left broken, it comes to rest, or to something that it says it waits for. Of
/// the worlds of the outermost level one in some is followed.
pub(super) fn everywhere(search: &Search, within: Duration) -> Result<Ways, (u32, String)> {
    let outermost = search.config.outermost;
    let is_followed = |w: &u32| search.expanded.has(w) || w.is_multiple_of(outermost);
    let worlds: Vec<u32> = (0..u32::try_from(search.worlds.len()).unwrap()).filter(is_followed).collect();
    in_threads(&worlds, |some| {
        let mut ways = vec![Way::Unknown; search.worlds.len()];
        let mut seen = Ways::default();
        for world in some {
            walk(search, &mut ways, world).map_err(|(at, e)| (world, format!("{e}\n      at {}", search.told(at))))?;
            match ways[world as usize] {
                Way::Ends { time, .. } if time > within.millis() => {
                    return Err((world, format!("it ends only after {} s, not within {within}", time / 1000)));
                }
                Way::Ends { steps, time } => (seen.steps, seen.time) = (seen.steps.max(steps), seen.time.max(time)),
                _ => seen.waiting += 1,
            }
        }
        seen.followed = worlds.len();
        Ok(seen)
    })
    .map(|all| all.into_iter().fold(Ways::default(), Ways::and))
}

impl Ways {
    fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps.max(other.steps),
            time: self.time.max(other.time),
            waiting: self.waiting + other.waiting,
            followed: other.followed,
        }
    }
}

/// `each` gets every second of `worlds`, or whatever the number of threads makes of that.
fn in_threads<T: Send>(
    worlds: &[u32],
    each: impl Fn(Vec<u32>) -> Result<T, (u32, String)> + Sync,
) -> Result<Vec<T>, (u32, String)> {
    let parts = (0..THREADS).map(|n| worlds.iter().copied().skip(n).step_by(THREADS).collect::<Vec<u32>>());
    std::thread::scope(|s| {
        let each = &each;
        let threads: Vec<_> = parts.map(|part| s.spawn(move || each(part))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn walk(search: &Search, ways: &mut Vec<Way>, from: u32) -> Result<(), (u32, String)> {
    let mut path: Vec<(u32, i64)> = vec![];
    let mut at = from;
    let mut end = loop {
        // What is found only on the way to an end is of no state, but is followed.
        if ways.len() <= at as usize {
            ways.resize(search.worlds.len(), Way::Unknown);
        }
        match ways[at as usize] {
            Way::Walked(n) => {
                let round = &path[n as usize..];
                if round.iter().all(|(_, time)| *time == 0) {
                    return Err((at, "it is never at rest, and no time passes".into()));
                }
                // In between it is busy; when time passes it must have said what for.
                for (world, _) in round.iter().filter(|(_, time)| *time > 0) {
                    somebody(search, *world, false)?;
                }
                break Way::Waits;
            }
            Way::Unknown => {}
            known => break known,
        }
        ways[at as usize] = Way::Walked(u32::try_from(path.len()).unwrap());
        let (next, time) = match search.next(at).map_err(|(_, e)| (at, e))? {
            Next::Decided(w) | Next::Converged(w) => (w, 0),
            Next::Ticked(w, time) => (w, time),
            Next::Rest => {
                somebody(search, at, true)?;
                ways[at as usize] = Way::Ends { steps: 0, time: 0 };
                break ways[at as usize];
            }
        };
        path.push((at, time));
        at = next;
    };
    for (world, past) in path.into_iter().rev() {
        if let Way::Ends { steps, time } = &mut end {
            (*steps, *time) = (*steps + 1, *time + past);
        }
        ways[world as usize] = end;
    }
    Ok(())
}

fn somebody(search: &Search, world: u32, rests: bool) -> Result<(), (u32, String)> {
    let play = search.parts.play(&search.worlds.value(world));
    play.laws.waits_for_somebody(&play.w, rests).map_err(|e| (world, e.to_string()))
}

/// From one world in some: what was broken is mended, and everything has ended within the sum of all deadlines. Once
/// with images that are well again, once with those that are as bad as they were.
pub(super) fn mended(search: &Search, within: Duration) -> Result<Ways, (u32, String)> {
    let all: Vec<u32> = (0..u32::try_from(search.worlds.len()).unwrap()).step_by(search.config.mended).collect();
    in_threads(&all, |some| {
        let mut seen = Ways::default();
        for world in some {
            for bad in [false, true] {
                let took = one_mended(search, world, bad, within)?;
                (seen.followed, seen.time) = (seen.followed + 1, seen.time.max(took.millis()));
            }
        }
        Ok(seen)
    })
    .map(|all| all.into_iter().fold(Ways::default(), Ways::and))
}

/// How long it took. `bad`: images stay as they are.
fn one_mended(search: &Search, world: u32, bad: bool, within: Duration) -> Result<Duration, (u32, String)> {
    let ids: Ids = search.worlds.value(world);
    let mut play = search.parts.play(&ids);
    let behaviour = play.w.behaviour.clone();
    adversary::mend(&mut play.w);
    if bad {
        play.w.behaviour = behaviour;
    }
    let begun = play.w.now;
    let ended = play.laws.run_out(&mut play.w).and_then(|_| play.laws.all_has_ended(&play.w));
    let how = if bad { "mended but for its images" } else { "mended" };
    ended.map_err(|e| (world, format!("{how}: {e}")))?;
    let took = play.w.now.since(begun);
    if took > within {
        return Err((world, format!("{how}, it ended only after {took}, not within {within}")));
    }
    Ok(took)
}

impl Search {
    /// The shortest way to `violation`, and what went wrong there.
    pub(super) fn trace(&self, violation: &Violation) -> String {
        let mut lines = vec![];
        let mut at = violation.state;
        while at as usize >= self.situations.len() {
            let (world, left, parent, act) = self.states[at as usize];
            lines.push(format!("{act:?}\n      {} {left:?}", self.told(world)));
            at = parent;
        }
        let Situation { name, acts } = &self.situations[at as usize];
        lines.push(format!("{name}, after {acts:?}\n      {}", self.told(self.states[at as usize].0)));
        lines.reverse();
        lines.extend(violation.act.map(|a| format!("{a:?}")));
        let numbered = lines.iter().enumerate().map(|(n, l)| format!("{n:4}  {l}\n"));
        format!("{}: {}\n{}", self.config.name, violation.what, numbered.collect::<String>())
    }

    /// The first state of a world, to find the way there.
    pub(super) fn violation(&self, (world, what): (u32, String)) -> Violation {
        let state = self.states.iter().position(|s| s.0 == world).unwrap_or(0);
        Violation { state: u32::try_from(state).unwrap(), act: None, what }
    }

    fn told(&self, world: u32) -> String {
        let play = self.parts.play(&self.worlds.value(world));
        let status = &play.w.rel.status;
        let runs = play.w.targets.iter().map(|(id, v)| match v {
            crate::api::view::TargetView::Live(l) => format!("{id} {}", l.containers[0].image.short()),
            other => format!("{id} {other:?}"),
        });
        let step = status.running().map(|r| format!("{} {:?} of {}", r.id, r.step, r.image.short()));
        format!("{:?} {}; {}", status.phase, step.unwrap_or_default(), runs.collect::<Vec<_>>().join(", "))
    }
}

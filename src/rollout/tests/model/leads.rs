//! The moments of undisturbed play from which a search begins.
//!
//! A decision is one act, and so is what the cluster makes of it: production is written many acts after the beginning.
//! What may happen there would else hardly be tried.

use super::super::play::Fate;
use super::super::properties::adversary::Move;
use super::acts::{Act, Budget};
use super::search::{Search, Violation};

/// Play that nobody disturbs, but for what is arranged at first.
#[derive(Clone)]
pub(super) struct Lead {
    pub arranged: Vec<Act>,
    /// Where the search begins, as [`Search::moment`] names it.
    pub moments: &'static [&'static str],
}

/// A moment from which the search begins, and the acts that lead there.
pub(super) struct Situation {
    pub name: String,
    pub acts: Vec<Act>,
}

/// What was done, the world that it led to, and what is left.
type Step = (Act, u32, Budget);

impl Search {
    /// Every situation as a state; how many acts each lead has, from its beginning to rest.
    pub(super) fn begin(&mut self) -> Result<Vec<usize>, Violation> {
        let mut lengths = vec![];
        for lead in self.config.leads.clone() {
            let steps = self.play_lead(&lead)?;
            if steps.len() <= lead.arranged.len() {
                continue;
            }
            let moments: Vec<String> = steps.iter().map(|(_, world, _)| self.moment(*world)).collect();
            let begun = moments.iter().position(|m| !m.starts_with("at rest")).unwrap_or_default();
            for wanted in lead.moments {
                let reached = (begun..steps.len()).find(|at| moments[*at] == *wanted);
                let at = reached.unwrap_or_else(|| panic!("{}: no {wanted} is reached", self.config.name));
                let (_, world, left) = steps[at];
                if self.states.iter().any(|s| (s.0, s.1) == (world, left)) {
                    continue;
                }
                self.states.push((world, left, u32::try_from(self.states.len()).unwrap(), Act::Tick));
                let acts = steps[..=at].iter().map(|(act, ..)| *act).collect();
                self.situations.push(Situation { name: (*wanted).to_owned(), acts });
            }
            lengths.push(steps.len());
        }
        Ok(lengths)
    }

    /// How many states were first found from each situation.
    pub(super) fn shares(&self) -> String {
        let mut from: Vec<usize> = (0..self.situations.len()).collect();
        let mut counts = vec![1; from.len()];
        for (_, _, parent, _) in &self.states[self.situations.len()..] {
            let origin = from[*parent as usize];
            from.push(origin);
            counts[origin] += 1;
        }
        let told = self.situations.iter().zip(counts);
        told.map(|(s, n)| format!("{} ({} acts): {n}", s.name, s.acts.len())).collect::<Vec<_>>().join(", ")
    }

    /// What is decided is carried out, who is asked approves, the cluster follows, time passes; until nothing happens.
    fn play_lead(&self, lead: &Lead) -> Result<Vec<Step>, Violation> {
        let (mut world, mut left, ..) = self.states[0];
        let mut arranged = lead.arranged.iter();
        let mut steps: Vec<Step> = vec![];
        let undisturbed = [Act::Decide(Fate::Done), Act::Do(Move::Approve), Act::Converge, Act::Tick];
        loop {
            let all = self.successors(world, left);
            let all =
                all.map_err(|(act, what)| Violation { state: 0, act, what: format!("{what}, after {steps:?}") })?;
            let made = |act: &Act| all.iter().find(|(made, ..)| made == act).copied();
            let step = match arranged.next() {
                Some(act) => made(act),
                None => undisturbed.iter().find_map(made),
            };
            // What `MODEL_BOUNDS` does not afford is left out.
            let Some(step) = step else { return Ok(steps) };
            (world, left) = (step.1, step.2);
            steps.push(step);
        }
    }

    /// `production Rolling`; at rest how the last rollout ended.
    fn moment(&self, world: u32) -> String {
        let play = self.parts.play(&self.worlds.value(world));
        let status = &play.w.rel.status;
        match status.running() {
            Some(r) => format!("{} {:?}", r.stage.as_deref().unwrap_or_default(), r.step),
            None => status.phase.map_or_else(String::new, |phase| format!("at rest, {phase:?}")),
        }
    }
}

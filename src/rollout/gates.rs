//! Metric gates: what metrics say of a stage while it bakes, counted against limits of their own.
//!
//! Rounds lie on the grid of [`super::watching`]: what passes costs no write, what does not is stored and counted. An
//! answer ends the runs of what it disproves: a Pass all three, a Fail those of NoData and Error, NoData that of Error.

use super::checks;
use super::draft::{Draft, Work};
use super::watching::{self, Grid};
use crate::api::ask::{AlarmsQuery, Ask, AskId, AskResult, Outcome, Query};
use crate::api::spec::{MetricGate, MetricSource, OnNoData, PrometheusGate};
use crate::api::status::{GateState, Purpose, RoundCount};
use crate::api::time::Time;

/// What the gates of a stage come to.
pub(super) enum Told {
    Waiting,
    /// Each passed in a round from after the bake.
    Passed,
    /// A limit of failures was reached, by which gate and why.
    Failed(String),
    /// A limit of rounds that say nothing was reached.
    Inconclusive(String),
}

/// What is known of one gate.
enum Word {
    /// The answer passed; the flag: it is from after the bake.
    Pass(bool, Option<Box<AskResult>>),
    Open,
    Over(Told),
}

/// Asks every gate of the stage in work, which bakes from `since` until `until`.
pub(super) fn ask(d: &mut Draft, w: &mut Work, since: Time, until: Time) -> Told {
    let gates = w.stage().metric_gates.clone();
    let mut words: Vec<Word> = gates.iter().map(|gate| one(d, w, gate, since, until)).collect();
    for failed in [true, false] {
        let over = words.iter().position(|w| match w {
            Word::Over(told) => matches!(told, Told::Failed(_)) == failed,
            _ => false,
        });
        if let Some(i) = over
            && let Word::Over(told) = words.swap_remove(i)
        {
            return told;
        }
    }
    if !words.iter().all(|w| matches!(w, Word::Pass(true, _))) {
        return Told::Waiting;
    }
    // The last of all is stored: what was measured is part of the history.
    for (gate, word) in gates.iter().zip(words) {
        if let Word::Pass(_, Some(answer)) = word {
            store(state(w, gate, &answer), &answer, Outcome::Pass);
        }
    }
    Told::Passed
}

fn one(d: &mut Draft, w: &mut Work, gate: &MetricGate, since: Time, until: Time) -> Word {
    let query = query(d, w, gate);
    let every = gate.interval.max(watching::time_for(&query));
    let Some((number, at)) = watching::slot(d, &Grid { since, every, until: Some(until) }, every) else {
        return Word::Open;
    };
    let known = w.state().gates.iter().find(|g| g.name == gate.name);
    if let Some(known) = known.filter(|g| g.number == number) {
        return match known.outcome {
            Outcome::Pass => Word::Pass(at >= until, None),
            _ => reached(known, gate).map_or(Word::Open, Word::Over),
        };
    }
    let id = AskId {
        release: d.rel.uid.clone(),
        rollout: w.rollout.id,
        stage: w.stage_name(),
        check: gate.name.clone(),
        purpose: Purpose::Gate,
        number,
        revision: checks::revisions(d, w.stage()),
    };
    let Some(answer) = d.obs.results.iter().find(|r| r.id == id).cloned() else {
        d.asks.push(Ask { id, release: d.rel.name.clone(), query, pods: None });
        return Word::Open;
    };
    let outcome = match (answer.outcome, gate.on_no_data) {
        (Outcome::NoData, OnNoData::Fail) => Outcome::Fail,
        (outcome, _) => outcome,
    };
    if outcome == Outcome::Pass && known.is_none_or(|g| g.outcome == Outcome::Pass) {
        d.kept.push(id);
        return Word::Pass(at >= until, Some(Box::new(answer)));
    }
    let state = state(w, gate, &answer);
    count(state, outcome);
    store(state, &answer, outcome);
    match outcome {
        Outcome::Pass => Word::Pass(at >= until, None),
        _ => reached(state, gate).map_or(Word::Open, Word::Over),
    }
}

/// What is asked, with every placeholder filled in.
fn query(d: &Draft, w: &Work, gate: &MetricGate) -> Query {
    match &gate.source {
        MetricSource::Cloudwatch(gate) => {
            Query::Cloudwatch(AlarmsQuery { gate: gate.clone(), since: w.state().first_write_at })
        }
        MetricSource::Prometheus(gate) => {
            let query = filled(d, w, &gate.query);
            Query::Prometheus(PrometheusGate { query, ..gate.clone() })
        }
    }
}

fn filled(d: &Draft, w: &Work, query: &str) -> String {
    let stage = w.stage();
    let first = stage.targets.first();
    let kubernetes = first.and_then(|t| t.kubernetes());
    let namespace = kubernetes.map_or(d.rel.name.namespace.as_str(), |k| k.namespace_or(&d.rel.name.namespace));
    let live = first.filter(|_| kubernetes.is_some()).and_then(|t| d.live(&stage.name, &t.name));
    let revision = live.and_then(|l| l.revision.as_deref()).unwrap_or_default();
    let values = [
        ("$(TIDEGATE_TAG)", w.rollout.image.short()),
        ("$(TIDEGATE_IMAGE)", w.rollout.image.to_string()),
        ("$(TIDEGATE_STAGE)", stage.name.clone()),
        ("$(TIDEGATE_NAMESPACE)", namespace.to_owned()),
        ("$(TIDEGATE_REVISION)", revision.to_owned()),
    ];
    values.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value))
}

fn state<'a>(w: &'a mut Work, gate: &MetricGate, answer: &AskResult) -> &'a mut GateState {
    let gates = &mut w.state_mut().gates;
    let i = gates.iter().position(|g| g.name == gate.name).unwrap_or_else(|| {
        gates.push(GateState {
            name: gate.name.clone(),
            number: 0,
            outcome: Outcome::Pass,
            message: String::new(),
            at: answer.at,
            fails: RoundCount::default(),
            errors: RoundCount::default(),
            no_data: RoundCount::default(),
        });
        gates.len() - 1
    });
    &mut gates[i]
}

fn store(state: &mut GateState, answer: &AskResult, outcome: Outcome) {
    state.number = answer.id.number;
    state.outcome = outcome;
    state.message.clone_from(&answer.message);
    state.at = answer.at;
}

fn count(state: &mut GateState, outcome: Outcome) {
    let GateState { fails, errors, no_data, .. } = state;
    let (counted, disproved): (Option<&mut RoundCount>, Vec<&mut RoundCount>) = match outcome {
        Outcome::Pass => (None, vec![fails, no_data, errors]),
        Outcome::Fail => (Some(fails), vec![no_data, errors]),
        Outcome::NoData => (Some(no_data), vec![errors]),
        Outcome::Error => (Some(errors), vec![]),
    };
    disproved.into_iter().for_each(|c| c.consecutive = 0);
    if let Some(count) = counted {
        count.consecutive += 1;
        count.total += 1;
    }
}

/// The limit that was reached, if one was.
fn reached(state: &GateState, gate: &MetricGate) -> Option<Told> {
    let said = |count: RoundCount, (row, all): (i32, i32), what: &str| {
        let (rounds, how) = match count {
            c if c.consecutive >= row => (c.consecutive, "in a row"),
            c if c.total >= all => (c.total, "in all"),
            _ => return None,
        };
        let word = if rounds == 1 { "round" } else { "rounds" };
        Some(format!("{} {what} for {rounds} {word} {how}: {}", state.name, state.message))
    };
    let limits = &gate.limits;
    if let Some(failed) = said(state.fails, limits.fail(), "failed") {
        return Some(Told::Failed(failed));
    }
    let open = said(state.errors, limits.error(), "could not be asked");
    open.or_else(|| said(state.no_data, limits.no_data(), "had no data")).map(Told::Inconclusive)
}

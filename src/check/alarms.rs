//! What CloudWatch alarms say. Pure but for the look-up itself.

use super::directory::{AlarmFacts, AlarmState};
use super::round::Rounds;
use super::verdict::{RoundError, Verdict};
use crate::api::ask::{AlarmsQuery, Ask, Outcome};

impl Rounds {
    pub(super) async fn alarms(&self, ask: &Ask, query: &AlarmsQuery) -> Result<Verdict, RoundError> {
        let found = self.directory.alarms(&ask.release.namespace, &query.gate).await?;
        let (outcome, said) = judge(query, &found);
        Ok(Verdict::new(outcome, &said))
    }
}

/// The worst of them: one that is raised, then one that cannot be trusted, then one that knows nothing.
fn judge(query: &AlarmsQuery, found: &[AlarmFacts]) -> (Outcome, String) {
    let names = &query.gate.alarm_names;
    let of = |name: &String| found.iter().find(|a| a.name == *name);
    let stale = |a: &AlarmFacts| match (query.since, a.since) {
        (Some(written), Some(raised)) => raised < written,
        _ => false,
    };
    let raised = |fresh: bool| {
        let of_state = found.iter().filter(|a| a.state == AlarmState::Alarm);
        of_state.filter(move |a| stale(a) != fresh).map(|a| &a.name).find(|name| names.contains(*name))
    };
    if let Some(name) = raised(true) {
        return (Outcome::Fail, format!("alarm {name:?} is in ALARM"));
    }
    if let Some(name) = raised(false) {
        let why = "since before the stage was written, so it says nothing of the new version";
        return (Outcome::Error, format!("alarm {name:?} is in ALARM {why}"));
    }
    if let Some(name) = names.iter().find(|name| of(name).is_none()) {
        return (Outcome::Error, format!("there is no alarm {name:?} in {}", query.gate.region));
    }
    if let Some(a) = found.iter().find(|a| a.state == AlarmState::Unknown) {
        return (Outcome::Error, format!("alarm {:?} is in a state that is not known", a.name));
    }
    if let Some(a) = found.iter().find(|a| a.state == AlarmState::InsufficientData) {
        return (Outcome::NoData, format!("alarm {:?} is in INSUFFICIENT_DATA", a.name));
    }
    let said = if let [name] = names.as_slice() {
        format!("alarm {name:?} is")
    } else {
        format!("{} alarms are", names.len())
    };
    (Outcome::Pass, format!("{said} OK"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Time;
    use AlarmState::{Alarm, InsufficientData, Ok, Unknown};
    use serde_json::json;

    fn alarm(name: &str, state: AlarmState, since: Option<i64>) -> AlarmFacts {
        AlarmFacts { name: name.to_owned(), state, since: since.map(Time::from_millis) }
    }

    #[test]
    fn the_worst_alarm_decides() {
        let gate = json!({"region": "eu-west-1", "alarmNames": ["a", "b"]});
        let query = AlarmsQuery { gate: serde_json::from_value(gate).unwrap(), since: Some(Time::from_millis(1000)) };
        let old = "alarm \"a\" is in ALARM since before the stage was written, so it says nothing of the new version";
        for (found, outcome, said) in [
            (vec![alarm("a", Ok, Some(1)), alarm("b", Ok, None)], Outcome::Pass, "2 alarms are OK"),
            (vec![alarm("a", Ok, None), alarm("b", Alarm, Some(1000))], Outcome::Fail, "alarm \"b\" is in ALARM"),
            (vec![alarm("a", Ok, None), alarm("b", Alarm, None)], Outcome::Fail, "alarm \"b\" is in ALARM"),
            (vec![alarm("a", Alarm, Some(999)), alarm("b", Ok, None)], Outcome::Error, old),
            (
                vec![alarm("a", Alarm, Some(999)), alarm("b", Alarm, Some(2000))],
                Outcome::Fail,
                "alarm \"b\" is in ALARM",
            ),
            (vec![alarm("b", Alarm, Some(2000))], Outcome::Fail, "alarm \"b\" is in ALARM"),
            (vec![alarm("b", InsufficientData, None)], Outcome::Error, "there is no alarm \"a\" in eu-west-1"),
            (vec![], Outcome::Error, "there is no alarm \"a\" in eu-west-1"),
            (
                vec![alarm("a", Unknown, None), alarm("b", Ok, None)],
                Outcome::Error,
                "alarm \"a\" is in a state that is not known",
            ),
            (
                vec![alarm("a", Ok, None), alarm("b", InsufficientData, None)],
                Outcome::NoData,
                "alarm \"b\" is in INSUFFICIENT_DATA",
            ),
        ] {
            assert_eq!(judge(&query, &found), (outcome, said.to_owned()), "{found:?}");
        }
        let adopted = AlarmsQuery { since: None, ..query };
        let found = [alarm("a", Alarm, Some(1)), alarm("b", Ok, None)];
        assert_eq!(judge(&adopted, &found).0, Outcome::Fail, "nothing was written: what runs is what is judged");
    }
}

//! One instant query to Prometheus, and what its answer says. Nothing of the answer is told but numbers and an error's
//! kind: labels and texts may hold what is secret.

use super::http::{Fetched, To};
use super::round::Rounds;
use super::url::Target;
use super::verdict::{RoundError, Verdict};
use super::whom::{Place, Whom};
use crate::api::ask::{Ask, Outcome};
use crate::api::spec::{Bounds, PrometheusGate};
use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// As much of an answer as is read, in bytes.
const BODY_CAP: usize = 1024 * 1024;
const API: &str = "/api/v1/query";
/// Kinds of errors that Prometheus names. Any other word is not passed on.
const ERRORS: [&str; 8] =
    ["bad_data", "timeout", "canceled", "execution", "internal", "unavailable", "not_found", "not_acceptable"];

impl Rounds {
    /// Whatever goes wrong on the way is an Error: it says nothing of the application.
    pub(super) async fn prometheus(&self, ask: &Ask, gate: &PrometheusGate) -> Result<Verdict, RoundError> {
        let Whom::One { what, place } = self.whom(ask).await? else { return Err(RoundError::NoWorkload) };
        let headers = self.headers(ask, &gate.headers).await?;
        let timeout = gate.timeout();
        let fetched = match &place {
            Place::Url { target, addrs } => {
                let target = Target { url: asking(target.url.clone(), gate), ..(**target).clone() };
                self.http.fetch(&To::Url { target: &target, addrs }, &headers, timeout.std(), BODY_CAP).await
            }
            Place::Address { addr, host } => {
                let path = path(gate)?;
                self.http
                    .fetch(&To::Address { addr: *addr, host, path: &path }, &headers, timeout.std(), BODY_CAP)
                    .await
            }
        };
        Ok(match fetched {
            Ok(fetched) => {
                let (outcome, said) = judge(&gate.condition, &fetched);
                match outcome {
                    Outcome::Error => Verdict::new(outcome, &format!("{what}: {said}")),
                    _ => Verdict::new(outcome, &said),
                }
            }
            Err(wrong) => Verdict::new(Outcome::Error, &format!("{what}: {wrong}")),
        })
    }
}

/// The url of the query, with what stands before the API in front of it.
fn asking(mut url: Url, gate: &PrometheusGate) -> Url {
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}{API}"));
    let timeout = gate.timeout().to_string();
    url.query_pairs_mut().clear().append_pair("query", &gate.query).append_pair("timeout", &timeout);
    url
}

fn path(gate: &PrometheusGate) -> Result<String, RoundError> {
    // Only its path and query are used.
    let whole = Url::parse(&format!("http://server{}", gate.path.as_deref().unwrap_or_default()));
    let url = asking(whole.map_err(|_| RoundError::BadUrl(super::url::BadUrl::Shape))?, gate);
    Ok(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Sample>),
    Scalar((f64, String)),
    String(IgnoredAny),
    Matrix(IgnoredAny),
}

#[derive(Deserialize)]
struct Sample {
    /// Absent where the sample is a histogram.
    #[serde(default)]
    value: Option<(f64, String)>,
}

/// What the answer says of the condition, in words.
fn judge(condition: &Bounds, fetched: &Fetched) -> (Outcome, String) {
    let Fetched { status, body, cut } = fetched;
    if *cut {
        return (Outcome::Error, "its answer is longer than 1 MiB: let the query aggregate, as with sum()".to_owned());
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let kind = answer.as_ref().and_then(|a| a.error_type.as_deref()).filter(|kind| ERRORS.contains(kind));
    let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    if !(200..=299).contains(status) {
        return (Outcome::Error, format!("status {status}{kind}"));
    }
    let Some(answer) = answer else {
        return (Outcome::Error, format!("status {status}, but its body is not an answer of Prometheus"));
    };
    if answer.status != "success" {
        return (Outcome::Error, format!("it could not evaluate the query{kind}"));
    }
    let values = match answer.data {
        Some(Data::Vector(samples)) => samples.into_iter().map(|s| s.value.map(|(_, text)| text)).collect(),
        Some(Data::Scalar((_, text))) => vec![Some(text)],
        Some(Data::String(_)) => return not_comparable("a string"),
        Some(Data::Matrix(_)) => return not_comparable("a range vector"),
        None => return (Outcome::Error, "its answer holds no data".to_owned()),
    };
    of_values(condition, &values)
}

fn not_comparable(what: &str) -> (Outcome, String) {
    (
        Outcome::Error,
        format!("the query comes to {what}, which cannot be compared: it needs a scalar or instant vector"),
    )
}

fn of_values(condition: &Bounds, values: &[Option<String>]) -> (Outcome, String) {
    let mut numbers = Vec::new();
    for value in values {
        match value.as_ref().map(|text| text.parse::<f64>()) {
            Some(Ok(number)) => numbers.push(number),
            Some(Err(_)) => return (Outcome::Error, "a sample's value is not a number".to_owned()),
            None => return not_comparable("a histogram"),
        }
    }
    let all = numbers.len();
    // Nothing divided by nothing is no sample.
    numbers.retain(|n| !n.is_nan());
    if numbers.is_empty() {
        return (Outcome::NoData, if all == 0 { "no sample".to_owned() } else { "no sample but NaN".to_owned() });
    }
    let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let of_many =
        |word: &str| if numbers.len() == 1 { String::new() } else { format!(", the {word} of {}", numbers.len()) };
    if let Some(max) = condition.max.as_ref().filter(|max| highest > max.value()) {
        let value = print(highest, max.value());
        return (Outcome::Fail, format!("{value}{}, is more than {max}", of_many("highest")));
    }
    if let Some(min) = condition.min.as_ref().filter(|min| lowest < min.value()) {
        let value = print(lowest, min.value());
        return (Outcome::Fail, format!("{value}{}, is less than {min}", of_many("lowest")));
    }
    let max = condition
        .max
        .as_ref()
        .map(|max| format!("{}{}, at most {max} is allowed", print(highest, max.value()), of_many("highest")));
    let min = condition
        .min
        .as_ref()
        .map(|min| format!("{}{}, at least {min} is needed", print(lowest, min.value()), of_many("lowest")));
    (Outcome::Pass, max.into_iter().chain(min).collect::<Vec<_>>().join("; "))
}

/// Six digits are enough for people, unless they hide the difference to the limit.
fn print(value: f64, limit: f64) -> String {
    let short = digits(value);
    if value != limit && value.is_finite() && short == digits(limit) { format!("{value:?}") } else { short }
}

fn digits(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) {
        return format!("{value:.5e}");
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -4 and 15")]
    let before = if value == 0.0 { 1 } else { value.abs().log10().floor() as i32 + 1 };
    let decimals = usize::try_from(6 - before).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
#[path = "prometheus_tests.rs"]
mod tests;

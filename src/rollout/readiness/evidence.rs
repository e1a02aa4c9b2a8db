//! Evidence as CI writes it, and what it comes to.

use crate::api::Digest;
use crate::api::spec::Weights;
use crate::api::time::{Duration, Time};
use serde::Deserialize;

/// Evidence may be from a clock that is ahead by so much.
const AHEAD: Duration = Duration::from_secs(300);
/// Longest evidence, in bytes.
const MAX: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evidence {
    tag: Option<String>,
    digest: Option<Digest>,
    at: Time,
    ci: Option<Ci>,
    coverage: Option<f64>,
    security: Option<Security>,
    quality: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ci {
    Passed,
    Failed,
}

/// A grade of one's own, or findings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Security {
    Grade(f64),
    Findings(Findings),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Findings {
    #[serde(default)]
    critical: u32,
    #[serde(default)]
    high: u32,
    #[serde(default)]
    medium: u32,
    #[serde(default)]
    low: u32,
}

/// What evidence comes to, 0 to 100: rounded down, so that 90 means 90.
#[derive(Debug, PartialEq)]
pub(super) struct Score {
    pub(super) total: i32,
    parts: Vec<(&'static str, i32, i32)>,
}

impl Evidence {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX {
            return Err(format!("it has {} bytes, more than {MAX}", text.len()));
        }
        serde_json::from_str(text).map_err(|e| format!("it cannot be read: {e}"))
    }

    /// Whether it is about this image. `bound`: where it lies says so; then it only must not say otherwise.
    pub(super) fn is_of(&self, bound: bool, tag: Option<&str>, digest: Option<&Digest>) -> Result<(), String> {
        let tags = self.tag.as_deref().zip(tag);
        let digests = self.digest.as_ref().zip(digest);
        if let Some((other, _)) = tags.filter(|(a, b)| a != b) {
            return Err(format!("it is about another tag, {other}"));
        }
        if let Some((other, _)) = digests.filter(|(a, b)| a != b) {
            return Err(format!("it is about another digest, {other}"));
        }
        if bound || tags.is_some() || digests.is_some() {
            return Ok(());
        }
        Err("it names neither tag nor digest of this image".into())
    }

    pub(super) fn is_fresh(&self, most: Duration, now: Time) -> Result<(), String> {
        if now > self.at.plus(most) {
            return Err(format!("it is from {}, and counts for {most}", self.at));
        }
        if self.at > now.plus(AHEAD) {
            return Err(format!("it is from {}, which is yet to come", self.at));
        }
        Ok(())
    }

    /// Every part that counts must be there.
    pub(super) fn score(&self, weights: &Weights) -> Result<Score, String> {
        let ci = self.ci.map(|ci| if matches!(ci, Ci::Passed) { 100.0 } else { 0.0 });
        let all = [
            ("ci", ci, weights.ci),
            ("coverage", self.coverage, weights.coverage),
            ("security", self.security.map(Security::grade), weights.security),
            ("quality", self.quality, weights.quality),
        ];
        let (mut sum, mut weight, mut parts) = (0.0, 0, Vec::new());
        for (name, grade, counts) in all.into_iter().filter(|(_, _, counts)| *counts > 0) {
            let grade = grade.ok_or_else(|| format!("it does not tell {name}"))?;
            if !(0.0..=100.0).contains(&grade) {
                return Err(format!("its {name} is {grade}, and must be from 0 to 100"));
            }
            sum += grade * f64::from(counts);
            weight += counts;
            parts.push((name, grade as i32, counts));
        }
        if weight == 0 {
            return Err("no part of it counts: give one a weight".into());
        }
        Ok(Score { total: (sum / f64::from(weight) + 1e-9) as i32, parts })
    }
}

impl Security {
    /// A critical finding is the end of it, four high ones are too.
    fn grade(self) -> f64 {
        match self {
            Self::Grade(grade) => grade,
            Self::Findings(f) => {
                let lost = 100.0 * f64::from(f.critical)
                    + 25.0 * f64::from(f.high)
                    + 5.0 * f64::from(f.medium)
                    + f64::from(f.low);
                (100.0 - lost).max(0.0)
            }
        }
    }
}

impl Score {
    /// In words, the part that lost most first.
    pub(super) fn parts(&self) -> String {
        let mut parts = self.parts.clone();
        parts.sort_by_key(|(_, grade, counts)| -(100 - grade) * counts);
        let said = parts.iter().map(|(name, grade, counts)| format!("{name} {grade} of 100 at weight {counts}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_790_000_000_000;

    fn evidence(change: Value) -> Result<Evidence, String> {
        let mut whole = json!({
            "tag": "sha-b2", "at": Time::from_millis(NOW), "ci": "passed", "coverage": 80, "security": {}, "quality": 90,
        });
        for (key, value) in change.as_object().unwrap() {
            whole[key] = value.clone();
        }
        Evidence::read(&whole.to_string())
    }

    fn score(change: Value, weights: Value) -> Result<i32, String> {
        Ok(evidence(change)?.score(&serde_json::from_value(weights).unwrap())?.total)
    }

    #[test]
    fn the_score_is_a_weighted_mean_rounded_down() {
        for (change, weights, expected) in [
            (json!({}), json!({}), 93),
            (json!({"coverage": 100, "quality": 100}), json!({}), 100),
            (json!({"coverage": 70, "quality": 90}), json!({}), 90),
            (json!({"coverage": 69.9, "quality": 90}), json!({}), 89),
            (json!({"ci": "failed"}), json!({}), 53),
            (json!({"security": {"critical": 1}}), json!({}), 73),
            (json!({"security": {"high": 2, "medium": 1, "low": 3}}), json!({}), 81),
            (json!({"security": 50}), json!({}), 83),
            (json!({}), json!({"ci": 0, "coverage": 1, "security": 0, "quality": 1}), 85),
        ] {
            assert_eq!(score(change.clone(), weights.clone()), Ok(expected), "{change} {weights}");
        }
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_no_score() {
        for (change, said) in [
            (json!({"coverage": null}), "it does not tell coverage"),
            (json!({"ci": null}), "it does not tell ci"),
            (json!({"security": null}), "it does not tell security"),
            (json!({"quality": 101}), "its quality is 101, and must be from 0 to 100"),
            (json!({"coverage": -1}), "its coverage is -1, and must be from 0 to 100"),
            (json!({"ci": "maybe"}), "it cannot be read"),
            (json!({"at": "yesterday"}), "it cannot be read"),
            (json!({"security": {"severe": 1}}), "it cannot be read"),
        ] {
            let told = score(change.clone(), json!({})).unwrap_err();
            assert!(told.starts_with(said), "{change}: {told}");
        }
        let nothing = json!({"ci": 0, "coverage": 0, "security": 0, "quality": 0});
        assert!(score(json!({}), nothing).is_err(), "a score of nothing says nothing");
        assert_eq!(
            score(json!({"quality": null}), json!({"quality": 0})),
            Ok(93),
            "what counts for nothing may be missing"
        );
    }

    #[test]
    fn evidence_about_something_else_is_none() {
        let digest = |c: char| Digest::parse(&format!("sha256:{}", c.to_string().repeat(64))).unwrap();
        let (a, b) = (digest('a'), digest('b'));
        let of = |change: Value, bound: bool, tag: Option<&str>, digest: Option<&Digest>| {
            evidence(change).unwrap().is_of(bound, tag, digest).is_ok()
        };
        assert!(of(json!({}), false, Some("sha-b2"), None));
        assert!(!of(json!({}), false, Some("sha-c3"), None));
        assert!(!of(json!({}), true, Some("sha-c3"), None), "what it says counts more than where it lies");
        assert!(!of(json!({"tag": null}), false, Some("sha-b2"), None));
        assert!(of(json!({"tag": null}), true, Some("sha-b2"), None));
        assert!(of(json!({"tag": null, "digest": a}), false, Some("sha-b2"), Some(&a)));
        assert!(!of(json!({"digest": a}), false, Some("sha-b2"), Some(&b)), "the tag was pushed again");
        assert!(of(json!({"digest": a}), false, Some("sha-b2"), None), "unknown is not different");
    }

    #[test]
    fn old_evidence_is_none() {
        let day = Duration::from_secs(24 * 3600);
        for (late, fresh) in [(0, true), (86_400_000, true), (86_400_001, false), (-300_000, true), (-300_001, false)] {
            let found = evidence(json!({})).unwrap().is_fresh(day, Time::from_millis(NOW + late));
            assert_eq!(found.is_ok(), fresh, "{late}: {found:?}");
        }
    }
}

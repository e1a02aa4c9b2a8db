//! Identities: of objects, rollouts, targets and effects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `<namespace>/<name>` of a Release or of any namespaced object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NsName {
    pub namespace: String,
    pub name: String,
}

/// `<generation>-<attempt>`, never used twice for one Release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutId {
    pub generation: i64,
    pub attempt: i32,
}

/// A target within a Release: stage name and target name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    pub stage: String,
    pub target: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Forward,
    Restore,
}

/// `<release uid>/<rollout>/<stage>/<target>/<verb>`: names one effect for ever, and is stamped on what it changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EffectId(#[schemars(length(max = 200))] String);

impl NsName {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}
impl TargetId {
    pub fn new(stage: impl Into<String>, target: impl Into<String>) -> Self {
        Self { stage: stage.into(), target: target.into() }
    }
}

/// A hook within a Release: stage, name, and whether it is one of `onRollback`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HookId {
    pub stage: String,
    pub hook: String,
    pub on_rollback: bool,
}

/// The parts of an [`EffectId`] of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectParts {
    pub uid: String,
    pub rollout: RolloutId,
    pub target: TargetId,
    pub verb: Verb,
}

impl EffectId {
    pub fn new(uid: &str, rollout: RolloutId, target: &TargetId, verb: Verb) -> Self {
        Self(format!("{uid}/{rollout}/{}/{}/{verb}", target.stage, target.target))
    }
    /// `<release uid>/<rollout>/<stage>/<hook>/<run or undo>`.
    pub fn of_hook(uid: &str, rollout: RolloutId, hook: &HookId) -> Self {
        let verb = if hook.on_rollback { "undo" } else { "run" };
        Self(format!("{uid}/{rollout}/{}/{}/{verb}", hook.stage, hook.hook))
    }
    /// `<release uid>/<rollout>/<stage>/<check>/<which round, of what, what for>`.
    pub fn of_question(uid: &str, rollout: RolloutId, check: &TargetId, round: &str) -> Self {
        Self(format!("{uid}/{rollout}/{}/{}/{round}", check.stage, check.target))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// `None`: it is not one of a target.
    pub fn parts(&self) -> Option<EffectParts> {
        let mut parts = self.0.split('/');
        let uid = parts.next()?.to_owned();
        let rollout = parts.next()?.parse().ok()?;
        let target = TargetId::new(parts.next()?, parts.next()?);
        let verb = match parts.next()? {
            "forward" => Verb::Forward,
            "restore" => Verb::Restore,
            _ => return None,
        };
        parts.next().is_none().then_some(EffectParts { uid, rollout, target, verb })
    }
}

impl fmt::Display for NsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.target)
    }
}
impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.hook)
    }
}
impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.attempt)
    }
}
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Restore => "restore",
        })
    }
}
impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::str::FromStr for RolloutId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a rollout id such as 3-1");
        let (generation, attempt) = text.split_once('-').ok_or_else(bad)?;
        Ok(Self { generation: generation.parse().map_err(|_| bad())?, attempt: attempt.parse().map_err(|_| bad())? })
    }
}
impl Serialize for RolloutId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for RolloutId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
impl JsonSchema for RolloutId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RolloutId".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_id_comes_apart_again() {
        let id = EffectId::new(
            "u-1",
            RolloutId { generation: 3, attempt: 2 },
            &TargetId::new("staging", "web"),
            Verb::Restore,
        );
        assert_eq!(id.to_string(), "u-1/3-2/staging/web/restore");
        let parts = id.parts().unwrap();
        assert_eq!((parts.uid.as_str(), parts.rollout.attempt, parts.verb), ("u-1", 2, Verb::Restore));
    }

    #[test]
    fn that_of_a_hook_is_not_taken_for_one_of_a_target() {
        let hook = HookId { stage: "staging".into(), hook: "migrate".into(), on_rollback: false };
        let id = EffectId::of_hook("u-1", RolloutId { generation: 3, attempt: 2 }, &hook);
        assert_eq!((id.as_str(), id.parts()), ("u-1/3-2/staging/migrate/run", None));
        let undo =
            EffectId::of_hook("u-1", RolloutId { generation: 3, attempt: 2 }, &HookId { on_rollback: true, ..hook });
        assert_eq!(undo.as_str(), "u-1/3-2/staging/migrate/undo");
    }
}

//! Alarms of CloudWatch, for a Release that may use the role.

use super::ecs::AllowedRoles;
use crate::api::annotation;
use crate::api::spec::CloudwatchGate;
use crate::check::{AlarmFacts, LookupError};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use std::sync::Arc;

use crate::aws::Aws;

/// How AWS is reached, and which roles every namespace may use.
#[derive(Clone, Debug)]
pub(super) struct Alarms {
    pub aws: Arc<Aws>,
    pub allowed: AllowedRoles,
}

impl Alarms {
    /// `namespace`: the Release's, as the API server has it.
    pub(super) fn permit(
        &self,
        of: &str,
        namespace: Option<&Namespace>,
        gate: &CloudwatchGate,
    ) -> Result<(), LookupError> {
        let role = gate.role_arn.as_deref();
        let annotated = namespace.and_then(|n| n.annotations().get(annotation::ALLOW_ROLES));
        let here = annotated.is_some_and(|text| AllowedRoles::read(text).allows(role));
        match here || self.allowed.allows(role) {
            true => Ok(()),
            false => Err(LookupError::Refused { what: super::ecs::refusal(of, role) }),
        }
    }

    #[cfg(feature = "cloudwatch")]
    pub(super) async fn read(&self, gate: &CloudwatchGate) -> Result<Vec<AlarmFacts>, LookupError> {
        let account = self.aws.account_in(&gate.region, gate.role_arn.as_deref(), gate.external_id.as_deref()).await;
        let found = account.alarms(&gate.alarm_names).await.map_err(|error| match error.is_transient() {
            true => LookupError::Unanswered { what: error.to_string() },
            false => LookupError::Refused { what: error.to_string() },
        })?;
        Ok(found.into_iter().map(facts).collect())
    }

    #[cfg(not(feature = "cloudwatch"))]
    pub(super) async fn read(&self, _: &CloudwatchGate) -> Result<Vec<AlarmFacts>, LookupError> {
        Err(LookupError::Refused { what: "this build of Tidegate does not ask CloudWatch".into() })
    }
}

#[cfg(feature = "cloudwatch")]
fn facts(alarm: crate::aws::Alarm) -> AlarmFacts {
    use crate::api::Time;
    use crate::check::AlarmState;
    let state = match alarm.state.as_ref().map(|s| s.as_str()) {
        Some("OK") => AlarmState::Ok,
        Some("ALARM") => AlarmState::Alarm,
        Some("INSUFFICIENT_DATA") => AlarmState::InsufficientData,
        _ => AlarmState::Unknown,
    };
    let since = alarm.since.and_then(|at| at.to_millis().ok()).map(Time::from_millis);
    AlarmFacts { name: alarm.name, state, since }
}

//! Which roles a Release may use: those that an administrator allowed to its namespace, or to all.
//!
//! Whoever may write a Release could else make the controller use any role that trusts it.

use crate::api::annotation;
use crate::api::status::EcsService;
use crate::observe::{Error, Observer};
use crate::rollout::ReleaseView;
use kube::ResourceExt;

/// How the controller's own credentials are named in a list of roles.
pub(super) const OWN: &str = "own";

/// ARNs of roles, or `own`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedRoles(pub Vec<String>);

impl AllowedRoles {
    pub(in crate::observe) fn read(text: &str) -> Self {
        Self(text.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect())
    }
    /// `None`: the controller's own credentials.
    pub(in crate::observe) fn allows(&self, role: Option<&str>) -> bool {
        let wanted = role.unwrap_or(OWN);
        self.0.iter().any(|role| role == wanted)
    }
}

impl Observer {
    pub(super) async fn may_use(
        &self,
        release: &ReleaseView,
        service: &EcsService,
        all: &AllowedRoles,
    ) -> Result<bool, Error> {
        let role = service.role_arn.as_deref();
        if all.allows(role) {
            return Ok(true);
        }
        let namespace = self.namespace(&release.name.namespace).await?;
        let annotated = namespace.and_then(|n| n.annotations().get(annotation::ALLOW_ROLES).cloned());
        Ok(annotated.is_some_and(|text| AllowedRoles::read(&text).allows(role)))
    }
}

pub(in crate::observe) fn refusal(namespace: &str, role: Option<&str>) -> String {
    let wanted = role.unwrap_or(OWN);
    let what = match role {
        Some(role) => format!("the role {role}"),
        None => "the controller's own AWS credentials".to_owned(),
    };
    format!(
        "{what} may not be used from the namespace {namespace}; an administrator allows it by annotating the Namespace \
         {}: {wanted}, or by --allow-role",
        annotation::ALLOW_ROLES
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_allowed_by_its_whole_name() {
        let role = "arn:aws:iam::123456789012:role/deploy";
        for (list, of, allowed) in [
            ("", None, false),
            ("own", None, true),
            ("own", Some(role), false),
            (" arn:aws:iam::123456789012:role/deploy ,own", Some(role), true),
            ("arn:aws:iam::123456789012:role/deploy-all", Some(role), false),
            ("arn:aws:iam::123456789012:role/*", Some(role), false),
        ] {
            assert_eq!(AllowedRoles::read(list).allows(of), allowed, "{list:?} {of:?}");
        }
    }
}

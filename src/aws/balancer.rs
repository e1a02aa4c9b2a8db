//! Load balancers: what they say of the targets in a target group.

use super::account::Account;
use super::error::Error;
use aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription;

const CALL: &str = "elasticloadbalancing:DescribeTargetHealth";

impl Account {
    /// All targets of a target group: AWS lets no group have more than a thousand.
    pub async fn target_health(&self, group: &str) -> Result<Vec<TargetHealthDescription>, Error> {
        self.limits.targets.until_ready().await;
        // Targets are not named in the call: the port that each is registered with would have to be known.
        let answer = self.balancers.describe_target_health().target_group_arn(group).send().await;
        Ok(answer.map_err(|e| Error::of(CALL, &e))?.target_health_descriptions.unwrap_or_default())
    }
}

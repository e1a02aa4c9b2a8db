//! How often AWS lets one account ask in one region: a bucket for each family of operations.

use super::clock::At;
use super::world::Place;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Off until a test turns it on. Refills by the simulator's clock.
#[derive(Default)]
pub struct Limits(Mutex<Option<BTreeMap<(Place, &'static str), Bucket>>>);

struct Bucket {
    tokens: f64,
    at: At,
}

/// Name, how much at once, how much each second.
pub type Quota = (&'static str, f64, f64);

impl Limits {
    pub fn enforce(&self) {
        self.0.lock().unwrap().get_or_insert_default();
    }

    /// False if it is one too many.
    pub(super) fn admits(&self, place: &Place, op: &str, now: At) -> bool {
        let mut buckets = self.0.lock().unwrap();
        let Some((buckets, (name, burst, refill))) = buckets.as_mut().zip(quota(op)) else { return true };
        let bucket = buckets.entry((place.clone(), name)).or_insert(Bucket { tokens: burst, at: now });
        let refilled = now.saturating_sub(bucket.at).as_secs_f64() * refill;
        (bucket.tokens, bucket.at) = ((bucket.tokens + refilled).min(burst), now);
        let admitted = bucket.tokens >= 1.0;
        bucket.tokens -= if admitted { 1.0 } else { 0.0 };
        admitted
    }
}

/// As documented for API throttling in ECS, and in Elastic Load Balancing.
pub fn quota(op: &str) -> Option<Quota> {
    Some(match op {
        "DescribeServices" => ("cluster service resource read", 100.0, 20.0),
        "UpdateService" | "StopServiceDeployment" | "ContinueServiceDeployment" => ("service modify", 50.0, 5.0),
        "ListServiceDeployments" | "DescribeServiceDeployments" => ("service deployment read", 50.0, 20.0),
        "DescribeServiceRevisions" => ("service revision read", 50.0, 20.0),
        "DescribeTasks" | "ListTasks" => ("cluster resource read", 100.0, 20.0),
        "RunTask" | "StopTask" => ("cluster resource modify", 100.0, 40.0),
        "RegisterTaskDefinition" | "DeregisterTaskDefinition" => ("task definition modify", 20.0, 1.0),
        "DescribeTaskDefinition" | "ListTaskDefinitions" => ("task definition read", 50.0, 20.0),
        "DescribeTargetHealth" => ("load balancer read", 40.0, 10.0),
        _ => return None,
    })
}

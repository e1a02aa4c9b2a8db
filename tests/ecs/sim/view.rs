//! Services, service deployments and revisions as answers show them.

use super::clock::stamp;
use super::service::{Deployment, Revision, Rollout, Service};
use serde_json::{Value, json};

impl Service {
    pub fn shown(&self) -> Value {
        let s = &self.settings;
        // Where PRIMARY stands in the list is not documented: after a rollback it is not the first here.
        let mut newest: Vec<(usize, &Deployment)> = self.deployments.iter().enumerate().collect();
        newest.sort_by_key(|(_, d)| std::cmp::Reverse(d.created));
        let deployments: Vec<Value> = newest.into_iter().map(|(n, d)| self.deployment(n == 0, d)).collect();
        let event = |(n, (at, text)): (usize, &(_, String))| json!({"id": format!("event-{n}"), "createdAt": stamp(*at), "message": text});
        let events: Vec<Value> = self.events.iter().enumerate().rev().map(event).collect();
        let mut shown = json!({
            "serviceArn": self.arn(), "serviceName": self.name, "clusterArn": self.cluster_arn(),
            "status": s.status, "desiredCount": s.desired, "runningCount": self.running(), "pendingCount": self.pending(),
            "launchType": "FARGATE", "platformVersion": "LATEST", "platformFamily": "Linux",
            "taskDefinition": self.task_definition, "deploymentConfiguration": self.configuration(),
            "deployments": deployments, "events": events, "loadBalancers": s.load_balancers, "serviceRegistries": [],
            "placementConstraints": [], "placementStrategy": [], "schedulingStrategy": "REPLICA",
            "createdAt": stamp(self.created), "enableECSManagedTags": false, "propagateTags": "NONE",
            "enableExecuteCommand": false, "availabilityZoneRebalancing": "DISABLED",
            "networkConfiguration": self.network(),
            "currentServiceRevisions": self.deployments.iter().map(|d| json!({
                "arn": self.revision_arn(&d.number), "requestedTaskCount": s.desired,
                "runningTaskCount": self.tasks_of(&d.number).filter(|t| t.is_running()).count(),
                "pendingTaskCount": self.tasks_of(&d.number).filter(|t| t.is_pending()).count(),
            })).collect::<Vec<_>>(),
        });
        if let Some(controller) = s.controller {
            shown["deploymentController"] = json!({"type": controller});
        }
        if s.express {
            shown["resourceManagementType"] = json!("ECS");
        }
        if let Some(rollout) = self.rollouts.last() {
            shown["currentServiceDeployment"] = json!(self.rollout_arn(&rollout.id));
        }
        shown
    }

    pub fn running(&self) -> usize {
        self.tasks.iter().filter(|t| t.is_running()).count()
    }

    pub fn pending(&self) -> usize {
        self.tasks.iter().filter(|t| t.is_pending()).count()
    }

    fn deployment(&self, primary: bool, d: &Deployment) -> Value {
        let count = |n: usize| json!(n);
        let wanted = if primary { self.settings.desired } else { 0 };
        let mut shown = json!({
            "id": format!("ecs-svc/{}", d.number), "status": if primary { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": d.task_definition, "desiredCount": wanted,
            "pendingCount": count(self.tasks_of(&d.number).filter(|t| t.is_pending()).count()),
            "runningCount": count(self.tasks_of(&d.number).filter(|t| t.is_running()).count()),
            "failedTasks": d.failed, "createdAt": stamp(d.created), "updatedAt": stamp(d.updated),
            "launchType": "FARGATE", "platformVersion": "1.4.0", "platformFamily": "Linux",
            "networkConfiguration": self.network(),
        });
        // Only rolling updates have one.
        if self.settings.strategy == "ROLLING" {
            shown["rolloutState"] = json!(d.state);
            shown["rolloutStateReason"] = json!(d.reason);
        }
        shown
    }

    fn configuration(&self) -> Value {
        let s = &self.settings;
        json!({
            "deploymentCircuitBreaker": {"enable": s.breaker, "rollback": s.breaker_rolls_back},
            "maximumPercent": s.maximum_percent, "minimumHealthyPercent": s.minimum_percent, "strategy": s.strategy,
            "bakeTimeInMinutes": 0,
        })
    }

    /// As ListServiceDeployments shows it.
    pub fn rollout_brief(&self, r: &Rollout) -> Value {
        let mut shown = json!({
            "serviceDeploymentArn": self.rollout_arn(&r.id), "serviceArn": self.arn(), "clusterArn": self.cluster_arn(),
            "createdAt": stamp(r.created), "startedAt": stamp(r.created), "status": r.status,
            "targetServiceRevisionArn": self.revision_arn(&r.number),
        });
        if !r.reason.is_empty() {
            shown["statusReason"] = json!(r.reason);
        }
        if let Some(at) = r.finished {
            shown["finishedAt"] = stamp(at);
        }
        shown
    }

    /// As DescribeServiceDeployments shows it.
    pub fn rollout_shown(&self, r: &Rollout) -> Value {
        let mut shown = self.rollout_brief(r);
        let counts = |number: &str, requested: u32| {
            json!({
                "arn": self.revision_arn(number), "requestedTaskCount": requested,
                "runningTaskCount": self.tasks_of(number).filter(|t| t.is_running()).count(),
                "pendingTaskCount": self.tasks_of(number).filter(|t| t.is_pending()).count(),
            })
        };
        if let Some(members) = shown.as_object_mut() {
            members.remove("targetServiceRevisionArn");
        }
        shown["targetServiceRevision"] = counts(&r.number, self.settings.desired);
        shown["sourceServiceRevisions"] = r.from.iter().map(|number| counts(number, 0)).collect();
        shown["updatedAt"] = stamp(r.updated);
        shown["deploymentConfiguration"] = self.configuration();
        if self.settings.strategy == "ROLLING" {
            shown["deploymentCircuitBreaker"] = self.breaker(r);
        } else {
            shown["lifecycleStage"] = json!(self.stage(r));
        }
        shown["alarms"] = json!({"status": "DISABLED"});
        if r.status == "STOPPED" {
            shown["stoppedAt"] = stamp(r.finished.unwrap_or(r.updated));
        }
        if let Some(back) = &r.back {
            shown["rollback"] = json!({
                "reason": back.why, "startedAt": stamp(back.at), "serviceRevisionArn": self.revision_arn(&back.to),
            });
        }
        if let Some(hook) = &r.hook {
            shown["lifecycleHookDetails"] = json!([{
                "hookId": hook.id, "targetType": "PAUSE", "status": "AWAITING_ACTION", "timeoutAction": "ROLLBACK",
            }]);
        }
        shown
    }

    fn network(&self) -> Value {
        let groups = ["sg-0a1b2c3d"];
        json!({"awsvpcConfiguration": {"subnets": [self.settings.subnet], "securityGroups": groups, "assignPublicIp": "DISABLED"}})
    }

    fn breaker(&self, r: &Rollout) -> Value {
        let status = match (self.settings.breaker, r.tripped, r.in_flight()) {
            (false, ..) => "DISABLED",
            (true, true, _) => "TRIGGERED",
            (true, false, true) => "MONITORING",
            (true, false, false) => "MONITORING_COMPLETE",
        };
        json!({"status": status, "failureCount": r.failures, "threshold": self.threshold()})
    }

    fn stage(&self, r: &Rollout) -> &'static str {
        match (r.in_flight(), &r.hook, self.live(&r.number)) {
            (false, ..) => "CLEAN_UP",
            (true, Some(_), _) => "POST_TEST_TRAFFIC_SHIFT",
            (true, None, 0) => "PRE_SCALE_UP",
            (true, None, _) => "SCALE_UP",
        }
    }

    pub fn revision_shown(&self, r: &Revision) -> Value {
        let images: Vec<Value> = r
            .containers
            .iter()
            .map(|c| {
                let mut image = json!({"containerName": c.name, "image": c.image});
                if let Some(digest) = &c.digest {
                    image["imageDigest"] = json!(digest);
                }
                image
            })
            .collect();
        let balancers = self.settings.load_balancers.as_array().into_iter().flatten();
        let resolved: Vec<Value> = balancers.map(|b| json!({"targetGroupArn": b["targetGroupArn"]})).collect();
        json!({
            "serviceRevisionArn": self.revision_arn(&r.number), "serviceArn": self.arn(),
            "clusterArn": self.cluster_arn(), "taskDefinition": r.task_definition, "createdAt": stamp(r.created),
            "launchType": "FARGATE", "platformVersion": "1.4.0", "platformFamily": "Linux",
            "loadBalancers": self.settings.load_balancers, "containerImages": images, "guardDutyEnabled": false,
            "networkConfiguration": self.network(), "resolvedConfiguration": {"loadBalancers": resolved},
        })
    }
}

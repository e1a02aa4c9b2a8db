//! Tasks of services: how they start, run and stop, and how they are told.

use super::clock::{At, stamp};
use super::course::Failure;
use super::ids;
use super::service::{Pinned, Service};
use super::world::Place;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Task {
    pub id: String,
    /// The deployment's number; `None` if no service started it.
    pub number: Option<String>,
    pub started_by: String,
    pub group: String,
    pub task_definition: String,
    pub created: At,
    pub running: Option<At>,
    pub stopped: Option<Stop>,
    pub containers: Vec<Pinned>,
    pub address: String,
    pub healthy: bool,
}

#[derive(Clone, Debug)]
pub struct Stop {
    pub at: At,
    pub code: &'static str,
    pub reason: String,
    /// Of the first container.
    pub exit: Option<i32>,
    pub container_reason: Option<String>,
}

impl Task {
    pub fn new(started_by: &str, group: String, task_definition: &str, containers: Vec<Pinned>, now: At) -> Self {
        let (net, host) = ids::host();
        Self {
            id: ids::task(),
            number: None,
            started_by: started_by.to_owned(),
            group,
            task_definition: task_definition.to_owned(),
            created: now,
            running: None,
            stopped: None,
            containers,
            address: format!("10.0.{net}.{host}"),
            healthy: false,
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some() && self.stopped.is_none()
    }

    pub fn is_pending(&self) -> bool {
        self.running.is_none() && self.stopped.is_none()
    }

    pub fn run(&mut self, now: At) {
        self.running.get_or_insert(now);
        self.healthy = true;
    }

    /// Ends it as the scheduler does: in order, and without anybody's fault.
    pub fn retire(&mut self, now: At, reason: &str) {
        self.stopped.get_or_insert(Stop {
            at: now,
            code: "ServiceSchedulerInitiated",
            reason: reason.to_owned(),
            exit: Some(0),
            container_reason: None,
        });
    }

    /// Ends it as this failure ends tasks.
    pub fn fail(&mut self, why: &Failure, now: At) {
        let image = self.containers.first().map(|c| c.image.clone()).unwrap_or_default();
        let to_start = |reason: String| (reason, "TaskFailedToStart", None, None);
        let exited = |code, text: Option<&str>| {
            let reason = "Essential container in task exited".to_owned();
            (reason, "EssentialContainerExited", Some(code), text.map(str::to_owned))
        };
        let (reason, code, exit, container_reason) = match why {
            Failure::Exits(status) => exited(*status, None),
            Failure::OutOfMemory => exited(137, Some("OutOfMemoryError: Container killed due to memory usage")),
            Failure::CannotPull(None) => to_start(format!(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
                 {image}: {image}: not found"
            )),
            Failure::CannotPull(Some(text)) => to_start(format!("CannotPullContainerError: {text}")),
            Failure::Resources => to_start(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
                 failed: unable to retrieve secret from asm: service call has been retried 1 time(s)"
                    .to_owned(),
            ),
            Failure::CannotStart => to_start(
                "CannotStartContainerError: Error response from daemon: failed to create task: exec: \"/app\": stat \
                 /app: no such file or directory: unknown"
                    .to_owned(),
            ),
            Failure::Unhealthy => (
                "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:::targetgroup/app)".into(),
                "ServiceSchedulerInitiated",
                Some(0),
                None,
            ),
            Failure::NoPlace => to_start("no place".to_owned()),
        };
        if exit.is_some() {
            self.running.get_or_insert(now);
        }
        self.healthy = false;
        self.stopped.get_or_insert(Stop { at: now, code, reason, exit, container_reason });
    }

    pub fn arn(&self, place: &Place, cluster: &str) -> String {
        place.arn(&format!("task/{cluster}/{}", self.id))
    }

    pub fn last_status(&self) -> &'static str {
        match (&self.stopped, self.running) {
            (Some(_), _) => "STOPPED",
            (None, Some(_)) => "RUNNING",
            (None, None) => "PENDING",
        }
    }

    pub fn shown(&self, place: &Place, cluster: &str) -> Value {
        let arn = self.arn(place, cluster);
        let containers: Vec<Value> = (0..).zip(&self.containers).map(|(n, c)| self.container(&arn, n, c)).collect();
        let mut task = json!({
            "taskArn": arn, "clusterArn": place.arn(&format!("cluster/{cluster}")),
            "taskDefinitionArn": self.task_definition, "group": self.group, "startedBy": self.started_by,
            "lastStatus": self.last_status(), "createdAt": stamp(self.created), "launchType": "FARGATE",
            "desiredStatus": if self.stopped.is_some() { "STOPPED" } else { "RUNNING" },
            "healthStatus": "UNKNOWN", "cpu": "256", "memory": "512", "version": 3, "containers": containers,
            "attachments": [{"id": self.id, "type": "ElasticNetworkInterface",
                "status": if self.stopped.is_some() { "DELETED" } else { "ATTACHED" },
                "details": [{"name": "privateIPv4Address", "value": self.address}]}],
        });
        if self.started_by.is_empty() {
            task.as_object_mut().map(|members| members.remove("startedBy"));
        }
        if let Some(at) = self.running {
            task["startedAt"] = stamp(at);
        }
        if let Some(stop) = &self.stopped {
            task["stoppedAt"] = stamp(stop.at);
            task["stoppingAt"] = stamp(stop.at);
            task["stopCode"] = json!(stop.code);
            task["stoppedReason"] = json!(stop.reason);
        }
        task
    }

    fn container(&self, task: &str, n: usize, pinned: &Pinned) -> Value {
        let mut shown = json!({
            "containerArn": format!("{task}/{n}").replacen(":task/", ":container/", 1), "taskArn": task,
            "name": pinned.name, "image": pinned.image, "lastStatus": self.last_status(), "healthStatus": "UNKNOWN",
            "networkInterfaces": [{"attachmentId": self.id, "privateIpv4Address": self.address}], "cpu": "0",
        });
        if let (Some(digest), Some(_)) = (&pinned.digest, self.running) {
            shown["imageDigest"] = json!(digest);
        }
        if let Some(stop) = &self.stopped {
            // The others are stopped because the first one has ended.
            let exit = if n == 0 { stop.exit } else { stop.exit.map(|_| 0) };
            exit.inspect(|code| shown["exitCode"] = json!(code));
            stop.container_reason.as_ref().filter(|_| n == 0).inspect(|text| shown["reason"] = json!(text));
            if stop.code == "TaskFailedToStart" && n == 0 {
                shown["reason"] = json!(stop.reason);
            }
        }
        shown
    }
}

impl Service {
    /// A task of this deployment, not yet running.
    pub fn start_task(&mut self, number: &str, now: At) -> &mut Task {
        let revision = self.revision(number).cloned();
        let (definition, containers) = revision.map(|r| (r.task_definition, r.containers)).unwrap_or_default();
        let group = format!("service:{}", self.name);
        let mut task = Task::new(&format!("ecs-svc/{number}"), group, &definition, containers, now);
        task.number = Some(number.to_owned());
        self.say(now, &format!("has started 1 tasks: (task {}).", task.id));
        self.tasks.push(task);
        // Stopped ones are told for an hour, and never more than a hundred of them here.
        self.tasks.retain(|t| t.stopped.as_ref().is_none_or(|s| s.at + std::time::Duration::from_secs(3600) > now));
        let stopped = self.tasks.iter().filter(|t| t.stopped.is_some()).count();
        if stopped > 100
            && let Some(first) = self.tasks.iter().position(|t| t.stopped.is_some())
        {
            self.tasks.remove(first);
        }
        let last = self.tasks.len() - 1;
        &mut self.tasks[last]
    }

    pub fn tasks_of<'a>(&'a self, number: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |t| t.number.as_deref() == Some(number))
    }

    pub fn tasks_of_mut<'a>(&'a mut self, number: &'a str) -> impl Iterator<Item = &'a mut Task> {
        self.tasks.iter_mut().filter(move |t| t.number.as_deref() == Some(number))
    }
}

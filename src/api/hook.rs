//! Work beside the targets: what is to be run, and what was seen of it.

use super::spec::{EcsTaskHook, JobSource};
use super::status::EcsService;
use super::time::Duration;
use super::{EffectId, Image, NsName, Reason, RolloutId};
use serde::{Deserialize, Serialize};

/// One piece of work, as it is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HookRun {
    Job(Box<JobRun>),
    Task(Box<TaskRun>),
}

/// One Job, as it is to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRun {
    /// Names it for ever, and stands on it.
    pub effect: EffectId,
    pub release: NsName,
    /// uid of the Release.
    pub uid: String,
    pub job: NsName,
    pub source: JobSource,
    /// What is brought, first as the Release names it, then as it lies in other repositories. Never empty.
    pub images: Vec<Image>,
    pub rollout: RolloutId,
    pub stage: String,
    /// How long it may take from now on.
    pub timeout: Duration,
    pub keep: Keep,
}

/// One ECS task, as it is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRun {
    pub effect: EffectId,
    pub release: NsName,
    /// That of the target beside which it runs.
    pub service: EcsService,
    pub task: EcsTaskHook,
    /// What is brought, first as that target pulls it, then as it lies in other repositories. Never empty.
    pub images: Vec<Image>,
    /// Containers that get the first of these whatever they run now: those of the target, in its own task definition.
    pub containers: Vec<String>,
    pub rollout: RolloutId,
    pub stage: String,
    /// ECS shows it on the task, whichever try has made it.
    pub started_by: String,
    /// ECS makes at most one task for it.
    pub token: String,
    /// Once ECS has named the task.
    pub arn: Option<String>,
}

/// How long a Job is kept once it is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// As its template says, but so long at least; for ever where it says nothing.
    AtLeast(Duration),
    For(Duration),
}

/// What a Job that asks something came to, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    Passed(String),
    /// Its container said no.
    Failed(String),
    /// It could not be run.
    NotAsked(String),
}

/// Ends work before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HookStop {
    Job { job: NsName, uid: String },
    Task { service: EcsService, arn: String },
}

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HookLook {
    /// Whether it could be run.
    Fit(HookRun),
    /// What became of it.
    Found(HookRun),
}

/// What was seen of one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HookView {
    /// It could be run.
    Fit,
    /// It could not.
    Unfit {
        reason: Reason,
        message: String,
    },
    /// The API server said that there is none, or ECS shows none.
    Absent,
    Job(JobView),
    Task(HookTask),
    /// Nothing is known of it.
    Unreachable(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    pub uid: String,
    /// The effect that it says it is, and the uid of the Release that created it.
    pub effect: Option<String>,
    pub release: Option<String>,
    pub verdict: Option<JobVerdict>,
    /// What its pod waits for, while it does.
    pub waits: Option<String>,
    /// A container of one of its pods has run.
    pub began: bool,
    /// A container of a pod that nobody took away ended badly.
    pub fell: bool,
    /// One of its pods was evicted, drained or preempted, or somebody deleted what had failed.
    pub disrupted: bool,
}

/// The ECS task of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookTask {
    pub arn: String,
    pub started_by: Option<String>,
    /// It was told to end.
    pub stopping: bool,
    /// It has ended: nothing of it changes any more.
    pub stopped: bool,
    /// ECS's code for why it ended, such as `EssentialContainerExited`.
    pub code: Option<String>,
    /// The same in words, on one line.
    pub reason: String,
    /// The container whose exit code decides, if the task has it.
    pub container: Option<Exit>,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: Option<i32>,
    /// On one line.
    pub reason: String,
}

/// A Job's condition Complete or Failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobVerdict {
    Complete,
    Failed {
        /// The condition's.
        reason: String,
        /// Which container ended how, and the last lines of its output. On one line.
        message: String,
    },
}

impl HookRun {
    pub fn effect(&self) -> &EffectId {
        match self {
            Self::Job(run) => &run.effect,
            Self::Task(run) => &run.effect,
        }
    }
}

impl HookLook {
    /// The service with whose role ECS is asked.
    pub fn service(&self) -> Option<&EcsService> {
        match self {
            Self::Fit(HookRun::Task(run)) | Self::Found(HookRun::Task(run)) => Some(&run.service),
            Self::Fit(HookRun::Job(_)) | Self::Found(HookRun::Job(_)) => None,
        }
    }
}

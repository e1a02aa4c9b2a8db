//! Every reason that a condition, an event, a metric or the history can show. One closed enum.
//!
//! `docs/reference/reasons.md` is generated from [`Reason::ALL`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a reason appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// While a rollout is in work.
    Working,
    /// How a rollout ends.
    End,
    /// What stops a rollout before its next write; it goes on when that is mended.
    Blocked,
    /// Why a stage failed.
    Cause,
    /// Only in an event.
    Event,
    /// A condition beside Ready.
    Condition,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub enum Reason {
    Preflight,
    ChoosingWayBack,
    RunningHooks,
    Rolling,
    Verifying,
    Baking,
    AwaitingPromotion,
    Restoring,
    Suspended,
    Verified,
    RolledBack,
    RollbackFailed,
    RollbackBlocked,
    RollbackForbidden,
    RollbackAwaited,
    Aborted,
    Superseded,
    Contended,
    PromotionExpired,
    TargetGone,
    AdoptedUnhealthy,
    ReadinessTooLow,
    Quarantined,
    Deleted,
    NotSupported,
    TargetNotFound,
    HookNotFound,
    HookRefused,
    ContainerNotFound,
    ImageNotFound,
    EvidenceMissing,
    PermissionDenied,
    WriteRefused,
    RepositoryDiffers,
    ConsentMissing,
    TargetBusy,
    TargetDuplicate,
    TargetPaused,
    UpdateStrategyUnsupported,
    TargetScaledToZero,
    TargetUnreachable,
    TargetTerminating,
    DeploymentInFlight,
    NoRoomToDeploy,
    SpecTooLarge,
    StatusUnreadable,
    HookFailed,
    HookTimedOut,
    HookVanished,
    HealthCheckFailed,
    SmokeTestFailed,
    PerformanceCheckFailed,
    MetricGateFailed,
    Inconclusive,
    ImagePullFailed,
    CrashLoop,
    ConfigError,
    InitFailed,
    PodsRefused,
    Unschedulable,
    DeploymentFailed,
    ProgressDeadlineExceeded,
    DigestDiffers,
    PromotionGiven,
    PromotionRefused,
    AbortRefused,
    RetryDropped,
    RollbackRefused,
    RollbackRequested,
    ReadinessPassed,
    RolloutStarted,
    HookStarted,
    HookSucceeded,
    HookSkipped,
    StageVerified,
    Adopted,
    WayBackUnverified,
    QuarantinedBefore,
    CheckNewerThanWayBack,
    DigestUnknown,
    Recovered,
    LookupDenied,
    ContainerOrphaned,
    PartitionKeepsPods,
    StuckPodDeleted,
    StuckPodKept,
    TargetContended,
    Drifted,
}

/// One row of the reference: reason, kind, meaning, what to do.
pub struct Entry(pub Reason, pub Kind, pub &'static str, pub &'static str);

impl Reason {
    pub const ALL: &'static [Entry] = &[
        Entry(Self::Preflight, Kind::Working, "It looks whether everything that the rollout needs is there.", ""),
        Entry(Self::ChoosingWayBack, Kind::Working, "It asks what runs now whether that is worth coming back to.", ""),
        Entry(
            Self::RunningHooks,
            Kind::Working,
            "A hook is at work: one of the stage's before its first write, or one that undoes them when the stage is taken back.",
            "",
        ),
        Entry(Self::Rolling, Kind::Working, "The stage's targets are written and becoming available.", ""),
        Entry(Self::Verifying, Kind::Working, "The stage is available and its checks are being asked.", ""),
        Entry(
            Self::Baking,
            Kind::Working,
            "Everything passed; the stage's health checks are asked again and again for as long as `bake` says.",
            "",
        ),
        Entry(
            Self::AwaitingPromotion,
            Kind::Working,
            "A person must approve before the next stage is entered.",
            "Set the annotation that the message prints.",
        ),
        Entry(Self::Restoring, Kind::Working, "The stage is being brought to its way back, and asked again.", ""),
        Entry(
            Self::Suspended,
            Kind::Working,
            "`spec.suspend` is true: no rollout and no stage is begun.",
            "Set `spec.suspend: false`.",
        ),
        Entry(Self::Verified, Kind::End, "All stages run the image and passed their checks.", ""),
        Entry(
            Self::RolledBack,
            Kind::End,
            "The stage failed; its previous version runs again and passed its checks.",
            "Read `status.rollout.cause`, mend the image, set a new tag.",
        ),
        Entry(
            Self::RollbackFailed,
            Kind::End,
            "The way back could not be brought, did not become available, or failed its checks.",
            "Look at the workload now: what runs there is not known to be well. `status.rollout` names the target and the cause.",
        ),
        Entry(
            Self::RollbackBlocked,
            Kind::End,
            "Somebody else changed the target after Tidegate wrote it, or paused it: their change is left alone.",
            "Decide what should run there, bring it, then set `tidegate.dev/retry` or a new tag.",
        ),
        Entry(
            Self::RollbackForbidden,
            Kind::End,
            "The stage failed and is left as it is: `rollback.mode` is Never, or an irreversible hook had succeeded.",
            "Go forward with a mended tag. Only if the old version can run with what the hook did, set `tidegate.dev/rollback` to the rollout id.",
        ),
        Entry(
            Self::RollbackAwaited,
            Kind::End,
            "`rollback.mode: Manual`: a person must ask for the way back.",
            "Set `tidegate.dev/rollback` to the rollout id.",
        ),
        Entry(
            Self::Aborted,
            Kind::End,
            "A person ended the rollout with `tidegate.dev/abort`.",
            "Set `tidegate.dev/retry` to a new value, or a new tag, to start again.",
        ),
        Entry(Self::Superseded, Kind::End, "A newer image took its place.", ""),
        Entry(
            Self::Contended,
            Kind::End,
            "Somebody else put another image where Tidegate had written; there is no write war.",
            "Give the image field to Tidegate: the message names the manager and the lines to add.",
        ),
        Entry(
            Self::PromotionExpired,
            Kind::End,
            "Nobody approved within `promotion.timeout`; the waiting stage is untouched.",
            "Set `tidegate.dev/retry` to a new value to start again.",
        ),
        Entry(
            Self::TargetGone,
            Kind::End,
            "A target was deleted or replaced while it was in work.",
            "Bring the workload back, then set `tidegate.dev/retry`.",
        ),
        Entry(
            Self::AdoptedUnhealthy,
            Kind::End,
            "The targets ran the image already and did not pass the checks; nothing was written, so nothing is restored.",
            "Mend the application or the checks, then set `tidegate.dev/retry`.",
        ),
        Entry(
            Self::ReadinessTooLow,
            Kind::End,
            "What CI published about the image comes to less than the stage's `readiness` asks for. Nothing of the stage was touched.",
            "The message names each part's grade, the worst first. Mend that and set a new tag, or publish better evidence and set `tidegate.dev/retry` to a new value.",
        ),
        Entry(
            Self::Quarantined,
            Kind::End,
            "This image failed here before by its own fault.",
            "Set `tidegate.dev/retry` to a new value to try it all the same, or go back to the stable image.",
        ),
        Entry(Self::Deleted, Kind::End, "The Release was deleted while it was in work.", ""),
        Entry(
            Self::NotSupported,
            Kind::Blocked,
            "A field asks for something that this version does not do.",
            "Remove the field that the message names.",
        ),
        Entry(
            Self::TargetNotFound,
            Kind::Blocked,
            "A workload does not exist (yet).",
            "Create it, or mend `targets[].kubernetes`.",
        ),
        Entry(
            Self::HookNotFound,
            Kind::Blocked,
            "The CronJob, Job or task definition that a hook is made from does not exist (yet).",
            "Create it, or mend the hook; it goes on by itself when it is there.",
        ),
        Entry(
            Self::HookRefused,
            Kind::Blocked,
            "A hook could not be run: the API server refuses its Job when asked without doing it, it would run as Tidegate itself, or its task definition lacks the container or a network.",
            "Read the message: it is the API server's own, or names what is missing. Mend the template, or `hooks[].ecsTask`.",
        ),
        Entry(
            Self::ContainerNotFound,
            Kind::Blocked,
            "A listed container is not in the pod template.",
            "Mend `targets[].kubernetes.containers`.",
        ),
        Entry(
            Self::EvidenceMissing,
            Kind::Blocked,
            "The stage's `readiness` asks for evidence about this image, and there is none, or it is about another one, too old, or incomplete.",
            "Let CI publish it; it is looked for every ten seconds.",
        ),
        Entry(
            Self::ImageNotFound,
            Kind::Blocked,
            "The image is not in its registry, or there is no such repository: ECR says so of an ECS service's, any registry with `image.resolve: Registry`.",
            "Push it, or mend the repository or tag; it goes on by itself when the image is there.",
        ),
        Entry(
            Self::PermissionDenied,
            Kind::Blocked,
            "The API server refused the controller a read or write.",
            "Give the controller's ServiceAccount the right that the message names.",
        ),
        Entry(
            Self::WriteRefused,
            Kind::Blocked,
            "Admission or validation refused the write.",
            "Read the message: it is the API server's own.",
        ),
        Entry(
            Self::RepositoryDiffers,
            Kind::Blocked,
            "A container runs an image of another repository than the Release brings.",
            "Mend `repository`, or annotate the workload with `tidegate.dev/allow-repository`.",
        ),
        Entry(
            Self::ConsentMissing,
            Kind::Blocked,
            "A workload or Service lies in another namespace that has not agreed.",
            "Annotate it, or its Namespace, with `tidegate.dev/allow-from`.",
        ),
        Entry(
            Self::TargetBusy,
            Kind::Blocked,
            "Another Release has this workload.",
            "Remove the target from one of the two Releases.",
        ),
        Entry(
            Self::TargetDuplicate,
            Kind::Blocked,
            "Two targets of this Release are the same workload.",
            "List it once, with all its containers.",
        ),
        Entry(
            Self::TargetPaused,
            Kind::Blocked,
            "The workload is paused by its owner.",
            "`kubectl rollout resume` it.",
        ),
        Entry(
            Self::UpdateStrategyUnsupported,
            Kind::Blocked,
            "The update strategy of a StatefulSet or DaemonSet would replace no pod: `OnDelete`, or a partition that keeps all of them.",
            "Set the field that the message names.",
        ),
        Entry(
            Self::TargetScaledToZero,
            Kind::Blocked,
            "The workload has no replicas, or no node matches the DaemonSet, so nothing can be verified.",
            "Scale it up, or mend the DaemonSet's node selector.",
        ),
        Entry(
            Self::TargetUnreachable,
            Kind::Blocked,
            "The API server gave no answer about a target or a hook.",
            "It is asked again; look at the API server.",
        ),
        Entry(
            Self::TargetTerminating,
            Kind::Blocked,
            "A target or its namespace is being deleted.",
            "Wait until it is gone, or choose another target.",
        ),
        Entry(
            Self::DeploymentInFlight,
            Kind::Blocked,
            "A deployment of the ECS service is under way that Tidegate did not start: what it leaves behind is no way back yet.",
            "Wait until it ends, or stop it.",
        ),
        Entry(
            Self::NoRoomToDeploy,
            Kind::Blocked,
            "The ECS service's minimum and maximum percent allow neither to stop nor to start a task.",
            "Raise `maximumPercent` or lower `minimumHealthyPercent` in its deployment configuration.",
        ),
        Entry(Self::SpecTooLarge, Kind::Blocked, "The spec is larger than 128 KiB of JSON.", "Make it smaller."),
        Entry(
            Self::StatusUnreadable,
            Kind::Blocked,
            "The frozen spec in status, or all of the Release, cannot be decoded.",
            "Set `tidegate.dev/retry`, or a new tag, once what was written is settled; where nothing is done, empty the status.",
        ),
        Entry(
            Self::HookFailed,
            Kind::Cause,
            "A hook ended badly, or could not be created. The image was not written, and it is not held against it.",
            "Read the last lines of its output in the message; mend it, then set `tidegate.dev/retry`, or a new tag.",
        ),
        Entry(
            Self::HookTimedOut,
            Kind::Cause,
            "A hook did not end within its `timeout` and was stopped: how far it came is not known.",
            "Look at its Job or ECS task and at what it works on, then raise `hooks[].timeout` or mend it, and set `tidegate.dev/retry`.",
        ),
        Entry(
            Self::HookVanished,
            Kind::Cause,
            "A hook's Job or ECS task is gone before its end was seen: how it ended is not known, and it is not run again.",
            "Look at what it works on, and at who deletes Jobs there, then set `tidegate.dev/retry`: that runs it again.",
        ),
        Entry(
            Self::HealthCheckFailed,
            Kind::Cause,
            "A health check failed as often in a row as `retry.attempts` allows; or ECS stopped three tasks for failing the load balancer's.",
            "Read which expectation failed; look at the application's log.",
        ),
        Entry(
            Self::SmokeTestFailed,
            Kind::Cause,
            "A smoke test failed.",
            "Read which expectation failed; look at the application's log.",
        ),
        Entry(
            Self::PerformanceCheckFailed,
            Kind::Cause,
            "Under load the new version broke a threshold.",
            "The message names the threshold, what was measured and the limit; compare the two versions under the same load.",
        ),
        Entry(
            Self::MetricGateFailed,
            Kind::Cause,
            "While the stage baked a metric was out of its bounds, or a CloudWatch alarm was raised, as often as `limits.fail` allows.",
            "The message names the gate, the value and the bound; look at the metric since the stage was written.",
        ),
        Entry(
            Self::Inconclusive,
            Kind::Cause,
            "The checks' budget was spent without anybody being able to ask, or a metric gate reached its limit of Errors or NoData.",
            "Read the check's message: an address, Secret or Service stood in the way.",
        ),
        Entry(
            Self::ImagePullFailed,
            Kind::Cause,
            "A container's image cannot be pulled.",
            "Push the image, or mend the repository, tag or pull secret.",
        ),
        Entry(
            Self::CrashLoop,
            Kind::Cause,
            "A container exits again and again.",
            "Look at the container's last log: `kubectl logs --previous`.",
        ),
        Entry(
            Self::ConfigError,
            Kind::Cause,
            "A container cannot be created from its configuration.",
            "Mend the ConfigMap, Secret or command that the message names.",
        ),
        Entry(Self::InitFailed, Kind::Cause, "An init container fails.", "Look at the init container's log."),
        Entry(
            Self::PodsRefused,
            Kind::Cause,
            "The ReplicaSet may not create pods: quota or admission.",
            "Read the message; raise the quota or mend the pod.",
        ),
        Entry(
            Self::Unschedulable,
            Kind::Cause,
            "The pods found no node within the deadline.",
            "Add capacity, or mend the pod's requests and selectors.",
        ),
        Entry(
            Self::DeploymentFailed,
            Kind::Cause,
            "ECS itself ended the deployment: its circuit breaker, an alarm, or a person.",
            "Read the message and the service's events; look at the stopped tasks.",
        ),
        Entry(
            Self::ProgressDeadlineExceeded,
            Kind::Cause,
            "The targets were not available on the new revision within `progressDeadline`.",
            "Look at the pods of the new revision.",
        ),
        Entry(
            Self::DigestDiffers,
            Kind::Cause,
            "What runs, or what a registry holds, is another image than the one that the stage before verified.",
            "The tag was moved: build a new tag. Or a mirror packed it anew: copy it with its digest kept.",
        ),
        Entry(Self::PromotionGiven, Kind::Event, "An approval was accepted.", ""),
        Entry(
            Self::PromotionRefused,
            Kind::Event,
            "A value of `tidegate.dev/promote` was not accepted.",
            "Set exactly the token that the message prints.",
        ),
        Entry(
            Self::AbortRefused,
            Kind::Event,
            "A value of `tidegate.dev/abort` does not name the running rollout.",
            "Use the id in `status.rollout.id`.",
        ),
        Entry(Self::RetryDropped, Kind::Event, "A retry came while a rollout ran that then was verified.", ""),
        Entry(
            Self::RollbackRequested,
            Kind::Cause,
            "A person took a finished rollout back with `tidegate.dev/rollback`.",
            "",
        ),
        Entry(
            Self::RollbackRefused,
            Kind::Event,
            "A value of `tidegate.dev/rollback` was not accepted.",
            "Use `tidegate.dev/abort` for a running rollout.",
        ),
        Entry(Self::ReadinessPassed, Kind::Event, "What CI published about the image is enough for the stage.", ""),
        Entry(Self::RolloutStarted, Kind::Event, "A rollout began.", ""),
        Entry(Self::HookStarted, Kind::Event, "A hook was begun.", ""),
        Entry(Self::HookSucceeded, Kind::Event, "A hook has done its work.", ""),
        Entry(
            Self::HookSkipped,
            Kind::Event,
            "What would undo a stage's hooks was not run, because the stage was not brought back in full.",
            "Bring the stage back, then undo by hand what its hooks did.",
        ),
        Entry(Self::StageVerified, Kind::Event, "A stage passed its checks.", ""),
        Entry(Self::Adopted, Kind::Event, "A stage ran the image already: nothing was written, nobody approved.", ""),
        Entry(
            Self::WayBackUnverified,
            Kind::Event,
            "What runs now did not pass the checks, and nothing verified is known: a restore would bring it all the same.",
            "",
        ),
        Entry(
            Self::QuarantinedBefore,
            Kind::Event,
            "The spec goes back to an image that failed here, but was verified in every stage before.",
            "",
        ),
        Entry(
            Self::CheckNewerThanWayBack,
            Kind::Event,
            "A check that came with the new image was asked of the restored version; its answer decides nothing.",
            "",
        ),
        Entry(
            Self::DigestUnknown,
            Kind::Event,
            "Neither registry nor pods tell a digest, so it could not be compared. With `image.requireDigest` the rollout waits for the registry; for its pods a stage waits as long again as its `progressDeadline`, and is then restored.",
            "With `image.resolve`: read why the registry does not tell; it may need `image.pullSecret`.",
        ),
        Entry(
            Self::Recovered,
            Kind::Event,
            "A check that was said to fail, while the rollout waited or at rest, passes again.",
            "",
        ),
        Entry(
            Self::LookupDenied,
            Kind::Event,
            "AWS does not allow a look-up that can be done without: what load balancers say of an ECS service's tasks, or whether its image is in ECR.",
            "Allow the action that the message names, or leave it so.",
        ),
        Entry(
            Self::ContainerOrphaned,
            Kind::Event,
            "A listed container was removed by its owner; Tidegate gives up its image.",
            "Remove it from `targets[].kubernetes.containers`.",
        ),
        Entry(
            Self::PartitionKeepsPods,
            Kind::Event,
            "A StatefulSet has a partition: pods of lower ordinals keep their image, and the others are verified.",
            "Lower the partition when they shall follow.",
        ),
        Entry(
            Self::StuckPodDeleted,
            Kind::Event,
            "A pod of the version that was taken away was not ready and held up its StatefulSet, so it was deleted.",
            "",
        ),
        Entry(
            Self::StuckPodKept,
            Kind::Event,
            "A pod of the version that was taken away holds up its StatefulSet, and Tidegate may not delete it.",
            "Delete it with the command that the message prints; or set `rbac.deleteStuckPods: true` in the chart.",
        ),
        Entry(
            Self::TargetContended,
            Kind::Condition,
            "A GitOps tool applies the workload and may take the image back.",
            "Add the lines that the message prints.",
        ),
        Entry(
            Self::Drifted,
            Kind::Condition,
            "A target no longer runs what was verified; nothing is written.",
            "Bring it back, or set a new tag.",
        ),
    ];

    fn entry(self) -> Option<&'static Entry> {
        Self::ALL.iter().find(|e| e.0 == self)
    }
    pub fn kind(self) -> Kind {
        self.entry().map_or(Kind::Event, |e| e.1)
    }
    pub fn meaning(self) -> &'static str {
        self.entry().map_or("", |e| e.2)
    }
    /// What a person can do; empty where nothing needs doing.
    pub fn remedy(self) -> &'static str {
        self.entry().map_or("", |e| e.3)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

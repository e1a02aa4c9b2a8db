//! A smoke test that is a Job: run to its end, or followed where an earlier look began it.

use super::{Hooks, look};
use crate::api::NsName;
use crate::api::effect::{Answer, Refused};
use crate::api::hook::{HookRun, HookStop, HookView, JobEnd, JobRun, JobVerdict, JobView};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks: at first, and later.
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(5);
/// Beyond its own timeout it is waited for so long.
const GRACE: Duration = Duration::from_secs(30);

impl Hooks {
    /// Asked again under the same effect it is the same Job. Ends by itself, soon after the Job's own timeout.
    pub async fn test(&self, run: &JobRun) -> JobEnd {
        let end = Instant::now() + run.timeout.std() + GRACE;
        let (mut made, mut pause) = (None::<String>, SOON);
        let (mut began, mut disrupted, mut waits) = (false, false, None::<String>);
        loop {
            match look::found(&self.client, self.timeout, &run.job).await {
                HookView::Job(job) if ours(&job, run) => {
                    began |= job.began;
                    disrupted |= job.disrupted;
                    waits = job.waits.or(waits);
                    if let Some(verdict) = job.verdict {
                        return ended(&run.job, verdict, began, disrupted && !job.fell, waits);
                    }
                    made = Some(job.uid);
                }
                HookView::Job(_) => return not_asked(run, "exists already and is somebody else's"),
                HookView::Absent if made.is_some() => return not_asked(run, "was deleted before its end was seen"),
                HookView::Absent => match self.run(&HookRun::Job(Box::new(run.clone()))).await {
                    Answer::Refused {
                        kind: Refused::Forbidden | Refused::Invalid | Refused::Gone, message, ..
                    } => return not_asked(run, &format!("could not be created: {message}")),
                    Answer::Created { uid } => made = Some(uid),
                    _ => {}
                },
                HookView::Task(_) | HookView::Fit | HookView::Unfit { .. } | HookView::Unreachable(_) => {}
            }
            if Instant::now() >= end {
                if let Some(uid) = made {
                    self.stop(&HookStop::Job { job: run.job.clone(), uid }).await;
                }
                return not_asked(run, "was not heard of in time");
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LATER);
        }
    }
}

fn ours(job: &JobView, run: &JobRun) -> bool {
    job.effect.as_deref() == Some(run.effect.as_str()) && job.release.as_deref() == Some(&run.uid)
}

/// Only what ran and was let run says something of the application.
fn ended(job: &NsName, verdict: JobVerdict, began: bool, disrupted: bool, waits: Option<String>) -> JobEnd {
    match verdict {
        JobVerdict::Complete => JobEnd::Passed(format!("Job {} is complete", job)),
        JobVerdict::Failed { message, .. } if disrupted => {
            JobEnd::NotAsked(format!("Job {} failed, and its pod was taken away: {message}", job))
        }
        // The pod is deleted at the Job's deadline, so why it did not begin is known from before.
        JobVerdict::Failed { reason, .. } if !began && reason == "DeadlineExceeded" => {
            let waits = waits.unwrap_or_else(|| "its pod did not begin in time".to_owned());
            JobEnd::NotAsked(format!("Job {}: {waits}", job))
        }
        JobVerdict::Failed { message, .. } if !began => {
            JobEnd::NotAsked(format!("Job {} failed, and nothing of it was seen to run: {message}", job))
        }
        JobVerdict::Failed { message, .. } => JobEnd::Failed(format!("Job {} failed: {message}", job)),
    }
}

fn not_asked(run: &JobRun, why: &str) -> JobEnd {
    JobEnd::NotAsked(format!("Job {} {why}", run.job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ran_and_was_let_run_is_held_against_the_image() {
        for (reason, began, disrupted, asked) in [
            ("BackoffLimitExceeded", true, false, true),
            ("DeadlineExceeded", true, false, true),
            ("DeadlineExceeded", false, false, false),
            // Its node refused the pod.
            ("BackoffLimitExceeded", false, false, false),
            ("BackoffLimitExceeded", true, true, false),
            ("PodFailurePolicy", true, true, false),
        ] {
            let verdict = JobVerdict::Failed { reason: reason.into(), message: "it failed".into() };
            let end = ended(&NsName::new("shop", "test"), verdict, began, disrupted, None);
            assert_eq!(matches!(end, JobEnd::Failed(_)), asked, "{reason} {began} {disrupted}");
            assert_eq!(matches!(end, JobEnd::NotAsked(_)), !asked, "{reason} {began} {disrupted}");
        }
    }
}

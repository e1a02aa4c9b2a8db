//! How rollouts go on and end, as everybody may rely on it.

use super::people::RELEASE;
use super::scene::Scene;
use tidegate::api::condition::{AWAITING_PROMOTION, READY, RECONCILING, STALLED, find};
use tidegate::api::status::Step;
use tidegate::api::{Phase, Reason, ReleaseStatus};

impl Scene {
    /// Waits until the rollout of this tag waits for a person; the token to give.
    pub async fn awaiting(&self, tag: &str) -> String {
        let status =
            self.until_status(&format!("{tag} awaits promotion"), |s| at(s, tag, Phase::AwaitingPromotion)).await;
        conditions_tell(&status);
        status.rollout.unwrap().promotion.unwrap().token
    }

    /// Waits until the rollout of this tag is in this phase.
    pub async fn phase(&self, tag: &str, phase: Phase) -> ReleaseStatus {
        let status = self.until_status(&format!("{tag} is {phase:?}"), |s| at(s, tag, phase)).await;
        conditions_tell(&status);
        status
    }

    /// Waits until the rollout of this tag has ended, however.
    pub async fn ended(&self, tag: &str) -> ReleaseStatus {
        self.ended_of(RELEASE, tag).await
    }

    pub async fn ended_of(&self, name: &str, tag: &str) -> ReleaseStatus {
        let ended = |s: &ReleaseStatus| {
            let last = s.rollout.as_ref();
            last.is_some_and(|r| r.step == Step::Ended && r.image.short() == tag)
        };
        let status = self.until_status_of(name, &format!("{tag} has ended"), ended).await;
        conditions_tell(&status);
        status
    }

    /// Waits for the end of the rollout of this tag, which must be this one.
    pub async fn ends(&self, tag: &str, phase: Phase, reason: Reason) -> ReleaseStatus {
        let status = self.ended(tag).await;
        let end = (status.phase, status.rollout.as_ref().and_then(|r| r.reason));
        assert_eq!(end, (Some(phase), Some(reason)), "{:?}", status.message);
        status
    }

    pub async fn verified(&self, tag: &str) -> ReleaseStatus {
        self.ends(tag, Phase::Verified, Reason::Verified).await
    }

    /// Waits for a rollout that failed, came back, and was proven to have; why it failed is `cause`.
    pub async fn rolled_back(&self, tag: &str, cause: Reason) -> ReleaseStatus {
        let status = self.ends(tag, Phase::RolledBack, Reason::RolledBack).await;
        assert_eq!(self.cause(&status), Some(cause), "{:?}", status.message);
        status
    }

    /// Waits until the rollout stands still before its first write, for this reason.
    pub async fn blocked(&self, reason: Reason) -> ReleaseStatus {
        self.blocked_of(RELEASE, reason).await
    }

    pub async fn blocked_of(&self, name: &str, reason: Reason) -> ReleaseStatus {
        let says = |s: &ReleaseStatus| {
            s.phase == Some(Phase::Pending) && s.conditions.iter().any(|c| c.reason == reason.to_string())
        };
        let status = self.until_status_of(name, &format!("it is blocked by {reason}"), says).await;
        conditions_tell(&status);
        status
    }

    pub fn cause(&self, status: &ReleaseStatus) -> Option<Reason> {
        status.rollout.as_ref().and_then(|r| r.cause.as_ref()).map(|c| c.reason)
    }

    /// From the edit to the end, approved on the way.
    pub async fn release_to_production(&self, tag: &str) -> ReleaseStatus {
        self.set_tag(tag).await;
        let token = self.awaiting(tag).await;
        self.promote(&token).await;
        self.verified(tag).await
    }
}

/// Whether the rollout of `tag` stands in this phase.
pub fn at(status: &ReleaseStatus, tag: &str, phase: Phase) -> bool {
    status.phase == Some(phase) && status.rollout.as_ref().is_some_and(|r| r.image.short() == tag)
}

/// The conditions say the same as the phase, in the words that other tools read.
pub fn conditions_tell(status: &ReleaseStatus) {
    let is = |type_| find(&status.conditions, type_).map(|c| c.status.as_str());
    let seen = (is(READY), is(RECONCILING), is(STALLED), is(AWAITING_PROMOTION));
    let (t, f, unknown) = (Some("True"), Some("False"), Some("Unknown"));
    let wanted = match status.phase {
        Some(Phase::Verified) => vec![(t, None, None, None)],
        Some(Phase::RolledBack | Phase::Failed) => vec![(f, None, t, None)],
        Some(Phase::AwaitingPromotion) => vec![(unknown, t, None, t)],
        Some(Phase::Pending) => vec![(unknown, t, None, None), (f, None, t, None)],
        // A restore that is overdue says so and goes on.
        Some(Phase::Restoring) => vec![(unknown, t, None, None), (f, None, t, None)],
        _ => vec![(unknown, t, None, None)],
    };
    assert!(wanted.contains(&seen), "{:?} says {seen:?}, should say {wanted:?}", status.phase);
}

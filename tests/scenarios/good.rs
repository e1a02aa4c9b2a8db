//! What happens on most days.

use crate::support::{release, scene};
use serde_json::json;
use tidegate::api::{Phase, Reason};

#[tokio::test]
async fn a_good_release_goes_through_both_stages() {
    scene("good", async |s| {
        s.settled().await;
        s.set_tag("sha-0000002").await;
        let token = s.awaiting("sha-0000002").await;
        assert_eq!((s.runs("staging").await, s.runs("production").await), ("sha-0000002".into(), "sha-0000001".into()));
        assert!(s.requests("sha-0000002", "/items").await.len() == 1, "staging was asked its smoke test once");

        s.promote(&token).await;
        let end = s.verified("sha-0000002").await;
        assert_eq!(s.tags("staging").await, ["sha-0000001", "sha-0000002"]);
        assert_eq!(s.tags("production").await, ["sha-0000001", "sha-0000002"]);
        let stable: Vec<_> = end.stable.iter().map(|t| t.images[0].image.short()).collect();
        assert_eq!(stable, ["sha-0000002", "sha-0000002"]);
        assert!(end.debts.is_empty() && end.quarantine.is_empty(), "{end:?}");
        assert_eq!(end.rollout.unwrap().approvals[0].by.as_deref(), Some("admin"));
        assert_eq!(s.requests("sha-0000002", "/items").await.len(), 2);
        s.event(Reason::PromotionGiven).await;
        s.event(Reason::Verified).await;
        let phases = s.phases().await;
        let story =
            ["Rolling", "Verifying", "AwaitingPromotion", "Rolling", "Verifying", "Verified"].map(str::to_owned);
        assert!(phases.ends_with(&story), "{phases:?}");
    })
    .await;
}

/// The first Release of an application that runs already: nothing is written, the checks decide.
#[tokio::test]
async fn what_runs_already_and_is_well_is_adopted() {
    scene("adopt", async |s| {
        s.settled().await;
        let status = s.status().await;
        assert_eq!(s.tags("production").await, ["sha-0000001"]);
        assert!(status.rollout.unwrap().approvals.is_empty(), "nobody was asked");
        assert_eq!(
            status.history[0].stages.iter().map(|s| (s.name.as_str(), s.adopted)).collect::<Vec<_>>(),
            [("staging", true), ("production", true)]
        );
        s.event(Reason::Adopted).await;
        assert!(!s.requests("sha-0000001", "/health").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_runs_already_and_is_not_well_is_left_alone_and_said() {
    scene("adopt-ill", async |s| {
        s.behaves("sha-0000001", json!({"http": [{"path": "/health", "status": 500}]})).await;
        s.two_stages().await;
        s.apply(&release("sha-0000001")).await;
        let end = s.ends("sha-0000001", Phase::Failed, Reason::AdoptedUnhealthy).await;
        assert!(end.quarantine.is_empty() && end.debts.is_empty());
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec!["sha-0000001".into()], vec!["sha-0000001".into()])
        );
    })
    .await;
}

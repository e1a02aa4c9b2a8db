//! Two replicas, one of which works.

use crate::alone::alone;
use crate::support::controller::leader;
use crate::support::wait::{is, until};
use serde_json::json;
use tidegate::api::Phase;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn the_leader_is_killed_in_mid_rollout() {
    alone("leader-killed", async |s, replicas| {
        let (a, b) = (replicas.start(), replicas.start());
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        let first = leader(&s.client, [&a, &b]).await;
        replicas.kill(first);
        s.behaves(NEW, json!({})).await;
        let token = s.awaiting(NEW).await;
        assert_ne!(leader(&s.client, [&a, &b]).await, first);
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into(), NEW.into()])
        );
    })
    .await;
}

/// A leader that stood still for longer than its lease finds another in its place and writes nothing.
#[tokio::test]
async fn the_leader_stands_still_and_wakes_up() {
    alone("leader-frozen", async |s, replicas| {
        // Long enough that the other one keeps it on a busy machine.
        let [a, b] = [(); 2].map(|()| replicas.start_with(&["--lease-seconds=10"]));
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"never": true}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        let first = leader(&s.client, [&a, &b]).await;
        let other = if first == a { &b } else { &a };
        replicas.signal(first, "STOP");
        until("the other one leads", async || {
            let now = leader(&s.client, [&a, &b]).await;
            is(now == other, (), now)
        })
        .await;
        s.behaves(NEW, json!({})).await;
        let token = s.awaiting(NEW).await;
        replicas.signal(first, "CONT");
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(leader(&s.client, [&a, &b]).await, other);
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into(), NEW.into()])
        );
    })
    .await;
}

/// Asked to stop, it gives the lease back: the other one need not wait for it to run out.
#[tokio::test]
async fn the_leader_is_stopped() {
    alone("leader-stopped", async |s, replicas| {
        let (a, b) = (replicas.start(), replicas.start());
        s.settled().await;
        let first = leader(&s.client, [&a, &b]).await;
        let other = if first == a { &b } else { &a };
        replicas.signal(first, "TERM");
        s.release_to_production(NEW).await;
        assert_eq!(leader(&s.client, [&a, &b]).await, other);
    })
    .await;
}

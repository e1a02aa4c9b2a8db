//! The API server stands still in mid-work, for longer than the lease lasts.

use crate::alone::alone;
use crate::support::wait::{is, until};
use crate::support::{Cluster, held};
use serde_json::json;
use std::time::{Duration, Instant};
use tidegate::api::Phase;

const OLD: &str = "sha-0000001";
const NEW: &str = "sha-0000002";

#[tokio::test]
async fn it_is_waited_for() {
    alone("server-frozen", async |s, replicas| {
        replicas.start();
        s.settled().await;
        s.behaves(NEW, json!({"ready": {"delay": "4s"}})).await;
        s.set_tag(NEW).await;
        s.phase(NEW, Phase::Rolling).await;
        let (server, since) = (Cluster::get().pids["kube-apiserver"], Instant::now());
        held::signal(server, "STOP");
        until("the lease has run out", async || is(since.elapsed() > Duration::from_secs(5), (), since)).await;
        held::signal(server, "CONT");
        let token = s.awaiting(NEW).await;
        s.promote(&token).await;
        s.verified(NEW).await;
        assert_eq!(
            (s.tags("staging").await, s.tags("production").await),
            (vec![OLD.into(), NEW.into()], vec![OLD.into(), NEW.into()])
        );
    })
    .await;
}

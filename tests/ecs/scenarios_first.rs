//! The shortest way through: a good image lands, a bad one is taken back.

use crate::scenarios_stage::{NEW, OLD, on_ecs, settled_on_ecs};
use crate::sim::course::{Course, Failure};
use tidegate::api::Reason;

#[tokio::test]
async fn a_good_image_lands() {
    on_ecs(
        "lands",
        |s| s.breaker(true),
        async |s| {
            s.settled().await;
            assert_eq!(s.writes(), "", "what runs already is adopted");
            s.set_tag(NEW).await;
            s.verified(NEW).await;
            assert_eq!(s.writes(), "RU");
            assert_eq!(s.tag(), NEW);
        },
    )
    .await;
}

#[tokio::test]
async fn a_bad_image_is_taken_back() {
    settled_on_ecs("fails", async |s| {
        s.service.plan([Course::fails(Failure::Exits(1))]);
        s.set_tag(NEW).await;
        s.rolled_back(NEW, Reason::CrashLoop).await;
        assert_eq!(s.writes(), "RUS");
        assert_eq!(s.tag(), OLD);
    })
    .await;
}

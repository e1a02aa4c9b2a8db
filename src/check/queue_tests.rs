use super::*;
use crate::api::ask::{Outcome, Query};
use crate::api::status::Purpose;
use crate::api::{RolloutId, Time};

fn release(namespace: &str) -> NsName {
    NsName::new(namespace, "web")
}

fn ask(release: &NsName, number: i32) -> Ask {
    let id = AskId {
        release: release.to_string(),
        rollout: RolloutId { generation: 1, attempt: 1 },
        stage: "staging".into(),
        check: "health".into(),
        purpose: Purpose::Verify,
        number,
        revision: "abc".into(),
    };
    let http = serde_json::from_value(serde_json::json!({"pods": {"port": 80}})).unwrap();
    Ask { id, release: release.clone(), query: Query::Http(http), pods: None }
}

fn start(queue: &mut Queue) -> Option<(Job, AbortHandle)> {
    let (abort, _) = AbortHandle::new_pair();
    queue.start(usize::MAX, usize::MAX, &abort).map(|job| (job, abort))
}

fn result(job: &Job, at: i64) -> Option<AskResult> {
    let at = Time::from_millis(at);
    Some(AskResult { id: job.ask.id.clone(), outcome: Outcome::Pass, message: String::new(), measured: None, at })
}

fn is_empty(queue: &Queue) -> bool {
    queue.releases.is_empty()
        && queue.waiting.is_empty()
        && queue.turns.is_empty()
        && queue.running.is_empty()
        && queue.total == 0
}

#[test]
fn a_cancelled_run_does_not_answer_for_the_next() {
    let (mut queue, a) = (Queue::default(), release("a"));
    queue.ensure(&a, &[ask(&a, 1)]);
    let (old, abort) = start(&mut queue).unwrap();
    queue.ensure(&a, &[]);
    assert!(abort.is_aborted());
    queue.ensure(&a, &[ask(&a, 1)]);
    let (new, _) = start(&mut queue).unwrap();
    assert!(!queue.finish(&old, result(&old, 1)));
    assert_eq!(queue.results(&a), []);
    assert!(queue.finish(&new, result(&new, 2)));
    assert_eq!(queue.results(&a).len(), 1);
    queue.forget(&a, std::slice::from_ref(&new.ask.id));
    assert!(is_empty(&queue));
}

#[test]
fn what_was_cancelled_while_it_waited_leaves_nothing_behind() {
    let (mut queue, a) = (Queue::default(), release("a"));
    for number in 0..1000 {
        queue.ensure(&a, &[ask(&a, number)]);
    }
    assert_eq!(queue.waiting["a"].len(), 1);
    queue.drop_release(&a);
    assert!(is_empty(&queue));
    assert!(start(&mut queue).is_none());
}

#[test]
fn a_run_that_ends_without_a_result_can_be_asked_again() {
    let (mut queue, a) = (Queue::default(), release("a"));
    queue.ensure(&a, &[ask(&a, 1)]);
    let (job, _) = start(&mut queue).unwrap();
    assert!(!queue.finish(&job, None));
    queue.ensure(&a, &[ask(&a, 1)]);
    assert!(start(&mut queue).is_some());
}

#[test]
fn a_full_namespace_is_passed_over() {
    let (mut queue, a, b) = (Queue::default(), release("a"), release("b"));
    queue.ensure(&a, &[ask(&a, 1), ask(&a, 2), ask(&a, 3)]);
    queue.ensure(&b, &[ask(&b, 1)]);
    let (abort, _) = AbortHandle::new_pair();
    let mut order = Vec::new();
    while let Some(job) = queue.start(10, 2, &abort) {
        order.push(job);
    }
    assert_eq!(order.iter().map(|job| &*job.release.namespace).collect::<Vec<_>>(), ["a", "b", "a"]);
    queue.finish(&order[0], None);
    assert_eq!(queue.start(10, 2, &abort).unwrap().ask.id.number, 3);
}

#[test]
fn results_that_nobody_counts_are_bounded() {
    let (mut queue, a) = (Queue::default(), release("a"));
    for number in 0..200 {
        queue.ensure(&a, &[ask(&a, number)]);
        let (job, _) = start(&mut queue).unwrap();
        queue.finish(&job, result(&job, i64::from(number)));
    }
    let mut left: Vec<i32> = queue.results(&a).iter().map(|r| r.id.number).collect();
    left.sort_unstable();
    assert_eq!(left, (200 - i32::try_from(MOST_RESULTS).unwrap()..200).collect::<Vec<_>>());
}

//! What asks for a look, and what does not.

use super::*;
use crate::api::ReleaseStatus;
use crate::api::spec::WorkloadKind;

fn put(memory: &Memory, name: &str, version: &str, workload: &str) -> bool {
    memory.put(&view(name, workload), version, true)
}
fn view(name: &str, workload: &str) -> ReleaseView {
    let spec = serde_json::json!({
        "image": {"repository": "r", "tag": "sha-1234567"},
        "stages": [{"name": "staging", "checks": "None", "targets": [
            {"name": "web", "kubernetes": {"kind": "Deployment", "name": workload, "containers": ["app"]}}]}]
    });
    ReleaseView {
        name: NsName::new("shop", name),
        uid: name.to_owned(),
        generation: 1,
        deleting: false,
        finalizer: false,
        annotations: Default::default(),
        spec: serde_json::from_value(spec).unwrap(),
        status: ReleaseStatus::default(),
    }
}
fn workload(name: &str) -> KubernetesWorkload {
    KubernetesWorkload { kind: WorkloadKind::Deployment, namespace: "shop".into(), name: name.into() }
}
fn seen(uid: &str, generation: i64) -> Seen {
    Seen::new(uid, generation)
}
fn names(triggers: Vec<NsName>) -> Vec<String> {
    triggers.into_iter().map(|n| n.name).collect()
}

#[test]
fn at_rest_only_a_new_generation_or_object_of_a_listed_workload_counts() {
    let memory = Memory::default();
    put(&memory, "a", "1", "web");
    assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a"]);
    assert!(memory.workload(workload("web"), seen("u", 1)).is_empty());
    assert!(memory.workload(workload("other"), seen("u", 1)).is_empty());
    assert_eq!(names(memory.workload(workload("web"), seen("u", 2))), ["a"]);
    assert_eq!(names(memory.workload(workload("web"), seen("v", 2))), ["a"]);
    assert_eq!(names(memory.workload_gone(&workload("web"))), ["a"]);
}

#[test]
fn while_a_rollout_runs_every_change_counts() {
    let memory = Memory::default();
    put(&memory, "a", "1", "web");
    memory.workload(workload("web"), seen("u", 1));
    memory.set_active(&NsName::new("shop", "a"), true);
    assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a"]);
}

#[test]
fn the_index_follows_the_spec() {
    let memory = Memory::default();
    put(&memory, "a", "1", "web");
    put(&memory, "b", "1", "web");
    assert_eq!(names(memory.workload(workload("web"), seen("u", 1))), ["a", "b"]);
    put(&memory, "a", "2", "api");
    assert_eq!(names(memory.workload(workload("web"), seen("u", 2))), ["b"]);
    memory.remove(&NsName::new("shop", "b"));
    assert!(memory.workload(workload("web"), seen("u", 3)).is_empty());
    assert_eq!(memory.lock().lists.len(), 1);
}

#[test]
fn what_was_stored_and_nobody_heard_of_is_told_once() {
    let view = |at: i64| {
        let mut view = view("a", "web");
        let announcement = serde_json::json!([{
            "name": "a.1-1.1.0", "at": Time::from_millis(at), "warning": false, "reason": "Rolling", "note": "",
        }]);
        view.status.announced = serde_json::from_value(announcement).unwrap();
        view
    };
    let (memory, name) = (Memory::default(), NsName::new("shop", "a"));
    memory.put(&view(1), "1", true);
    assert!(!memory.untold(&name), "whoever led before told it, or a start tells it again");
    memory.put(&view(2), "2", true);
    assert!(memory.untold(&name));
    assert!(memory.tell(&view(2)) && !memory.tell(&view(2)) && !memory.untold(&name));
    memory.tell(&view(3));
    memory.put(&view(3), "3", true);
    assert!(!memory.untold(&name), "our own, told before the watch brought it");
    memory.put(&view(4), "4", true);
    memory.tell(&view(4));
    memory.tell_again(|at| at >= Time::from_millis(4));
    assert!(memory.untold(&name), "whoever led before may have died before it told it");
    memory.tell_again(|at| at > Time::from_millis(4));
    assert!(!memory.untold(&name), "too long ago");
}

#[test]
fn the_echo_of_our_own_write_asks_for_no_look() {
    let memory = Memory::default();
    let name = NsName::new("shop", "a");
    assert!(put(&memory, "a", "1", "web"));
    memory.wrote(&name, Some("2"));
    assert!(!put(&memory, "a", "2", "web"));
    assert!(put(&memory, "a", "3", "web"));
    assert!(!put(&memory, "a", "3", "web"));
}

#[test]
fn an_echo_that_comes_before_the_answer_asks_for_no_look_and_nobody_elses_write_is_missed() {
    let memory = Memory::default();
    let name = NsName::new("shop", "a");
    put(&memory, "a", "1", "web");
    memory.look_begins(&name);
    assert!(!put(&memory, "a", "2", "web"), "who wrote it is not known yet");
    memory.wrote(&name, Some("2"));
    assert!(!memory.look_ends(&name), "it was ours");
    memory.look_begins(&name);
    assert!(!put(&memory, "a", "3", "web"));
    memory.wrote(&name, Some("4"));
    assert!(memory.look_ends(&name), "somebody else's is worth a look");
    assert!(!put(&memory, "a", "4", "web"), "the echo may still come later");
    memory.look_begins(&name);
    let told = (0..=OWN).filter(|i| put(&memory, "a", &format!("x{i}"), "web")).count();
    assert_eq!(told, 1, "what there is no room for is told at once");
    assert!(memory.look_ends(&name));
    assert!(put(&memory, "a", "5", "web"));
}

#[test]
fn what_is_older_than_what_the_watch_brought_is_known() {
    let memory = Memory::default();
    assert!(!memory.knows_newer(&NsName::new("shop", "a"), Some("1")), "nothing was brought");
    put(&memory, "a", "10", "web");
    let older = |version| memory.knows_newer(&NsName::new("shop", "a"), version);
    assert_eq!([Some("9"), Some("10"), Some("11"), Some("x"), None].map(older), [true, false, false, false, false]);
    put(&memory, "a", "another order", "web");
    assert!(!memory.knows_newer(&NsName::new("shop", "a"), Some("9")));
}

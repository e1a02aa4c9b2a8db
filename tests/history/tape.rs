//! A recorded history in which things can be found and changed.

use crate::support::audit::Record;
use crate::support::oracle::{History, Moment, Sources, Stored};
use serde_json::Value;
use std::rc::Rc;
use tidegate::api::Verb;
use tidegate::api::status::Rollout;

/// Room between two revisions for what never happened.
const ROOM: u64 = 10;

#[derive(Clone)]
pub(crate) struct Tape {
    pub(crate) sources: Sources,
    /// As it was recorded: what is looked for is looked for in it.
    recorded: Rc<History>,
}

impl Tape {
    pub(crate) fn new(mut sources: Sources) -> Self {
        for stored in &mut sources.stored {
            stored.revision *= ROOM;
        }
        for r in &mut sources.records {
            for body in [&mut r.request, &mut r.response] {
                let version = body["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok());
                if let Some(version) = version {
                    body["metadata"]["resourceVersion"] = (version * ROOM).to_string().into();
                }
            }
        }
        let recorded = Rc::new(History::new(sources.clone()));
        Self { sources, recorded }
    }

    /// The revision of the controller's write that brought this tag to a Deployment.
    pub(crate) fn write(&self, deployment: &str, verb: Verb, tag: &str) -> u64 {
        let brought = |w: &&crate::support::oracle::Write| {
            w.key.name == deployment && w.verb() == Some(verb) && w.is().get("app").is_some_and(|i| i.ends_with(tag))
        };
        self.recorded.writes.iter().find(brought).unwrap().revision
    }

    /// Revisions of the Release's versions that speak of the rollout of this tag and are as wanted.
    pub(crate) fn moments(&self, tag: &str, wanted: impl Fn(&Moment, &Rollout) -> bool) -> Vec<u64> {
        let of_tag = |m: &&Moment| m.status.rollout.as_ref().is_some_and(|r| r.image.short() == tag && wanted(m, r));
        let found: Vec<_> = self.recorded.lives[0].moments.iter().filter(of_tag).map(|m| m.revision).collect();
        assert!(!found.is_empty(), "nothing like this was recorded");
        found
    }

    pub(crate) fn first(&self, tag: &str, wanted: impl Fn(&Moment, &Rollout) -> bool) -> u64 {
        self.moments(tag, wanted)[0]
    }

    fn position(&self, revision: u64) -> usize {
        self.sources.stored.iter().position(|s| s.revision == revision).unwrap()
    }

    pub(crate) fn object(&mut self, revision: u64) -> &mut Value {
        let at = self.position(revision);
        &mut self.sources.stored[at].value
    }

    /// Changes the status of all these versions.
    pub(crate) fn statuses(&mut self, revisions: &[u64], change: impl Fn(&mut Value)) {
        for revision in revisions {
            change(&mut self.object(*revision)["status"]);
        }
    }

    /// Changes all versions of an object from a revision on.
    pub(crate) fn from(&mut self, key: &str, revision: u64, change: impl Fn(&mut Value)) {
        let of_key = |s: &&mut Stored| s.key.ends_with(key) && s.revision >= revision && !s.value.is_null();
        self.sources.stored.iter_mut().filter(of_key).for_each(|s| change(&mut s.value));
    }

    /// The last version of the same object before this one.
    pub(crate) fn before(&self, revision: u64) -> u64 {
        let at = self.position(revision);
        let key = &self.sources.stored[at].key;
        self.sources.stored[..at].iter().rev().find(|s| s.key == *key).unwrap().revision
    }

    /// The request that made a version.
    pub(crate) fn record(&mut self, revision: u64) -> &mut Record {
        self.sources.records.iter_mut().find(|r| r.version() == Some(revision)).unwrap()
    }

    /// One more version like that of `revision`, at `to`. `known`: it is known who wrote it.
    pub(crate) fn copy(&mut self, revision: u64, to: u64, known: bool) -> &mut Stored {
        let mut stored = self.sources.stored[self.position(revision)].clone();
        stored.revision = to;
        if known {
            let mut record = self.record(revision).clone();
            record.response["metadata"]["resourceVersion"] = to.to_string().into();
            self.sources.records.push(record);
        }
        let at = self.sources.stored.partition_point(|s| s.revision < to);
        self.sources.stored.insert(at, stored);
        &mut self.sources.stored[at]
    }

    /// Nothing of these objects happened from a revision on.
    pub(crate) fn forget(&mut self, key: &str, revision: u64) {
        self.sources.stored.retain(|s| !s.key.ends_with(key) || s.revision < revision);
    }
}

//! The images there are: which bytes a name stands for, how their deployments go, and what they answer.

use super::course::Course;
use super::ids;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an application answers: `(status, body)`, from its image and the path that was asked for.
pub type Answers = Arc<dyn Fn(&str, &str) -> (u16, String) + Send + Sync>;

/// How a deployment of this image goes where the service has no plan of its own.
pub type Courses = Arc<dyn Fn(&str) -> Course + Send + Sync>;

#[derive(Clone)]
pub struct Images {
    pushed: BTreeMap<String, String>,
    pub(super) absent: BTreeSet<String>,
    pub(super) answers: Answers,
    pub(super) courses: Courses,
}

impl Images {
    pub(super) fn new() -> Self {
        Self {
            pushed: BTreeMap::new(),
            absent: BTreeSet::new(),
            answers: Arc::new(|_, _| (200, "ok\n".to_owned())),
            courses: Arc::new(|_| Course::lands()),
        }
    }

    /// Gives the name other bytes: `content` is anything that tells them apart.
    pub(super) fn push(&mut self, image: &str, content: &str) {
        self.absent.remove(image);
        // Nothing is pushed to a repository that is not there.
        image.rsplit_once(':').map(|(repository, _)| self.absent.remove(repository));
        self.pushed.insert(image.to_owned(), ids::digest_of(content));
    }

    pub fn digest(&self, image: &str) -> String {
        match image.split_once('@') {
            Some((_, digest)) => digest.to_owned(),
            None => self.pushed.get(image).cloned().unwrap_or_else(|| ids::digest_of(image)),
        }
    }
}

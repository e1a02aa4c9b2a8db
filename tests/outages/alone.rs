//! A scene with controllers of its own.

use crate::support::scene::play_with;
use crate::support::{Cluster, Controller, Scene};
use std::cell::RefCell;
use tokio::sync::Mutex;

/// The replicas of one play; all end with it.
#[derive(Default)]
pub(crate) struct Replicas(RefCell<Vec<Controller>>, RefCell<Vec<Controller>>);

/// Plays a scene in which no controller runs until the play starts one.
pub(crate) async fn alone(name: &str, play: impl AsyncFn(&Scene, &Replicas)) {
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    let replicas = Replicas::default();
    play_with(Cluster::get(), name, async |s| play(s, &replicas).await, |ns| replicas.tail(ns)).await;
}

impl Replicas {
    /// One more; its name.
    pub(crate) fn start(&self) -> String {
        self.start_with(&["--lease-seconds=3"])
    }

    pub(crate) fn start_with(&self, more: &[&str]) -> String {
        let controller = Controller::start_with(Cluster::get(), more, &[]);
        let name = controller.name.clone();
        self.0.borrow_mut().push(controller);
        name
    }

    /// As if its node had lost power.
    pub(crate) fn kill(&self, name: &str) {
        self.signal(name, "KILL");
        let at = self.0.borrow().iter().position(|c| c.name == name).unwrap();
        let dead = self.0.borrow_mut().remove(at);
        self.1.borrow_mut().push(dead);
    }

    pub(crate) fn signal(&self, name: &str, signal: &str) {
        self.0.borrow().iter().find(|c| c.name == name).unwrap().signal(signal);
    }

    fn tail(&self, namespace: &str) -> String {
        let (dead, living) = (self.1.borrow(), self.0.borrow());
        dead.iter().chain(living.iter()).map(|c| format!("--- {}\n{}", c.name, c.tail(namespace))).collect()
    }
}

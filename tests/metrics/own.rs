//! A scene with a controller of its own, which looks at no other namespace and nobody else at this one.

use crate::support::scene::play_with;
use crate::support::{Cluster, Controller, Scene};
use std::cell::RefCell;

/// The controller of one scene.
pub struct Own {
    running: RefCell<Option<Controller>>,
    environment: Vec<(&'static str, String)>,
}

/// Plays a scene whose Release is settled.
pub async fn settled(name: &str, environment: &[(&'static str, String)], play: impl AsyncFn(&Scene, &Own)) {
    let own = Own { running: RefCell::default(), environment: environment.to_vec() };
    let log = |ns: &str| own.running.borrow().as_ref().map(|c| c.tail(ns)).unwrap_or_default();
    let whole = async |s: &Scene| {
        own.start(s);
        s.settled().await;
        play(s, &own).await;
    };
    play_with(Cluster::get(), name, whole, log).await;
}

impl Own {
    pub fn start(&self, s: &Scene) {
        let namespace = format!("--watch-namespace={}", s.ns);
        let arguments = ["--no-lease", "--allow-role=own", &namespace];
        *self.running.borrow_mut() = Some(Controller::start_with(s.cluster, &arguments, &self.environment));
    }

    /// As if its node had lost power.
    pub fn kill(&self) {
        self.running.borrow_mut().take().unwrap().kill();
    }
}

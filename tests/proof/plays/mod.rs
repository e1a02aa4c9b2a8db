//! What happens in a run besides what goes wrong: a Release, the applications, and people who act on what they see.
//!
//! People look at states that last until they act, never at moments: a crash anywhere leaves them where they were.

mod deciders;
mod images;
mod people;
mod shapes;
mod table;
mod verbs;
mod wholes;

pub(crate) use deciders::{held, migrates};
pub(crate) use people::{approve, fails_and_does_not_come_back, stuck_in_production};
pub(crate) use table::unasked;

use crate::support::Scene;
use crate::support::manifests::{self, REPOSITORY, stage};
use crate::support::sets::target_of;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

pub(crate) const OLD: &str = "sha-0000001";
pub(crate) const NEW: &str = "sha-0000002";
pub(crate) const NEWER: &str = "sha-0000003";
pub(crate) const FOREIGN: &str = "sha-0000005";

/// One play.
pub(crate) struct Play {
    pub(crate) name: &'static str,
    /// Where the Release begins.
    pub(crate) begins: Begins,
    /// What the applications do from the beginning on: tag and behaviour.
    pub(crate) behaves: &'static [(&'static str, &'static str)],
    /// What differs in the Release that brings [`NEW`].
    pub(crate) spec: fn(&mut Value),
    pub(crate) people: for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, ()>,
    /// The tag whose rollout is the last.
    pub(crate) last: &'static str,
    /// Every way in which it may end, as [`super::end`] writes it. First the one to which it comes when nothing goes wrong.
    pub(crate) ends: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Begins {
    /// [`OLD`] was verified in both stages.
    Settled,
    /// Two applications, and no Release yet: the first one adopts what runs.
    Adopting,
    /// One application that no Release ever knew, in a Release of one stage.
    Unknown,
    /// [`OLD`] was verified in both stages, and came from a registry that is asked.
    Registered,
    /// [`OLD`] was verified in both stages; each application has three replicas.
    Large,
    /// [`OLD`] was verified in both stages; in production there is the StatefulSet [`SET`] beside the Deployment.
    Beside,
    /// [`OLD`] was verified in both stages, the second of which is the StatefulSet [`SET`] alone.
    Stateful,
}

/// The StatefulSet of the plays that have one.
pub(crate) const SET: &str = "db";

/// All of them, or those that `PROOF_PLAYS` names.
pub(crate) fn plays() -> Vec<&'static Play> {
    let named = std::env::var("PROOF_PLAYS").unwrap_or_default();
    let named: Vec<_> = named.split(',').filter(|n| !n.is_empty()).collect();
    every().filter(|p| named.is_empty() || named.contains(&p.name)).collect()
}

pub(crate) fn play(name: &str) -> Option<&'static Play> {
    every().find(|p| p.name == name)
}

fn every() -> impl Iterator<Item = &'static Play> {
    table::PLAYS.iter().chain(verbs::PLAYS).chain(wholes::PLAYS).chain(shapes::PLAYS)
}

/// How long checks go on failing before they say so.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) attempts: u32,
}

impl Play {
    /// Everything up to the edit that this play is about.
    pub(crate) async fn set_up(&self, s: &Scene, patience: Patience) {
        match self.begins {
            Begins::Unknown => return application(s, "production").await,
            Begins::Registered => {
                images::push(s, OLD, "old").await;
                let old = images::image(s, OLD);
                futures::join!(application_of(s, "staging", &old, 1), application_of(s, "production", &old, 1));
            }
            Begins::Stateful => drop(futures::join!(application(s, "staging"), s.stateful(SET, OLD, 1))),
            Begins::Beside => {
                futures::join!(application(s, "staging"), application(s, "production"), s.stateful(SET, OLD, 1));
            }
            Begins::Large => {
                let old = manifests::image(OLD);
                futures::join!(application_of(s, "staging", &old, 3), application_of(s, "production", &old, 3));
            }
            Begins::Settled | Begins::Adopting => {
                futures::join!(application(s, "staging"), application(s, "production"));
            }
        }
        if self.begins != Begins::Adopting {
            s.apply(&self.release(s, OLD, patience)).await;
            s.verified(OLD).await;
        }
        for (tag, behaviour) in self.behaves {
            s.behaves(tag, serde_json::from_str(behaviour).unwrap()).await;
        }
    }

    /// The edit, and what people do after it.
    pub(crate) async fn go(&self, s: &Scene, patience: Patience) {
        if self.begins == Begins::Unknown {
            for (tag, behaviour) in self.behaves {
                s.behaves(tag, serde_json::from_str(behaviour).unwrap()).await;
            }
        }
        let tag = if self.begins == Begins::Adopting { OLD } else { NEW };
        let mut spec = self.release(s, tag, patience);
        (self.spec)(&mut spec);
        s.apply(&spec).await;
        (self.people)(s).await;
    }

    /// The Release before anything of the play's own is in it.
    fn release(&self, s: &Scene, tag: &str, patience: Patience) -> Value {
        let mut spec = release(tag, patience);
        let production = &mut spec["stages"][1];
        match self.begins {
            Begins::Settled | Begins::Adopting | Begins::Large => {}
            Begins::Registered => {
                spec["image"]["repository"] = json!(images::repository(s));
                // Looked up there.
                spec["image"]["resolve"] = json!("Registry");
            }
            Begins::Unknown => spec["stages"] = json!([asked("production", Some("Automatic"), patience)]),
            Begins::Beside => {
                production["targets"].as_array_mut().unwrap().push(target_of("StatefulSet", SET, SET));
                production["healthChecks"][0]["http"]["pods"]["target"] = json!(SET);
            }
            Begins::Stateful => {
                production["targets"] = json!([target_of("StatefulSet", SET, SET)]);
                production["smokeTests"][0]["http"]["service"]["name"] = json!(SET);
            }
        }
        spec
    }
}

/// staging, then production after an approval, each with a health check and a smoke test that are asked each second.
pub(crate) fn release(tag: &str, patience: Patience) -> Value {
    json!({
        "image": {"repository": REPOSITORY, "tag": tag},
        "stages": [asked("staging", None, patience), asked("production", Some("Manual"), patience)],
    })
}

fn asked(name: &str, promotion: Option<&str>, patience: Patience) -> Value {
    let mut stage = stage(name, promotion);
    let retry = json!({"attempts": patience.attempts, "interval": "1s"});
    stage["healthChecks"][0]["retry"] = retry.clone();
    stage["smokeTests"][0]["retry"] = retry;
    stage
}

/// A Deployment of one replica with its Service, once it is available.
pub(crate) async fn application(s: &Scene, name: &str) {
    application_of(s, name, &manifests::image(OLD), 1).await;
}

async fn application_of(s: &Scene, name: &str, image: &str, replicas: i32) {
    s.apply_deployment(&manifests::deployment(name, image, replicas)).await;
    s.serve(name).await;
    s.available(name).await;
}

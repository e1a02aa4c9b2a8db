//! The four acts: which tags are set, and how each must end.

use crate::narrator::{Narrator, image};
use crate::service::Service;
use crate::shell::Shell;
use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt};
use std::time::Duration;
use tidegate::api::status::{Rollout, Step};
use tidegate::api::{Image, Phase, Reason, Release};
use tokio::time::timeout;

/// For one play. The longest takes about 15 s on an idle machine.
const DEADLINE: Duration = Duration::from_secs(180);

pub(crate) struct Act {
    pub(crate) title: &'static str,
    pub(crate) plays: &'static [Play],
}

/// One tag that is set.
pub(crate) struct Play {
    /// Shown before it, where an act has several.
    pub(crate) note: Option<&'static str>,
    release: &'static str,
    pub(crate) tag: &'static str,
    phase: Phase,
    /// Why the stage failed, if it should.
    cause: Option<Reason>,
    /// What must run afterwards: where, and which tag.
    runs: &'static [(Place, &'static str)],
}

enum Place {
    /// The Deployment in this namespace that is named as its Release.
    Namespace(&'static str),
    /// This Deployment in this namespace.
    Named(&'static str, &'static str),
    Ecs,
}
use Place::{Ecs, Named, Namespace};

/// Where applications run.
pub(crate) struct Places {
    pub(crate) client: Client,
    pub(crate) service: Service,
}

/// How a play ended.
pub(crate) struct Ended {
    pub(crate) release: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) outcome: String,
    pub(crate) seconds: f64,
    /// As it should.
    pub(crate) right: bool,
}

const OLD: &str = "sha-a1b2c3d";
const GOOD: &str = "sha-4f2c1d9";
const BAD: &str = "sha-0badc0d";
const MISSING: &str = "sha-404f0e1";

pub(crate) const ACTS: &[Act] = &[
    Act {
        title: "A good version: staging, a person's approval, production",
        plays: &[Play {
            note: None,
            release: "checkout",
            tag: GOOD,
            phase: Phase::Verified,
            cause: None,
            runs: &[(Namespace("shop-staging"), GOOD), (Namespace("shop"), GOOD)],
        }],
    },
    Act {
        title: "A version that is well in staging and not in production: restored, and asked again",
        plays: &[Play {
            note: None,
            release: "checkout",
            tag: BAD,
            phase: Phase::RolledBack,
            cause: Some(Reason::SmokeTestFailed),
            runs: &[(Namespace("shop"), GOOD)],
        }],
    },
    Act {
        title: "An image that cannot be pulled: restored within seconds",
        plays: &[Play {
            note: None,
            release: "search",
            tag: MISSING,
            phase: Phase::RolledBack,
            cause: Some(Reason::ImagePullFailed),
            runs: &[(Namespace("shop-staging"), OLD), (Namespace("shop"), OLD)],
        }],
    },
    Act {
        title: "Staging on Kubernetes, production on AWS ECS: a good version, then a bad one",
        plays: &[
            Play {
                note: Some("\nThe good version:"),
                release: "payments",
                tag: GOOD,
                phase: Phase::Verified,
                cause: None,
                runs: &[(Namespace("shop-staging"), GOOD), (Ecs, GOOD)],
            },
            Play {
                note: Some(
                    "\nThe bad one. For ECS its deployment is a success; the smoke test, asked through the load balancer, knows better:",
                ),
                release: "payments",
                tag: BAD,
                phase: Phase::RolledBack,
                cause: Some(Reason::SmokeTestFailed),
                runs: &[(Ecs, GOOD)],
            },
        ],
    },
];

/// Waits until these Releases say that what runs already is well.
pub(crate) async fn adopted(narrator: &mut Narrator, releases: &[&str]) -> Result<()> {
    let mut waited = releases.to_vec();
    let all = async {
        while !waited.is_empty() {
            let release = narrator.next_release().await?;
            if ended(&release, OLD).is_some() {
                let phase = release.status.as_ref().and_then(|s| s.phase);
                if phase != Some(Phase::Verified) {
                    bail!("{} ended as {phase:?}", release.name_any());
                }
                waited.retain(|name| *name != release.name_any());
            }
        }
        Ok(())
    };
    timeout(DEADLINE, all).await.context("what runs already was not verified in time")?
}

impl Play {
    /// A version of the Release that has everything in it.
    pub(crate) const fn of_everything(good: bool) -> Self {
        Self {
            note: None,
            release: "checkout-everything",
            tag: if good { GOOD } else { BAD },
            phase: if good { Phase::Verified } else { Phase::RolledBack },
            cause: if good { None } else { Some(Reason::SmokeTestFailed) },
            runs: &[(Named("shop", "checkout"), GOOD)],
        }
    }

    /// Sets the tag as a CI job would, approves when asked, and waits for the end.
    pub(crate) async fn play(&self, shell: &Shell, narrator: &mut Narrator, places: &Places) -> Result<Ended> {
        narrator.begin();
        let patch = format!(r#"{{"spec":{{"image":{{"tag":"{}"}}}}}}"#, self.tag);
        shell.run(&format!("kubectl patch release {} -n shop --type=merge -p '{patch}'", self.release)).await?;
        self.follow(shell, narrator, places).await
    }

    /// Approves when asked, and waits for the end.
    pub(crate) async fn follow(&self, shell: &Shell, narrator: &mut Narrator, places: &Places) -> Result<Ended> {
        let last = timeout(DEADLINE, self.watch(shell, narrator)).await;
        let release = last.with_context(|| format!("no end within {} s", DEADLINE.as_secs()))??;
        let seconds = narrator.seconds();
        let runs = self.runs_as_it_should(places).await?;
        let (outcome, as_expected) = self.judge(&release);
        let outcome = if runs { outcome } else { format!("{outcome}, but the wrong version runs") };
        Ok(Ended { release: self.release, tag: self.tag, outcome, seconds, right: runs && as_expected })
    }

    async fn watch(&self, shell: &Shell, narrator: &mut Narrator) -> Result<Release> {
        let mut approved = false;
        loop {
            let release = narrator.next_release().await?;
            if release.name_any() != self.release {
                continue;
            }
            if ended(&release, self.tag).is_some() {
                return Ok(release);
            }
            if let (false, Some(command)) = (approved, approval(&release, self.tag)) {
                shell.run(command).await?;
                approved = true;
            }
        }
    }

    fn judge(&self, release: &Release) -> (String, bool) {
        let Some((phase, rollout)) = release.status.as_ref().and_then(|s| s.phase.zip(s.rollout.as_ref())) else {
            return ("no status".to_owned(), false);
        };
        let cause = rollout.cause.as_ref().map(|c| c.reason).filter(|_| phase != Phase::Verified);
        let outcome = match cause {
            Some(cause) => format!("{phase:?} ({cause})"),
            None => format!("{phase:?}"),
        };
        (outcome, phase == self.phase && cause == self.cause)
    }

    /// Looks at what runs itself, whatever the Release says of it.
    async fn runs_as_it_should(&self, places: &Places) -> Result<bool> {
        for (place, tag) in self.runs {
            let (complete, image) = match place {
                Ecs => {
                    let told = places.service.told().await?;
                    (told.complete, Some(told.image))
                }
                Namespace(namespace) => told(places, namespace, self.release).await?,
                Named(namespace, name) => told(places, namespace, name).await?,
            };
            if !complete || image.is_none_or(|i| i.short() != *tag) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether the Deployment is complete, and what it is told to run.
async fn told(places: &Places, namespace: &str, name: &str) -> Result<(bool, Option<Image>)> {
    let deployment = Api::<Deployment>::namespaced(places.client.clone(), namespace).get(name).await?;
    Ok((complete(&deployment), image(&deployment)))
}

fn complete(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|s| s.replicas);
    let status = deployment.status.as_ref();
    status.is_some_and(|s| s.available_replicas == wanted && s.updated_replicas == wanted)
}

/// The rollout of `tag`, once it has ended.
fn ended<'a>(release: &'a Release, tag: &str) -> Option<&'a Rollout> {
    let rollout = release.status.as_ref()?.rollout.as_ref()?;
    (rollout.step == Step::Ended && rollout.image.short() == tag).then_some(rollout)
}

/// The command that the Release's own message asks for.
fn approval<'a>(release: &'a Release, tag: &str) -> Option<&'a str> {
    let status = release.status.as_ref()?;
    let waits = status.phase == Some(Phase::AwaitingPromotion);
    if !waits || status.running()?.image.short() != tag {
        return None;
    }
    let message = status.message.as_deref()?;
    let command = &message[message.find("kubectl annotate")?..];
    Some(command.split('`').next().unwrap_or(command).trim())
}

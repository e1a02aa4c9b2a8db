//! Which task definitions are brought: the rollout's image, or exactly the way back, and over nobody else's.

use super::{Change, Intent, changes, effect, service};
use crate::support::oracle::write::runs;
use crate::support::oracle::{History, Images, Violation};
use tidegate::api::spec::TargetKind;
use tidegate::api::status::{ContainerImage, WayBack};
use tidegate::api::{EffectId, TargetId, Verb};

/// Before a service is first updated, a stored status says what a restore would bring, to which service, and the intent.
pub(in super::super) fn way_back_first(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in forward(h) {
        let intent = of.effect(Verb::Forward);
        let known = of.target.way_back.is_some() && of.target.uid.is_some() && of.target.effect == Some(intent);
        if !known {
            let says = format!("{} was updated before its way back was stored, with the intent", service(call));
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// Once a service is updated, its way back is not chosen anew in that rollout.
pub(in super::super) fn way_back_kept(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in forward(h) {
        let Some(chosen) = &of.target.way_back else { continue };
        let later = of.life.of_rollout(of.rollout.id).filter(|(m, _)| m.revision > of.moment.revision);
        for (moment, _) in later {
            let Some(target) = moment.target(of.rollout.id, &of.id()) else { continue };
            let now = target.way_back.as_ref();
            let other = |w: &WayBack| w.images != chosen.images || w.task_definition != chosen.task_definition;
            if now.is_none_or(other) {
                let says = format!("the way back of {} went from {chosen:?} to {now:?}", service(call));
                broken.push(Violation::at(moment.revision, says));
                break;
            }
        }
    }
    broken
}

/// A way back is neither what the rollout brings, nor what the one before it brought and nobody verified.
pub(in super::super) fn way_back_differs(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in forward(h) {
        let (Some(back), Some(brings)) = (&of.target.way_back, &call.brings) else { continue };
        let inherited = of.target.inherited.as_ref().is_some_and(|i| i.written.images == back.images);
        if inherited || runs(&brings.images, &back.images) {
            let says = format!("the way back of {} is what it is to be saved from: {back:?}", service(call));
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// What is brought forward is the tag and digest that the rollout is for, in each container of the target.
pub(in super::super) fn image_of_the_spec(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in forward(h) {
        let (Some(containers), Some(brings)) = (of.containers(), &call.brings) else { continue };
        let wrong = containers.iter().filter(|c| !of.brought_by(brings.images.get(*c)));
        for container in wrong {
            let got = brings.images.get(container);
            let says = format!("{container} of {} got {got:?} from rollout {}", service(call), of.rollout.image);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// A restore brings the stored way back, for all containers at once. So does ECS, where it is asked to go back by itself.
pub(in super::super) fn exactly_the_way_back(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in back(h) {
        let Some(brings) = &call.brings else { continue };
        let stored = of.target.way_back.as_ref();
        if !stored.is_some_and(|b| runs(&brings.images, &b.images)) {
            let says = format!("{} was brought to {:?}, not to {stored:?}", service(call), brings.images);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// An update names a task definition and nothing else, and that differs from what ran in the images of the target alone.
pub(in super::super) fn images_and_nothing_else(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in changes(h).into_iter().filter(|c| c.call.op == "UpdateService") {
        let (Some(containers), Some(brings), Some(found)) = (of.containers(), &call.brings, &call.found) else {
            continue;
        };
        let others = |images: &Images| -> Images {
            let all = images.iter().filter(|(c, _)| !containers.contains(c));
            all.map(|(c, i)| (c.clone(), i.clone())).collect()
        };
        if !call.parameters.is_empty() {
            let says = format!("{} was asked for {:?} too", service(call), call.parameters);
            broken.push(Violation::at(of.moment.revision, says));
        }
        if brings.rest != found.rest || others(&brings.images) != others(&found.images) {
            let says = format!("{} differs from {} in more than images", brings.name, found.name);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

/// A service is taken back only while it runs what was brought to it, by the stand-in's word.
pub(in super::super) fn over_our_own(h: &History) -> Vec<Violation> {
    let mut broken = Vec::new();
    for Change { call, of, .. } in back(h) {
        let (Some(containers), Some(found)) = (of.containers(), &call.found) else { continue };
        let inherited = of.target.inherited.as_ref();
        let known = [of.target.written.as_ref(), inherited.map(|i| &i.written)];
        let written = known.into_iter().flatten().any(|w| runs(&found.images, &w.images));
        // What was brought and never answered for.
        let brought = containers.iter().all(|c| of.brought_by(found.images.get(c)));
        let of_another = found.tags.get(super::EFFECT).filter(|e| !e.starts_with(of.life.uid.as_str()));
        if of_another.is_some() || !(written || brought) {
            let says = format!("{} ran {:?} by somebody else, and was taken back", service(call), found.images);
            broken.push(Violation::at(of.moment.revision, says));
        }
    }
    broken
}

fn forward(h: &History) -> impl Iterator<Item = Change<'_>> {
    changes(h).into_iter().filter(|c| c.forward && c.of.trusted())
}

/// Not a forward write of the same rollout that ECS carried out late.
fn back(h: &History) -> impl Iterator<Item = Change<'_>> {
    let late = |c: &Change| effect(c.call) == Some(c.of.effect(Verb::Forward));
    changes(h).into_iter().filter(move |c| !c.forward && c.of.trusted() && !late(c))
}

impl Intent<'_> {
    fn id(&self) -> TargetId {
        TargetId::new(&self.stage.name, &self.target.name)
    }

    fn effect(&self, verb: Verb) -> EffectId {
        EffectId::new(&self.life.uid, self.rollout.id, &self.id(), verb)
    }

    /// Those that run the image.
    fn containers(&self) -> Option<Vec<String>> {
        let spec = self.life.spec_of(self.rollout.id, self.moment.revision)?;
        let (_, stage) = spec.stage(&self.stage.name)?;
        match &stage.targets.iter().find(|t| t.name == self.target.name)?.kind {
            TargetKind::Ecs(ecs) => Some(ecs.containers.clone()),
            TargetKind::Kubernetes(_) => None,
        }
    }

    /// Whether this is the rollout's image, in whatever repository.
    fn brought_by(&self, image: Option<&String>) -> bool {
        let name = |i: &tidegate::api::Image| (i.tag().map(str::to_owned), i.digest());
        image.is_some_and(|i| name(&tidegate::api::Image::new(i.as_str())) == name(&self.rollout.image))
    }
}

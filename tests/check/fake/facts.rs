//! A cluster made of facts, and names that resolve as they are told.

use super::{API_SERVER, NODE};
use futures::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use tidegate::api::Time;
use tidegate::api::ask::PodsOf;
use tidegate::check::{
    Backend, Directory, Forbidden, LookupError, Outside, PodFacts, ResolveError, Resolver, Roots, SecretFacts,
    ServiceFacts,
};

/// What the cluster would say.
pub struct World {
    /// One answer per lookup; the last one is repeated.
    pub pods: Mutex<Vec<Result<Vec<PodFacts>, String>>>,
    pub services: BTreeMap<(String, String), ServiceFacts>,
    /// Behind every Service.
    pub backends: Vec<Backend>,
    pub secrets: BTreeMap<(String, String), SecretFacts>,
    pub forbidden: Forbidden,
    pub consents: BTreeMap<String, Vec<String>>,
    /// What a lookup of pods does instead of answering.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Copy)]
pub enum Trouble {
    Hang,
    Panic,
}

impl Default for World {
    fn default() -> Self {
        Self {
            pods: Mutex::new(vec![Ok(Vec::new())]),
            services: BTreeMap::new(),
            backends: Vec::new(),
            secrets: BTreeMap::new(),
            forbidden: Forbidden { nodes: vec![NODE], api_servers: vec![API_SERVER] },
            consents: BTreeMap::new(),
            trouble: None,
        }
    }
}

impl World {
    pub fn of(pods: Vec<PodFacts>) -> Self {
        Self { pods: Mutex::new(vec![Ok(pods)]), ..Self::default() }
    }
    pub fn with_service(service: ServiceFacts) -> Self {
        let mut world = Self::default();
        world.services.insert(("shop".to_owned(), "web".to_owned()), service);
        world
    }
}

impl Directory for World {
    fn pods<'a>(&'a self, _: &'a PodsOf) -> BoxFuture<'a, Result<Vec<PodFacts>, LookupError>> {
        Box::pin(async move {
            match self.trouble {
                Some(Trouble::Hang) => std::future::pending().await,
                Some(Trouble::Panic) => panic!("a defect, on purpose"),
                None => {}
            }
            let mut answers = self.pods.lock().unwrap();
            let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
            answer.map_err(|what| LookupError::TimedOut { what })
        })
    }
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ServiceFacts>, LookupError>> {
        Box::pin(async move { Ok(self.services.get(&(namespace.to_owned(), name.to_owned())).cloned()) })
    }
    fn backends<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<Backend>, LookupError>> {
        Box::pin(async move { Ok(self.backends.clone()) })
    }
    fn secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<SecretFacts>, LookupError>> {
        Box::pin(async move { Ok(self.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned()) })
    }
    fn forbidden<'a>(&'a self) -> BoxFuture<'a, Result<Forbidden, LookupError>> {
        Box::pin(async move { Ok(self.forbidden.clone()) })
    }
    fn namespace_consents<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, LookupError>> {
        Box::pin(async move { Ok(self.consents.get(namespace).cloned().unwrap_or_default()) })
    }
}

/// What a test says that names lead to, in the place of name servers.
#[derive(Default)]
pub struct Names {
    /// By name: one answer per look, the last one again and again. Any other name does not exist.
    known: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// `name` leads to the first of these, at the next look to the second, and so on.
    pub fn of(name: &str, answers: &[&[IpAddr]]) -> Arc<Self> {
        let answers = answers.iter().map(|ips| ips.to_vec()).collect();
        Arc::new(Self { known: Mutex::new([(name.to_owned(), answers)].into()), ..Self::default() })
    }
    /// A world outside in which only these authorities are trusted.
    pub fn outside(self: &Arc<Self>, roots: Vec<CertificateDer<'static>>) -> Outside {
        Outside { resolver: self.clone(), roots: Roots::Only(roots) }
    }
    /// Each look at a name.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(name.to_owned());
            let mut known = self.known.lock().unwrap();
            let answers = known.get_mut(name).ok_or_else(|| ResolveError::NoAddress { name: name.to_owned() })?;
            Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
        })
    }
}

/// A Ready pod at `ip`, born `age` seconds after the first.
pub fn pod(n: i64, ip: IpAddr) -> PodFacts {
    PodFacts {
        name: format!("web-{n}"),
        uid: format!("uid-{n}"),
        ip: Some(ip),
        host_ip: Some(Ipv4Addr::new(127, 0, 7, 7).into()),
        host_network: false,
        ready: true,
        terminating: false,
        created: Time::from_millis(1_790_000_000_000 + n * 1000),
        node: Some("node-a".to_owned()),
    }
}

pub fn service(ip: IpAddr, port: i32) -> ServiceFacts {
    ServiceFacts {
        cluster_ip: Some(ip),
        external_name: false,
        selector: [("app".to_owned(), "web".to_owned())].into(),
        ports: vec![port],
        allow_from: Vec::new(),
    }
}

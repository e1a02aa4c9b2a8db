//! From the name in a url to addresses. Vets nothing, and dials nobody but name servers.
//!
//! The system's own resolver is not used: it blocks a thread for as long as a name server is silent, adds search
//! domains to what a tenant wrote, and is not whole in a static binary.

use futures::future::BoxFuture;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// For one question to one name server.
const PATIENCE: Duration = Duration::from_secs(2);
/// Repetitions where one was not answered.
const ATTEMPTS: usize = 1;

/// Finds addresses. Called once for each question that is asked, and never again before it is dialled.
pub trait Resolver: Send + Sync {
    /// Every address of `name`, which is absolute: no search domain is added. An empty list is as good as an error.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>>;
}

/// Why there is no address. The texts hold no more than the name.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{name} does not exist, or has no address")]
    NoAddress { name: String },
    #[error("no name server answered for {name}")]
    Unanswered {
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{name} cannot be looked up: the controller knows no name server")]
    NoServer { name: String },
}

/// Asks the machine's name servers. It remembers nothing, so that a change is seen by the next question.
pub struct Dns(Result<TokioResolver, NetError>);

impl Dns {
    /// The name servers of `/etc/resolv.conf`; `/etc/hosts` comes before them. Without them every name is an error.
    pub fn system() -> Self {
        Self(TokioResolver::builder_tokio().and_then(build))
    }

    /// This name server and nothing else.
    pub fn at(server: SocketAddr) -> Self {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        let config = ResolverConfig::from_name_servers(vec![config]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Self(build(builder))
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let resolver = self.0.as_ref().map_err(|_| ResolveError::NoServer { name: name.to_owned() })?;
        let mut absolute = Name::from_ascii(name).map_err(|_| ResolveError::NoAddress { name: name.to_owned() })?;
        absolute.set_fqdn(true);
        match resolver.lookup_ip(absolute).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(e) if e.is_nx_domain() || e.is_no_records_found() => {
                Err(ResolveError::NoAddress { name: name.to_owned() })
            }
            Err(e) => Err(ResolveError::Unanswered { name: name.to_owned(), source: Box::new(e) }),
        }
    }
}

impl Resolver for Dns {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(self.look_up(name))
    }
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = PATIENCE;
    options.attempts = ATTEMPTS;
    // Of both families, since the bad one among several addresses may be of either.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

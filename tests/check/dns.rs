//! Names looked up with a real name server on loopback, and its answers asked through the pool.

use crate::fake::*;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tidegate::api::ask::Outcome;
use tidegate::check::{Dns, Limits, Outside, ResolveError, Resolver, Roots};
use tokio::net::UdpSocket;

/// Over UDP. `silent.example` is not answered, `broken.example` is answered by SERVFAIL.
struct NameServer {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, asked) = (socket.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            let (mut bytes, mut heard) = ([0; 1500], BTreeSet::new());
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let question = Message::from_vec(&bytes[..length]).unwrap();
                let name = question.queries[0].name().to_lowercase().to_ascii();
                // A question that was not answered soon is sent once more.
                if heard.insert((question.metadata.id, question.queries[0].query_type())) {
                    seen.lock().unwrap().push(name.clone());
                }
                if name != "silent.example." {
                    socket.send_to(&answer_to(&question, &name).to_vec().unwrap(), from).await.unwrap();
                }
            }
        });
        Self { addr, asked, task }
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer_to(question: &Message, name: &str) -> Message {
    let query = question.queries[0].clone();
    let mut answer = question.clone().into_response();
    let here = |data: RData| Record::from_rdata(query.name().clone(), 60, data);
    let v4 = |a, b, c, d| RData::A(A(Ipv4Addr::new(a, b, c, d)));
    let (is_a, is_aaaa) = (query.query_type() == RecordType::A, query.query_type() == RecordType::AAAA);
    match name {
        "app.example." if is_a => answer.answers = vec![here(v4(127, 0, 0, 1))],
        "both.example." if is_a => answer.answers = vec![here(v4(127, 0, 0, 1))],
        "both.example." if is_aaaa => {
            answer.answers = vec![here(RData::AAAA(AAAA("fe80::1".parse::<Ipv6Addr>().unwrap())))];
        }
        "alias.example." => {
            let target = Name::from_ascii("metadata.example.").unwrap();
            answer.answers = vec![here(RData::CNAME(CNAME(target.clone())))];
            if is_a {
                answer.answers.push(Record::from_rdata(target, 60, v4(169, 254, 169, 254)));
            }
        }
        "app.example." | "both.example." => {}
        "broken.example." => answer.metadata.response_code = ResponseCode::ServFail,
        _ => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer
}

async fn asked(server: &NameServer, host: &str, port: u16) -> (Outcome, String) {
    let outside = Outside { resolver: Arc::new(Dns::at(server.addr)), roots: Roots::Only(Vec::new()) };
    let mut asking = Asking::outside(World::default(), outside, loopback(), Limits::default());
    let result = asking.answer(&ask(json!({"url": format!("http://{host}:{port}/")}))).await;
    (result.outcome, result.message.replace(&format!(":{port}"), ""))
}

#[tokio::test]
async fn names_are_looked_up_as_they_are_and_anew_each_time() {
    let (server, app) = (NameServer::start().await, App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await);
    let port = app.addr.port();
    for host in ["app.example", "APP.example."] {
        let answer = asked(&server, host, port).await;
        assert_eq!(answer, (Outcome::Pass, "http://app.example answered 200".to_owned()));
    }
    let dns = Dns::at(server.addr);
    let here: [IpAddr; 1] = [Ipv4Addr::LOCALHOST.into()];
    for _ in 0..2 {
        assert_eq!(dns.resolve("app.example").await.unwrap(), here);
    }
    // For each of both families, four times, and never with a search domain.
    assert_eq!(server.asked(), ["app.example."; 8]);
    assert_eq!(app.seen.connections(), 2);
}

#[tokio::test]
async fn addresses_of_both_families_and_behind_aliases_are_vetted() {
    let (server, app) = (NameServer::start().await, App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await);
    for (host, why) in [
        ("both.example", "fe80::1 is a link-local address"),
        ("alias.example", "169.254.169.254 is a cloud provider's metadata address"),
    ] {
        let answer = asked(&server, host, app.addr.port()).await;
        assert_eq!(answer, (Outcome::Error, format!("http://{host} is not asked: {why}")));
    }
    assert_eq!(app.seen.connections(), 0);
}

#[tokio::test]
async fn names_without_an_answer_are_errors_and_no_failures() {
    let server = NameServer::start().await;
    for (host, why) in [
        ("gone.example", "gone.example does not exist, or has no address"),
        ("kubernetes.default.svc", "kubernetes.default.svc does not exist, or has no address"),
        ("broken.example", "no name server answered for broken.example"),
        ("silent.example", "no name server answered for silent.example"),
    ] {
        let answer = asked(&server, host, 80).await;
        assert_eq!(answer, (Outcome::Error, format!("http://{host} is not asked: {why}")));
    }
}

#[tokio::test]
async fn a_lookup_that_hangs_ends_as_an_error() {
    struct Hangs;
    impl Resolver for Hangs {
        fn resolve<'a>(&'a self, _: &'a str) -> futures::future::BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
            Box::pin(std::future::pending())
        }
    }
    let outside = Outside { resolver: Arc::new(Hangs), roots: Roots::default() };
    let limits = Limits { lookup: std::time::Duration::from_millis(50), ..Limits::default() };
    let mut asking = Asking::outside(World::default(), outside, loopback(), limits);
    let result = asking.answer(&ask(json!({"url": "http://app.example/"}))).await;
    let message = "http://app.example is not asked: no name server answered within 50ms";
    assert_eq!((result.outcome, &*result.message), (Outcome::Error, message));
}

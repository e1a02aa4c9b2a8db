//! gRPC health checks, asked of servers that speak HTTP/2. What goes over the wire is written down here byte by byte.

use crate::fake::*;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::bytes::Bytes;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate::api::ask::{Ask, Outcome};
use tokio::net::TcpListener;

/// What a server answers.
#[derive(Clone)]
struct Answer {
    http: u16,
    kind: &'static str,
    body: Vec<u8>,
    /// `grpc-status`, and whether it comes in trailers, as after a body, or among the headers.
    status: Option<(&'static str, bool)>,
}

/// A message of one field, a number: of the field 1, as protobuf writes it.
fn serving(status: u8) -> Answer {
    Answer { http: 200, kind: "application/grpc", body: vec![0, 0, 0, 0, 2, 0x08, status], status: Some(("0", true)) }
}

fn refusal(status: &'static str) -> Answer {
    Answer { body: Vec::new(), status: Some((status, false)), ..serving(1) }
}

#[derive(Default)]
struct Heard {
    heads: Vec<Request<()>>,
    bodies: Vec<Vec<u8>>,
}

struct Server {
    addr: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Server {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Heard::default())));
        let all = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, answer) = (all.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(reply(request, respond, heard.clone(), answer.clone()));
                    }
                });
            }
        });
        Self { addr, heard }
    }

    fn question(&self, more: Value) -> Ask {
        let mut grpc = json!({"pods": {"port": self.addr.port()}});
        grpc.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask_other(json!({"grpc": grpc}))
    }

    async fn asked(&self, more: Value) -> (Outcome, String) {
        ask_once(World::of(vec![pod(1, self.addr.ip())]), &self.question(more)).await
    }
}

async fn reply(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    heard: Arc<Mutex<Heard>>,
    answer: Answer,
) {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = stream.data().await {
        body.extend_from_slice(&chunk);
    }
    {
        let mut heard = heard.lock().unwrap();
        heard.heads.push(Request::from_parts(head, ()));
        heard.bodies.push(body);
    }
    let mut head = Response::builder().status(answer.http).header("content-type", answer.kind);
    if let Some((status, false)) = answer.status {
        head = head.header("grpc-status", status);
    }
    let ends = answer.body.is_empty() && !matches!(answer.status, Some((_, true)));
    let mut out = respond.send_response(head.body(()).unwrap(), ends).unwrap();
    if !ends {
        let trailers = answer.status.filter(|(_, trailing)| *trailing);
        let _ = out.send_data(answer.body.into(), trailers.is_none());
        if let Some((status, _)) = trailers {
            let map = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))]);
            let _ = out.send_trailers(map);
        }
    }
}

#[tokio::test]
async fn what_serves_passes() {
    let server = Server::start(serving(1)).await;
    assert_eq!(server.asked(json!({})).await, (Outcome::Pass, "1 of 1 pods answered SERVING".to_owned()));
    assert_eq!(server.asked(json!({"serviceName": "shop.Items"})).await.0, Outcome::Pass);
    let heard = server.heard.lock().unwrap();
    let head = &heard.heads[0];
    assert_eq!((head.method().as_str(), head.uri().path()), ("POST", "/grpc.health.v1.Health/Check"));
    assert_eq!(head.uri().authority().unwrap().as_str(), server.addr.to_string());
    assert_eq!(
        (&head.headers()["content-type"], &head.headers()["te"]),
        (&HeaderValue::from_static("application/grpc"), &HeaderValue::from_static("trailers"))
    );
    // The whole server is asked by an empty message; a service by its name in field 1.
    assert_eq!(heard.bodies[0], [0, 0, 0, 0, 0]);
    assert_eq!(heard.bodies[1], [&[0, 0, 0, 0, 12, 0x0a, 10][..], b"shop.Items"].concat());
}

#[tokio::test]
async fn everything_else_fails_and_says_why() {
    let long = Answer { body: vec![0; 2000], ..serving(1) };
    let rows = [
        (serving(2), "it answered NOT_SERVING"),
        (serving(3), "it answered SERVICE_UNKNOWN"),
        (serving(0), "it answered UNKNOWN"),
        (serving(9), "it answered UNKNOWN"),
        (refusal("5"), "it knows no gRPC service \"shop.Items\""),
        (refusal("12"), "it does not serve grpc.health.v1.Health"),
        (refusal("14"), "gRPC status 14"),
        (Answer { status: Some(("13", true)), ..serving(1) }, "gRPC status 13"),
        (Answer { status: None, ..serving(1) }, "the answer has no gRPC status"),
        (Answer { body: vec![0, 0], ..serving(1) }, "the answer is none of the health protocol"),
        (Answer { body: vec![0, 0, 0, 0, 2, 0xff, 0xff], ..serving(1) }, "the answer is none of the health protocol"),
        (Answer { http: 404, ..serving(1) }, "HTTP status 404 instead of a gRPC answer"),
        (Answer { kind: "text/html", ..serving(1) }, "an HTTP answer that is not gRPC"),
        (long, "the answer is longer than one of the health protocol"),
    ];
    for (answer, says) in rows {
        let server = Server::start(answer).await;
        let said = server.asked(json!({"serviceName": "shop.Items"})).await;
        assert_eq!(said, (Outcome::Fail, format!("pod web-1: {says}")));
    }
}

#[tokio::test]
async fn what_does_not_speak_it_fails_within_the_timeout() {
    let closes = App::start(Ipv4Addr::LOCALHOST, |_| Reply::Close).await;
    let http1 = App::start(Ipv4Addr::LOCALHOST, |_| status(200)).await;
    let hole = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let of = |addr: SocketAddr| {
        let grpc = json!({"grpc": {"pods": {"port": addr.port()}, "timeout": "300ms"}});
        async move { ask_once(World::of(vec![pod(1, addr.ip())]), &ask_other(grpc)).await }
    };
    for addr in [closes.addr, http1.addr, hole.local_addr().unwrap()] {
        let asked = tokio::time::timeout(Duration::from_secs(5), of(addr)).await.unwrap();
        assert_eq!(asked.0, Outcome::Fail, "{}", asked.1);
    }
    assert_eq!(of(hole.local_addr().unwrap()).await.1, "pod web-1: no complete answer within 300ms");
    let port = closes.addr;
    drop(closes);
    until("its port is closed", || std::net::TcpStream::connect(port).is_err()).await;
    assert_eq!(of(port).await, (Outcome::Fail, "pod web-1: connection refused".to_owned()));
}

#[tokio::test]
async fn by_service_and_behind_the_guard() {
    let server = Server::start(serving(1)).await;
    let port = server.addr.port();
    let question = ask_other(json!({"grpc": {"service": {"name": "web", "port": port}}}));
    let world = World::with_service(service(server.addr.ip(), i32::from(port)));
    let passed = ask_once(world, &question).await;
    assert_eq!(passed, (Outcome::Pass, "Service shop/web answered SERVING".to_owned()));
    let authority = server.heard.lock().unwrap().heads[0].uri().authority().unwrap().to_string();
    assert_eq!(authority, format!("web.shop.svc:{port}"));
    let closed = Asking::new(World::of(vec![pod(1, server.addr.ip())]), tidegate::check::Policy::default())
        .answer(&server.question(json!({})))
        .await;
    assert_eq!((closed.outcome, &*closed.message), (Outcome::Error, "pod web-1: 127.0.0.1 is a loopback address"));
    assert_eq!(server.heard.lock().unwrap().heads.len(), 1);
}

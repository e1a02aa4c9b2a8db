//! One question of the gRPC health protocol, `grpc.health.v1.Health/Check`, over HTTP/2 without TLS.
//!
//! Spoken over one connection to a vetted address. A gRPC client library would bring a channel that looks names up,
//! reconnects and repeats by itself, all of which a check must not do.

use super::tcp::{bounded, connect};
use super::verdict::Answer;
use super::wrong::{self, Wrong};
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, header};
use prost::Message as _;
use prost::bytes::{BufMut, Bytes, BytesMut};
use std::net::SocketAddr;
use std::time::Duration;

/// As much of an answer as is read, in bytes: it is one small number.
const LARGEST: usize = 1024;
const LARGEST_HEADERS: u32 = 16 * 1024;
/// Before each message: one byte that says whether it is compressed, four of its length.
const PREFIX: usize = 5;
const STATUS: &str = "grpc-status";

/// `host`: for `:authority`. `service`: empty for the server as a whole.
pub(super) async fn ask(addr: SocketAddr, host: &str, service: &str, timeout: Duration) -> Answer {
    let timeout = bounded(timeout);
    let asked = tokio::time::timeout(timeout, check(addr, host, service)).await;
    asked.unwrap_or_else(|_| Err(Wrong::Failed(format!("no complete answer within {}", wrong::print(timeout)))))
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

async fn check(addr: SocketAddr, host: &str, service: &str) -> Answer {
    let mut client = h2::client::Builder::new();
    client.enable_push(false).max_header_list_size(LARGEST_HEADERS).max_concurrent_reset_streams(1);
    let connected = client.handshake::<_, Bytes>(connect(addr).await?).await;
    let (client, connection) = connected.map_err(no_answer)?;
    let exchange = exchange(client, host, service);
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What came before it broke off is still to be read.
        _ = &mut connection => exchange.await,
    }
}

async fn exchange(client: SendRequest<Bytes>, host: &str, service: &str) -> Answer {
    let request = Request::post(format!("http://{host}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .body(())
        .map_err(|_| Wrong::NotAsked("the name to ask for is not valid in a header".to_owned()))?;
    let mut client = client.ready().await.map_err(no_answer)?;
    let (response, mut body) = client.send_request(request, false).map_err(no_answer)?;
    body.send_data(framed(service), true).map_err(no_answer)?;
    let (headers, message) = read(response).await?;
    match code(&headers) {
        Some(0) => judge(&message),
        Some(5) => Err(Wrong::Failed(format!("it knows no gRPC service {service:?}"))),
        Some(12) => Err(Wrong::Failed("it does not serve grpc.health.v1.Health".to_owned())),
        Some(code) => Err(Wrong::Failed(format!("gRPC status {code}"))),
        None => Err(Wrong::Failed("the answer has no gRPC status".to_owned())),
    }
}

/// The headers in which the status stands, and the body.
async fn read(response: ResponseFuture) -> Result<(HeaderMap, Vec<u8>), Wrong> {
    let (head, mut body) = response.await.map_err(no_answer)?.into_parts();
    if head.status != 200 {
        return Err(Wrong::Failed(format!("HTTP status {} instead of a gRPC answer", head.status.as_u16())));
    }
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/grpc") {
        return Err(Wrong::Failed("an HTTP answer that is not gRPC".to_owned()));
    }
    let mut message = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(no_answer)?;
        message.extend_from_slice(&chunk);
        if message.len() > LARGEST {
            return Err(Wrong::Failed("the answer is longer than one of the health protocol".to_owned()));
        }
    }
    let trailers = body.trailers().await.map_err(no_answer)?;
    // An answer without a body has its status among the headers.
    Ok((trailers.unwrap_or(head.headers), message))
}

fn judge(message: &[u8]) -> Answer {
    let decoded = message.get(PREFIX..).map(HealthCheckResponse::decode);
    match decoded.and_then(Result::ok).map(|answer| answer.status()) {
        Some(ServingStatus::Serving) => Ok("answered SERVING".to_owned()),
        Some(ServingStatus::NotServing) => Err(Wrong::Failed("it answered NOT_SERVING".to_owned())),
        Some(ServingStatus::ServiceUnknown) => Err(Wrong::Failed("it answered SERVICE_UNKNOWN".to_owned())),
        Some(ServingStatus::Unknown) => Err(Wrong::Failed("it answered UNKNOWN".to_owned())),
        None => Err(Wrong::Failed("the answer is none of the health protocol".to_owned())),
    }
}

fn framed(service: &str) -> Bytes {
    let request = HealthCheckRequest { service: service.to_owned() };
    let length = request.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or_default());
    bytes.put_slice(&request.encode_to_vec());
    bytes.freeze()
}

fn code(headers: &HeaderMap) -> Option<u32> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

fn no_answer(error: h2::Error) -> Wrong {
    match error.get_io() {
        Some(_) => Wrong::Failed("the connection was closed before the answer was complete".to_owned()),
        None => Wrong::Failed("no valid HTTP/2 answer".to_owned()),
    }
}

//! https urls: who is trusted to be the host that a url names.

use crate::fake::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tidegate::api::ask::Outcome;
use tidegate::check::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NAME: &str = "shop.example";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A certificate authority of this test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }
    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }
    /// For `names`, until the given year.
    fn issue(&self, names: &[&str], until: i32) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// An https server that answers 200 to everything, and remembers by which names it was called.
struct Server {
    addr: SocketAddr,
    called: Arc<Mutex<Vec<Option<String>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start((certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>)) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let (addr, called) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let names = called.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                names.lock().unwrap().push(stream.get_ref().1.server_name().map(str::to_owned));
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        });
        Self { addr, called, task }
    }
    fn called(&self) -> Vec<Option<String>> {
        self.called.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn asked(host: &str, addr: SocketAddr, roots: Vec<CertificateDer<'static>>) -> (Outcome, String) {
    let outside = Names::of(NAME, &[&[addr.ip()]]).outside(roots);
    let mut asking = Asking::outside(World::default(), outside, loopback(), Limits::default());
    let result = asking.answer(&ask(json!({"url": format!("https://{host}:{}/health", addr.port())}))).await;
    let message = result.message.replace(&format!("https://{}:{}", host.trim_end_matches('.'), addr.port()), "URL");
    (result.outcome, message)
}

#[tokio::test]
async fn a_certificate_for_the_host_is_believed() {
    let authority = Authority::new("ours");
    let server = Server::start(authority.issue(&[NAME, "127.0.0.1"], 2099)).await;
    let pass = (Outcome::Pass, "URL answered 200".to_owned());
    assert_eq!(asked(NAME, server.addr, vec![authority.root()]).await, pass);
    assert_eq!(asked("shop.example.", server.addr, vec![authority.root()]).await, pass);
    assert_eq!(asked("127.0.0.1", server.addr, vec![authority.root()]).await, pass);
    // The name of the url, and nothing where there is none.
    assert_eq!(server.called(), [Some(NAME.to_owned()), Some(NAME.to_owned()), None]);
}

/// Not the application's fault, as far as anybody knows: somebody else may have answered.
#[tokio::test]
async fn any_other_certificate_is_an_error() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let wildcard = authority.issue(&["*.other.example"], 2099);
    for (server, roots, why) in [
        (authority.issue(&["other.example", "127.0.0.1"], 2099), vec![authority.root()], "is for another host"),
        (wildcard, vec![authority.root()], "is for another host"),
        (authority.issue(&[NAME], 2021), vec![authority.root()], "has expired"),
        (stranger.issue(&[NAME], 2099), vec![authority.root()], "is from nobody whom the controller trusts"),
    ] {
        let server = Server::start(server).await;
        let answer = asked(NAME, server.addr, roots).await;
        assert_eq!(answer, (Outcome::Error, format!("URL: its certificate {why}")));
        assert_eq!(server.called(), [], "no request was sent");
    }
    let server = Server::start(authority.issue(&[NAME], 2099)).await;
    let nobody = "URL: the controller knows no certificate authority, so that it can trust no https server: see \
                  SSL_CERT_FILE";
    assert_eq!(asked(NAME, server.addr, Vec::new()).await, (Outcome::Error, nobody.to_owned()));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_fails() {
    let authority = Authority::new("ours");
    for reply in [|| status(200), || Reply::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())] {
        // It answers at once, whatever it is sent.
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Reply::Raw(bytes) = reply() else { continue };
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read(&mut [0; 2048]).await;
            }
        });
        let answer = asked(NAME, addr, vec![authority.root()]).await;
        assert_eq!(answer, (Outcome::Fail, "URL: no TLS connection".to_owned()));
        server.abort();
    }
}

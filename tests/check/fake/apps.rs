//! Applications that listen on loopback and write down what reaches them.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What an application does with a request.
pub enum Reply {
    Raw(Vec<u8>),
    /// These bytes, then nothing more, and the connection stays open.
    Stall(Vec<u8>),
    Close,
}

/// How an application answers a request's head.
pub type Behaviour = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

pub fn status(code: u16) -> Reply {
    answer(code, "", "")
}
pub fn answer(code: u16, headers: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {code} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// An application. Dropping it closes its port.
pub struct App {
    pub addr: SocketAddr,
    pub seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub struct Seen {
    /// Connections that were ever made, requests that were complete or not.
    pub connections: AtomicUsize,
    pub open: AtomicUsize,
    pub most_open: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl Seen {
    /// The requests, as they came over the wire.
    pub fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl App {
    /// Listens on `ip` at any port.
    pub async fn start(ip: impl Into<IpAddr>, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::new(ip.into(), 0), reply).await.unwrap()
    }

    pub async fn at(addr: SocketAddr, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (seen, reply) = (Arc::new(Seen::default()), Arc::new(reply));
        let all = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                all.connections.fetch_add(1, Ordering::SeqCst);
                let open = all.open.fetch_add(1, Ordering::SeqCst) + 1;
                all.most_open.fetch_max(open, Ordering::SeqCst);
                let (seen, reply) = (all.clone(), reply.clone());
                tokio::spawn(async move {
                    serve(stream, &seen, &*reply).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { addr, seen, task })
    }

    /// Several applications with one port, on 127.0.`net`.1 and so on.
    pub async fn many(net: u8, replies: Vec<Behaviour>) -> Vec<Self> {
        'port: for _ in 0..50 {
            let mut apps: Vec<Self> = Vec::new();
            for (n, reply) in (1_u8..).zip(&replies) {
                let port = apps.first().map_or(0, |a| a.addr.port());
                let reply = reply.clone();
                let addr = SocketAddr::from(([127, 0, net, n], port));
                match Self::at(addr, move |head| reply(head)).await {
                    Ok(app) => apps.push(app),
                    Err(_) => continue 'port,
                }
            }
            return apps;
        }
        panic!("no port is free on all of them");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, reply: &(dyn Fn(&str) -> Reply + Send + Sync)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    seen.heads.lock().unwrap().push(head.clone());
    match reply(&head) {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 64]).await;
        }
        Reply::Close => {}
    }
}

//! What users of a service reach: a port on loopback behind which its running tasks take turns.

use super::Shared;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A load balancer in front of one service. Dropping it closes the port.
pub struct Front {
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

struct Behind {
    sim: Arc<Shared>,
    service: String,
    turn: AtomicUsize,
}

impl Front {
    pub(super) async fn start(sim: Arc<Shared>, service: String, ip: IpAddr) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let behind = Arc::new(Behind { sim, service, turn: AtomicUsize::new(0) });
        let app = Router::new().fallback(answer).with_state(behind);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { addr, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The image of the first container of the next healthy task answers; 503 if there is none.
async fn answer(State(behind): State<Arc<Behind>>, uri: Uri) -> Response<Body> {
    let (images, answers) = {
        let mut world = behind.sim.world();
        world.advance(behind.sim.clock.now());
        let mut services = world.regions.values().flat_map(|r| r.services.values());
        let service = services.find(|s| s.arn() == behind.service);
        let healthy = service.into_iter().flat_map(|s| &s.tasks).filter(|t| t.is_running() && t.healthy);
        let images: Vec<String> = healthy.filter_map(|t| t.containers.first().map(|c| c.image.clone())).collect();
        (images, world.images.answers.clone())
    };
    let turn = behind.turn.fetch_add(1, Ordering::Relaxed);
    let (status, body) = match images.len() {
        0 => (503, "no healthy task\n".to_owned()),
        n => answers(&images[turn % n], uri.path()),
    };
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

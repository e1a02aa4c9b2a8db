//! A ministack of this test's own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Ends with the value.
pub struct Ministack {
    pub endpoint: String,
    _child: Child,
    _dir: TempDir,
}

impl Ministack {
    pub async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        // It listens on all addresses unless it is told not to.
        let child = Command::new(root.join("target/ministack/bin/ministack"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", free.to_string())
            .env("PYTHONPATH", root.join("tests/ecs/simulator/ministack"))
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("ministack is installed by `make ecs-ministack`");
        let endpoint = format!("http://127.0.0.1:{free}");
        let ready = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", free)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("ministack listens");
        Self { endpoint, _child: child, _dir: dir }
    }
}

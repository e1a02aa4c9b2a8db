//! People who use the application all the time.

use crate::support::Scene;
use crate::support::manifests::PORT;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Ends with the value.
pub struct Traffic(JoinHandle<()>);

impl Traffic {
    /// Asks the Service for `/items`, about thirty times in a second.
    pub async fn on(s: &Scene, service: &str) -> Self {
        let api: Api<Service> = s.api();
        let ip = api.get(service).await.unwrap().spec.unwrap().cluster_ip.unwrap();
        let url = format!("http://{ip}:{PORT}/items");
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build().unwrap();
        Self(tokio::spawn(async move {
            loop {
                let _ = client.get(&url).send().await;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.abort();
    }
}

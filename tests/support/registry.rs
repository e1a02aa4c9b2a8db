//! A real registry on loopback, as a process of its own, and what people push there.

use super::cluster::repository;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Who may push everywhere, and pull what is not open.
pub const USER: &str = "robot";
pub const PASSWORD: &str = "s3cret";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

pub struct Registry {
    pub addr: SocketAddr,
    process: Child,
    /// What is sent to it, for basic and token alike.
    http: reqwest::Client,
}

/// What was pushed under one tag.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub index: String,
    pub amd64: String,
    pub arm64: String,
}

impl Registry {
    /// `access`: `none`, `basic` or `token`. Not at 127.0.0.1, where the API server is.
    pub fn start(access: &str) -> Self {
        Self::start_at("127.0.0.3:0", access)
    }

    pub fn start_at(address: &str, access: &str) -> Self {
        let built = repository().join("tests/registry/bin/registry");
        assert!(built.exists(), "{} is missing: build it with `make registry`", built.display());
        let mut command = Command::new(built);
        command.args([address, access]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().parse().unwrap_or_else(|_| panic!("the registry did not start: {line:?}"));
        let http = reqwest::Client::builder().no_proxy().timeout(super::wait::BOUND).build().unwrap();
        Self { addr, process, http }
    }

    /// As an image names it.
    pub fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.addr)
    }

    /// An index of two platforms, whose layers nobody reads. `content`: what makes it this image.
    pub async fn push(&self, name: &str, tag: &str, content: &str) -> Pushed {
        let amd64 = self.put(name, None, IMAGE, &image(content, "amd64")).await;
        let arm64 = self.put(name, None, IMAGE, &image(content, "arm64")).await;
        let member = |digest: &str, architecture: &str, os: &str| {
            json!({
                "mediaType": IMAGE, "digest": digest, "size": 1, "platform": {"os": os, "architecture": architecture},
            })
        };
        let members = [member(&amd64, "amd64", "linux"), member(&arm64, "arm64", "linux")];
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": members});
        let index = self.put(name, Some(tag), INDEX, &index).await;
        Pushed { index, amd64, arm64 }
    }

    /// The image of one platform alone.
    pub async fn push_one(&self, name: &str, tag: &str, content: &str) -> String {
        self.put(name, Some(tag), IMAGE, &image(content, "amd64")).await
    }

    /// As any client pushes it. Gives its digest.
    async fn put(&self, name: &str, tag: Option<&str>, kind: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string();
        let hex: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let digest = format!("sha256:{hex}");
        let url = format!("http://{}/v2/{name}/manifests/{}", self.addr, tag.unwrap_or(&digest));
        let put = || self.http.put(&url).header("content-type", kind).body(bytes.clone());
        let mut answer = put().basic_auth(USER, Some(PASSWORD)).send().await.unwrap();
        if answer.status() == 401 {
            answer = put().bearer_auth(self.token(&answer, name).await).send().await.unwrap();
        }
        assert!(answer.status().is_success(), "{url}: {} {}", answer.status(), answer.text().await.unwrap());
        digest
    }

    async fn token(&self, refused: &reqwest::Response, name: &str) -> String {
        let said = refused.headers()["www-authenticate"].to_str().unwrap();
        let realm = said.split("realm=\"").nth(1).unwrap().split('"').next().unwrap();
        let scope = format!("repository:{name}:pull,push");
        let asked = self.http.get(realm).query(&[("service", "registry"), ("scope", &scope)]);
        let answer: Value = asked.basic_auth(USER, Some(PASSWORD)).send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn image(content: &str, architecture: &str) -> Value {
    let blob = |what: &str| {
        let hex: String =
            Sha256::digest(format!("{what} {content} {architecture}")).iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    };
    json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob("config"), "size": 1},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": blob("layer"), "size": 1}],
    })
}

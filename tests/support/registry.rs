//! A real registry on loopback, as a process of its own, and what people push there.

use super::cluster::repository;
use reqwest::{Method, Response};
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
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(super::wait::BOUND)
            .build()
            .unwrap();
        Self { addr, process, http }
    }

    /// As an image names it.
    pub fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.addr)
    }

    /// An index of two platforms. `content`: what makes it this image.
    pub async fn push(&self, name: &str, tag: &str, content: &str) -> Pushed {
        let amd64 = self.image(name, None, content, "amd64").await;
        let arm64 = self.image(name, None, content, "arm64").await;
        let member = |(digest, size): &(String, usize), architecture: &str| {
            let platform = json!({"os": "linux", "architecture": architecture});
            json!({"mediaType": IMAGE, "digest": digest, "size": size, "platform": platform})
        };
        let members = [member(&amd64, "amd64"), member(&arm64, "arm64")];
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": members});
        let (index, _) = self.manifest(name, Some(tag), INDEX, &index).await;
        Pushed { index, amd64: amd64.0, arm64: arm64.0 }
    }

    /// The image of one platform alone.
    pub async fn push_one(&self, name: &str, tag: &str, content: &str) -> String {
        self.image(name, Some(tag), content, "amd64").await.0
    }

    async fn image(&self, name: &str, tag: Option<&str>, content: &str, architecture: &str) -> (String, usize) {
        let config = json!({"architecture": architecture, "os": "linux", "author": content}).to_string();
        let layer = format!("{content} for {architecture}");
        let mut blobs = Vec::new();
        for (kind, blob) in [("config.v1+json", config), ("layer.v1.tar", layer)] {
            let digest = digest(&blob);
            let uploads = format!("http://{}/v2/{name}/blobs/uploads/", self.addr);
            let begun = self.send(Method::POST, &uploads, "application/octet-stream", "", name).await;
            let at = begun.headers()["location"].to_str().unwrap();
            let at = format!("{at}{}digest={digest}", if at.contains('?') { "&" } else { "?" });
            self.send(Method::PUT, &at, "application/octet-stream", &blob, name).await;
            let kind = format!("application/vnd.oci.image.{kind}");
            blobs.push(json!({"mediaType": kind, "digest": digest, "size": blob.len()}));
        }
        let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": blobs[0], "layers": [blobs[1]]});
        self.manifest(name, tag, IMAGE, &manifest).await
    }

    /// Its digest and size.
    async fn manifest(&self, name: &str, tag: Option<&str>, kind: &str, manifest: &Value) -> (String, usize) {
        let bytes = manifest.to_string();
        let digest = digest(&bytes);
        let url = format!("http://{}/v2/{name}/manifests/{}", self.addr, tag.unwrap_or(&digest));
        self.send(Method::PUT, &url, kind, &bytes, name).await;
        (digest, bytes.len())
    }

    /// As any client pushes.
    async fn send(&self, method: Method, url: &str, kind: &str, body: &str, name: &str) -> Response {
        let request = || self.http.request(method.clone(), url).header("content-type", kind).body(body.to_owned());
        let mut answer = request().basic_auth(USER, Some(PASSWORD)).send().await.unwrap();
        if answer.status() == 401 {
            answer = request().bearer_auth(self.token(&answer, name).await).send().await.unwrap();
        }
        assert!(answer.status().is_success(), "{url}: {} {}", answer.status(), answer.text().await.unwrap());
        answer
    }

    async fn token(&self, refused: &Response, name: &str) -> String {
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

fn digest(bytes: &str) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

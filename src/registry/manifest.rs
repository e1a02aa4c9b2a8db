//! What a manifest says: the digest of its bytes, and the members of an index. Pure.

use crate::api::Digest;
use crate::api::status::ResolvedImage;
use crate::api::text::sha256;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Members that are remembered.
const MEMBERS: usize = 16;
/// What is asked for: indexes and images, of OCI and of Docker.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Member>>,
    layers: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Member {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
}

/// `Err`: what is wrong with it.
pub(super) fn read(bytes: &[u8], said: Option<&str>, wanted: Option<Digest>) -> Result<ResolvedImage, &'static str> {
    let digest = digest(bytes).ok_or("sent a manifest that cannot be counted")?;
    if said.is_some_and(|said| said != digest.as_str()) || wanted.is_some_and(|wanted| wanted != digest) {
        return Err("sent a manifest of another digest than it says");
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|_| "sent what is no manifest of an image")?;
    let Some(listed) = document.manifests else {
        let image = ResolvedImage { digest, members: Vec::new(), partial: false };
        return document.layers.map(|_| image).ok_or("sent what is no manifest of an image");
    };
    // Attestations are listed beside images, as of an unknown system; nobody runs them.
    let run = listed.iter().filter(|m| m.platform.as_ref().is_none_or(|p| p.os != "unknown"));
    let mut members: Vec<Digest> = run.filter_map(|m| Digest::parse(&m.digest)).collect();
    members.sort_unstable();
    members.dedup();
    let partial = members.len() > MEMBERS;
    members.truncate(MEMBERS);
    Ok(ResolvedImage { digest, members, partial })
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    Digest::parse(&format!("sha256:{}", sha256(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(letter: &str) -> String {
        format!("sha256:{}", letter.repeat(64))
    }

    fn told(document: &Value) -> Result<(usize, bool), &'static str> {
        read(document.to_string().as_bytes(), None, None).map(|r| (r.members.len(), r.partial))
    }

    #[test]
    fn members_are_what_can_be_run() {
        let member =
            |letter: &str, os: &str| json!({"digest": of(letter), "platform": {"os": os, "architecture": "amd64"}});
        let many: Vec<Value> = (0..17).map(|n| json!({"digest": format!("sha256:{n:064x}")})).collect();
        for (document, wanted) in [
            (json!({"layers": []}), Ok((0, false))),
            (
                json!({"manifests": [member("a", "linux"), member("b", "linux"), member("c", "unknown")]}),
                Ok((2, false)),
            ),
            (json!({"manifests": [member("a", "linux"), member("a", "linux")]}), Ok((1, false))),
            (json!({"manifests": [{"digest": "md5:1"}]}), Ok((0, false))),
            (json!({ "manifests": many }), Ok((16, true))),
            (json!({"hello": 1}), Err("sent what is no manifest of an image")),
            (json!([]), Err("sent what is no manifest of an image")),
        ] {
            assert_eq!(told(&document), wanted, "{document}");
        }
    }

    #[test]
    fn a_digest_is_counted_and_not_believed() {
        let bytes = br#"{"layers":[]}"#;
        let right = read(bytes, None, None).unwrap().digest;
        assert!(read(bytes, Some(right.as_str()), Some(right.clone())).is_ok());
        let wrong = "sent a manifest of another digest than it says";
        assert_eq!(read(bytes, Some(&of("a")), None), Err(wrong));
        assert_eq!(read(bytes, None, Digest::parse(&of("a"))), Err(wrong));
    }
}

//! Image references and digests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A whole image reference as it stands in a pod template: `repository[:tag][@digest]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Image(#[schemars(length(max = 700))] String);

/// `sha256:` and 64 hex digits, as a container runtime reports it in `imageID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(#[schemars(length(max = 80))] String);

impl Image {
    pub fn new(reference: impl Into<String>) -> Self {
        Self(reference.into())
    }
    pub fn build(repository: &str, tag: Option<&str>, digest: Option<&Digest>) -> Self {
        let tag = tag.map(|t| format!(":{t}")).unwrap_or_default();
        let digest = digest.map(|d| format!("@{d}")).unwrap_or_default();
        Self(format!("{repository}{tag}{digest}"))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Everything before the tag and the digest. A registry's port is no tag.
    pub fn repository(&self) -> &str {
        let name = self.0.split('@').next().unwrap_or_default();
        match name.rfind(':') {
            Some(colon) if !name[colon..].contains('/') => &name[..colon],
            _ => name,
        }
    }
    pub fn tag(&self) -> Option<&str> {
        let name = self.0.split('@').next().unwrap_or_default();
        let repository = self.repository().len();
        name.get(repository + 1..).filter(|t| !t.is_empty())
    }
    pub fn digest(&self) -> Option<Digest> {
        self.0.split_once('@').and_then(|(_, d)| Digest::parse(d))
    }
    /// What people call it: the tag, or the first 12 hex digits of the digest.
    pub fn short(&self) -> String {
        match (self.tag(), self.digest()) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(digest)) => digest.short().to_owned(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl Digest {
    /// Finds `sha256:<64 hex>` in a digest, or at the end of an `imageID` such as `repo@sha256:...`.
    pub fn parse(text: &str) -> Option<Self> {
        let digest = text.rsplit('@').next()?;
        let hex = digest.strip_prefix("sha256:")?;
        let right = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        right.then(|| Self(digest.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart() {
        let d = format!("sha256:{}", "a".repeat(64));
        for (image, repository, tag, short) in [
            ("app", "app", None, "latest"),
            ("reg:5000/app", "reg:5000/app", None, "latest"),
            ("reg:5000/app:sha-1", "reg:5000/app", Some("sha-1"), "sha-1"),
            (&format!("ghcr.io/a/b:sha-1@{d}"), "ghcr.io/a/b", Some("sha-1"), "sha-1"),
            (&format!("ghcr.io/a/b@{d}"), "ghcr.io/a/b", None, "aaaaaaaaaaaa"),
        ] {
            let i = Image::new(image);
            assert_eq!((i.repository(), i.tag(), i.short().as_str()), (repository, tag, short), "{image}");
        }
        assert_eq!(Digest::parse(&format!("reg/app@{d}")).unwrap().as_str(), d);
        assert!(Digest::parse("sha256:abc").is_none());
    }
}

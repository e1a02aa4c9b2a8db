//! What an image is in its registry.

use crate::api::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a tag or digest leads to. Digests name contents, so that what is said here of one is true for ever.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedImage {
    pub digest: Digest,
    /// The images of an index, one for each platform, at most 16. Empty: it is no index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Digest>,
    /// The index has more of them than stand here.
    #[serde(default)]
    pub partial: bool,
}

impl ResolvedImage {
    /// Whether this digest is that of the image, or of a member of it.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.digest == *digest || self.members.contains(digest)
    }
}

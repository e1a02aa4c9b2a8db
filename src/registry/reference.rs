//! Where an image is asked for. Pure.

use super::error::Error;
use crate::api::Image;

/// Docker Hub has several names, and serves its API under another one still.
const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
const HUB_API: &str = "registry-1.docker.io";

/// An image's place in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Host, and port if one is named, as the image names it.
    pub registry: String,
    /// Host and port that serve the API.
    pub api: String,
    /// Within the registry.
    pub repository: String,
    /// A digest if there is one: that is what is pulled, whatever the tag beside it says.
    pub wanted: String,
}

impl Reference {
    pub(super) fn of(image: &Image) -> Result<Self, Error> {
        let wanted = image.digest().map(|d| d.to_string()).or_else(|| image.tag().map(str::to_owned));
        let wanted = wanted.ok_or_else(|| Error::Reference(image.to_string()))?;
        // A first part is a host if it looks like one: a dot, a port, or this machine.
        let host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (registry, repository) = match image.repository().split_once('/') {
            Some((first, rest)) if host(first) => (first.to_owned(), rest.to_owned()),
            Some(_) => ("docker.io".to_owned(), image.repository().to_owned()),
            None => ("docker.io".to_owned(), format!("library/{}", image.repository())),
        };
        let hub = HUB.contains(&registry.as_str());
        let repository = if hub && !repository.contains('/') { format!("library/{repository}") } else { repository };
        let api = if hub { HUB_API.to_owned() } else { registry.clone() };
        Ok(Self { registry, api, repository, wanted })
    }

    /// Without its port.
    pub(super) fn host(&self) -> &str {
        self.api.rsplit_once(':').map_or(self.api.as_str(), |(host, _)| host)
    }

    pub(super) fn url(&self, plain: bool) -> String {
        let scheme = if plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/manifests/{}", self.api, self.repository, self.wanted)
    }

    pub(super) fn scope(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }

    /// Names of the registry in a Secret.
    pub(super) fn names(&self) -> Vec<&str> {
        if self.api == HUB_API { HUB.to_vec() } else { vec![self.registry.as_str()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_lies_where_its_name_says() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, wanted) in [
            ("ghcr.io/acme/shop:sha-1", Some(("ghcr.io", "acme/shop", "sha-1"))),
            ("127.0.0.1:5000/shop:sha-1", Some(("127.0.0.1:5000", "shop", "sha-1"))),
            ("localhost/shop:sha-1", Some(("localhost", "shop", "sha-1"))),
            ("nginx:1.29", Some((HUB_API, "library/nginx", "1.29"))),
            ("docker.io/nginx:1.29", Some((HUB_API, "library/nginx", "1.29"))),
            ("acme/shop:1", Some((HUB_API, "acme/shop", "1"))),
            (&format!("ghcr.io/acme/shop:sha-1@{digest}"), Some(("ghcr.io", "acme/shop", digest.as_str()))),
            ("ghcr.io/acme/shop", None),
        ] {
            let found = Reference::of(&Image::new(image)).ok();
            let seen = found.as_ref().map(|r| (r.api.as_str(), r.repository.as_str(), r.wanted.as_str()));
            assert_eq!(seen, wanted, "{image}");
        }
        let here = Reference::of(&Image::new("127.0.0.1:5000/shop:sha-1")).unwrap();
        assert_eq!(
            (here.host(), here.url(true).as_str()),
            ("127.0.0.1", "http://127.0.0.1:5000/v2/shop/manifests/sha-1")
        );
    }
}

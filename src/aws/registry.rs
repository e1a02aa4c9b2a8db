//! ECR: whether an image is there to be pulled.

use super::account::Account;
use super::error::Error;
use crate::api::Image;
use aws_sdk_ecr::types::ImageIdentifier;

const CALL: &str = "ecr:DescribeImages";

/// An image whose repository is one of ECR.
#[derive(Clone, Debug, PartialEq)]
pub struct EcrImage {
    pub region: String,
    account: String,
    repository: String,
    id: ImageIdentifier,
}

impl EcrImage {
    /// `None`: it lies elsewhere, or names neither tag nor digest.
    pub fn of(image: &Image) -> Option<Self> {
        let (host, repository) = image.repository().split_once('/')?;
        let (account, rest) = host.split_once(".dkr.ecr.")?;
        let (region, domain) = rest.split_once('.')?;
        let number = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !number || !matches!(domain, "amazonaws.com" | "amazonaws.com.cn") {
            return None;
        }
        let id = match (image.digest(), image.tag()) {
            // A digest is what is pulled, whatever the tag beside it says.
            (Some(digest), _) => ImageIdentifier::builder().image_digest(digest.as_str()),
            (None, Some(tag)) => ImageIdentifier::builder().image_tag(tag),
            (None, None) => return None,
        };
        let (region, account, repository) = (region.to_owned(), account.to_owned(), repository.to_owned());
        Some(Self { region, account, repository, id: id.build() })
    }
}

impl Account {
    /// Whether the registry has it. Asked of the region that the image names.
    pub async fn has_image(&self, image: &EcrImage) -> Result<bool, Error> {
        self.limits.images.until_ready().await;
        let call = self.registry.describe_images().registry_id(&image.account).repository_name(&image.repository);
        match call.image_ids(image.id.clone()).send().await {
            Ok(answer) => Ok(!answer.image_details().is_empty()),
            Err(e) => match Error::of(CALL, &e) {
                // The image, or the whole repository.
                Error::Gone(_) => Ok(false),
                other => Err(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_of_ecr_is_known_by_its_host() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        for (image, wanted) in [
            (format!("{host}/shop:sha-1"), Some(("shop", Some("sha-1"), None))),
            (format!("{host}/team/shop:sha-1"), Some(("team/shop", Some("sha-1"), None))),
            (format!("{host}.cn/shop:sha-1"), Some(("shop", Some("sha-1"), None))),
            (format!("{host}/shop:sha-1@{digest}"), Some(("shop", None, Some(digest.as_str())))),
            (format!("{host}/shop"), None),
            ("ghcr.io/acme/shop:sha-1".to_owned(), None),
            ("public.ecr.aws/acme/shop:sha-1".to_owned(), None),
            (format!("{host}.evil.test/shop:sha-1"), None),
            ("x.dkr.ecr.eu-west-1.amazonaws.com/shop:sha-1".to_owned(), None),
            (format!("evil.test/{host}/shop:sha-1"), None),
        ] {
            let found = EcrImage::of(&Image::new(image.as_str()));
            let seen = found.as_ref().map(|i| (i.repository.as_str(), i.id.image_tag(), i.id.image_digest()));
            assert_eq!(seen, wanted, "{image}");
            assert!(found.is_none_or(|i| (i.account.as_str(), i.region.as_str()) == ("123456789012", "eu-west-1")));
        }
    }
}

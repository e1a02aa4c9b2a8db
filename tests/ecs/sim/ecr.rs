//! DescribeImages: every image is there under the digest that tasks would get, unless a test has deleted it, or its whole
//! repository.

use super::error::Refusal;
use super::images::Images;
use super::world::Place;
use serde_json::{Value, json};

pub fn describe_images(body: &Value, place: &Place, images: &Images) -> Result<String, Refusal> {
    let name = body["repositoryName"].as_str().ok_or_else(|| Refusal::invalid("repositoryName can not be blank."))?;
    let account = body["registryId"].as_str().unwrap_or(&place.account);
    let repository = repository(account, &place.region, name);
    if images.absent.contains(&repository) {
        let text = format!("The repository with name '{name}' does not exist in the registry with id '{account}'");
        return Err(Refusal::new("RepositoryNotFoundException", text));
    }
    let ids = body["imageIds"].as_array().map(Vec::as_slice).unwrap_or_default();
    if body.get("imageIds").is_some() && !(1..=100).contains(&ids.len()) {
        return Err(Refusal::invalid("imageIds must have between 1 and 100 members."));
    }
    let mut details = Vec::new();
    for id in ids {
        let gone = || {
            let text = format!("The image with imageId {id} does not exist within the repository with name '{name}'");
            Refusal::new("ImageNotFoundException", text)
        };
        let detail = match (id["imageTag"].as_str(), id["imageDigest"].as_str()) {
            (Some(tag), _) => {
                let image = format!("{repository}:{tag}");
                let digest = (!images.absent.contains(&image)).then(|| images.digest(&image)).ok_or_else(gone)?;
                json!({"imageDigest": digest, "imageTags": [tag]})
            }
            (None, Some(digest)) if images.absent.contains(&format!("{repository}@{digest}")) => return Err(gone()),
            (None, Some(digest)) => json!({"imageDigest": digest}),
            (None, None) => return Err(Refusal::invalid("imageIds needs a tag or a digest.")),
        };
        details.push(detail);
    }
    for detail in &mut details {
        detail["registryId"] = json!(account);
        detail["repositoryName"] = json!(name);
        detail["imageManifestMediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    }
    Ok(json!({"imageDetails": details}).to_string())
}

/// How task definitions name a repository of this account.
pub fn repository(account: &str, region: &str, name: &str) -> String {
    format!("{account}.dkr.ecr.{region}.amazonaws.com/{name}")
}

//! Copies of task definitions with other images: registered once for each effect, and found again.

use super::account::Account;
use super::error::Error;
use crate::api::status::ContainerImage;
use crate::aws::tag;

/// Newest revisions of a family among which an earlier registration of the same effect is looked for.
const LOOKED_AT: i32 = 5;

impl Account {
    /// The copy of `base` that this effect brings: the one that was registered before a crash, or a new one. Its ARN.
    ///
    /// `tags` name the effect.
    pub async fn registered(
        &self,
        base: &str,
        images: &[ContainerImage],
        tags: &[(&str, String)],
    ) -> Result<String, Error> {
        let copied = self.copy(base, images, tags).await?;
        let effect = tags.iter().find(|(key, _)| *key == tag::EFFECT).map_or("", |(_, value)| value.as_str());
        for arn in self.newest_of(&copied.family, LOOKED_AT).await? {
            let known = self.definition(&arn).await?;
            if known.family == copied.family && known.is_of(effect, images) {
                return Ok(arn);
            }
        }
        self.register(copied).await
    }
}

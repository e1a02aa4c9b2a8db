//! Credentials for one registry, out of a Secret as `imagePullSecrets` names it. Pure; they stay out of every text.

use super::error::Error;
use super::reference::Reference;
use crate::check::SecretFacts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

const KEY: &str = ".dockerconfigjson";

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub user: String,
    pub password: String,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    /// Both, as `user:password` in base64.
    auth: Option<String>,
}

impl Credentials {
    /// `None`: the Secret has none for this registry. `name`: of the Secret.
    pub(super) fn of(secret: &SecretFacts, name: &str, reference: &Reference) -> Result<Option<Self>, Error> {
        let bad = || Error::BadSecret(name.to_owned());
        let config: Config = serde_json::from_slice(secret.data.get(KEY).ok_or_else(bad)?).map_err(|_| bad())?;
        let fits = config.auths.iter().filter_map(|(key, entry)| Some((fit(key, reference)?, entry)));
        let Some((_, entry)) = fits.max_by_key(|(length, _)| *length) else { return Ok(None) };
        if let (Some(user), Some(password)) = (entry.username.clone(), entry.password.clone()) {
            return Ok(Some(Self { user, password }));
        }
        let decoded = entry.auth.as_ref().and_then(|text| STANDARD.decode(text.trim()).ok());
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
        let (user, password) = text.split_once(':').ok_or_else(bad)?;
        // Some tools pad with zeros.
        Ok(Some(Self { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
    }
}

/// How much of the repository an entry names, if it is for it: a whole registry, or what lies below a path.
fn fit(key: &str, reference: &Reference) -> Option<usize> {
    let plain = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
    // What Docker itself writes for a whole registry.
    let path = path.trim_end_matches('/');
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    let below = path.is_empty() || reference.repository.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let it = reference.repository == path;
    (reference.names().contains(&host) && (below || it)).then_some(path.len())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Image;
    use serde_json::json;

    fn user(auths: &serde_json::Value, image: &str) -> Result<Option<String>, String> {
        let bytes = json!({ "auths": auths }).to_string().into_bytes();
        let secret = SecretFacts { labels: BTreeMap::new(), data: [(KEY.to_owned(), bytes)].into() };
        let found = Credentials::of(&secret, "pull", &Reference::of(&Image::new(image)).unwrap());
        found.map(|c| c.map(|c| format!("{}/{}", c.user, c.password))).map_err(|e| e.to_string())
    }

    #[test]
    fn an_entry_is_for_its_registry_and_for_no_other() {
        let entry = |user: &str| json!({"username": user, "password": "p"});
        let coded = json!({"auth": STANDARD.encode("coded:p:q")});
        for (key, image, fits) in [
            ("ghcr.io", "ghcr.io/acme/shop:1", true),
            ("https://ghcr.io", "ghcr.io/acme/shop:1", true),
            ("ghcr.io/acme", "ghcr.io/acme/shop:1", true),
            ("ghcr.io/acme/shop", "ghcr.io/acme/shop:1", true),
            ("ghcr.io/ac", "ghcr.io/acme/shop:1", false),
            ("ghcr.io", "evil.example/ghcr.io/shop:1", false),
            ("ghcr.io", "ghcr.io.evil.example/shop:1", false),
            ("ghcr.io", "ghcr.io:8443/shop:1", false),
            ("*.ghcr.io", "a.ghcr.io/shop:1", false),
            ("https://index.docker.io/v1/", "nginx:1", true),
            ("docker.io", "docker.io/acme/shop:1", true),
            ("index.docker.io", "ghcr.io/acme/shop:1", false),
        ] {
            let found = user(&json!({ key: entry("one") }), image);
            assert_eq!(found, Ok(fits.then(|| "one/p".to_owned())), "{key} {image}");
        }
        let both = json!({"ghcr.io": entry("all"), "ghcr.io/acme": entry("acme")});
        assert_eq!(user(&both, "ghcr.io/acme/shop:1"), Ok(Some("acme/p".to_owned())));
        assert_eq!(user(&json!({"ghcr.io": coded}), "ghcr.io/a:1"), Ok(Some("coded/p:q".to_owned())));
    }

    #[test]
    fn a_bad_entry_is_named_by_its_secret_alone() {
        for bad in
            [json!({"auth": "!canary!"}), json!({"auth": STANDARD.encode("canary")}), json!({"username": "canary"})]
        {
            let said = user(&json!({ "ghcr.io": bad }), "ghcr.io/a:1").unwrap_err();
            assert_eq!(said, "Secret pull is no kubernetes.io/dockerconfigjson");
        }
        let canary = Credentials { user: "canary".to_owned(), password: "canary".to_owned() };
        assert!(!format!("{canary:?}").contains("canary"));
    }
}

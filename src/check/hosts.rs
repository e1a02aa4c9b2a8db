//! Hosts as an administrator names them.

use super::url::{Host, Target};
use std::str::FromStr;

/// `shop.internal`: this host; `*.shop.internal`: every host below it, and not itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    below: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host such as shop.internal or *.shop.internal (addresses are for --allow-url-cidr)")]
pub struct NotAHost;

impl HostPattern {
    /// `name`: in lower case and ASCII, without a dot at its end.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self.below {
            true => name.strip_suffix(&self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => name == self.name,
        }
    }
}

impl FromStr for HostPattern {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        if name.contains(['/', ':', '?', '#']) {
            return Err(NotAHost);
        }
        match Target::parse(&format!("http://{name}")).map(|target| target.host) {
            Ok(Host::Name(name)) => Ok(Self { name, below }),
            _ => Err(NotAHost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_host_or_all_below_it() {
        for (pattern, name, matches) in [
            ("shop.internal", "shop.internal", true),
            ("Shop.Internal.", "shop.internal", true),
            ("shop.internal", "a.shop.internal", false),
            ("shop.internal", "workshop.internal", false),
            ("*.shop.internal", "a.shop.internal", true),
            ("*.shop.internal", "b.a.shop.internal", true),
            ("*.shop.internal", "shop.internal", false),
            ("*.shop.internal", "workshop.internal", false),
            ("*.shop.internal", ".shop.internal", false),
            ("bücher.example", "xn--bcher-kva.example", true),
        ] {
            assert_eq!(pattern.parse::<HostPattern>().unwrap().matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in
            ["", "*", "*.", "**.a", "a.*.b", "10.0.0.1", "[::1]", "a/b", "a:80", "me@a", "http://a", "a b", "127.1"]
        {
            assert_eq!(text.parse::<HostPattern>(), Err(NotAHost), "{text}");
        }
    }
}

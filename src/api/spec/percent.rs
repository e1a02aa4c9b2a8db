//! A share as it stands in YAML.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// A share, written as in `20%` or `0.5%`: at most 9999.999%, with at most three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent {
    thousandths: u32,
}

const WHOLE: u32 = 1000;
const MOST: u32 = 9999;

impl Percent {
    /// 1 for `100%`.
    pub fn share(self) -> f64 {
        f64::from(self.thousandths) / f64::from(100 * WHOLE)
    }
}

impl std::str::FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a share such as 20% or 0.5%");
        let number = text.strip_suffix('%').ok_or_else(bad)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 3 {
            return Err(bad());
        }
        let whole: u32 = whole.parse().ok().filter(|w| *w <= MOST).ok_or_else(bad)?;
        let decimals: u32 = format!("{decimals:0<3}").parse().map_err(|_| bad())?;
        Ok(Self { thousandths: whole * WHOLE + decimals })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.thousandths / WHOLE, self.thousandths % WHOLE);
        if decimals == 0 {
            return write!(f, "{whole}%");
        }
        write!(f, "{whole}.{}%", format!("{decimals:03}").trim_end_matches('0'))
    }
}
impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 20})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_and_print_alike() {
        for (text, share, print) in [
            ("20%", 0.2, "20%"),
            ("0.5%", 0.005, "0.5%"),
            ("1.050%", 0.0105, "1.05%"),
            ("0%", 0.0, "0%"),
            ("9999.999%", 99.99999, "9999.999%"),
        ] {
            let read: Percent = text.parse().unwrap();
            assert!((read.share() - share).abs() < 1e-12, "{text}: {}", read.share());
            assert_eq!(read.to_string(), print);
            assert_eq!(print.parse::<Percent>().unwrap(), read);
        }
        for bad in ["", "%", "20", "-1%", "+1%", ".5%", "1.%", "1.2345%", "10000%", "1,5%", "20 %"] {
            assert_eq!(bad.parse::<Percent>().unwrap_err(), format!("{bad:?} is not a share such as 20% or 0.5%"));
        }
    }
}

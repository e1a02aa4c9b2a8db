//! A decimal number as it stands in YAML: a string, since API servers and tools change what is written without quotes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// A decimal number such as `0.01` or `-5`: at most 15 digits before the point and 15 after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decimal {
    text: String,
    value: f64,
}

const MOST_DIGITS: usize = 15;

impl Decimal {
    pub fn value(&self) -> f64 {
        self.value
    }
}

impl std::str::FromStr for Decimal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a decimal number such as 0.01");
        let number = text.strip_prefix('-').unwrap_or(text);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| (1..=MOST_DIGITS).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(bad());
        }
        Ok(Self { text: text.to_owned(), value: text.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_read_and_print_alike() {
        for (text, value) in [("0.01", 0.01), ("-5", -5.0), ("100", 100.0), ("0.050", 0.05), ("-0.5", -0.5)] {
            let read: Decimal = text.parse().unwrap();
            assert!((read.value() - value).abs() < 1e-15, "{text}");
            assert_eq!(read.to_string(), text);
        }
        for bad in ["", "-", ".5", "5.", "1e3", "NaN", "inf", "+1", "1,5", "1 ", "0x1", "1%", "1234567890123456"] {
            assert_eq!(bad.parse::<Decimal>().unwrap_err(), format!("{bad:?} is not a decimal number such as 0.01"));
        }
    }
}

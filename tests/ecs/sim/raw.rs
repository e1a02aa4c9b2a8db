//! JSON that is carried on as it was written: numbers, order and spaces included.

/// The members of a JSON object with their values' own text. `None` if it is no object.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    // What follows only splits; whether it is JSON at all is asked of a parser.
    serde_json::from_str::<serde_json::Value>(text).ok()?.as_object()?;
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    for member in split(inner, b',') {
        let colon = split(member, b':').first()?.len();
        let key = serde_json::from_str(member[..colon].trim()).ok()?;
        found.push((key, member[colon + 1..].trim()));
    }
    Some(found)
}

/// An object of these members, in this order.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key))).collect();
    format!("{{{}}}", members.join(","))
}

/// Splits at separators that are in no string, object or array.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0_i32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ if byte == separator && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text[from..].trim().is_empty() {
        parts.push(&text[from..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{members, object};

    #[test]
    fn values_keep_their_text() {
        let text = r#" { "a" : 1.00 , "b\"c": {"x":[1,{"y":"},:"}]}, "d":"e\\\",f" , "n":123456789012345678901234 } "#;
        let found = members(text).unwrap();
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b\"c", "d", "n"]);
        let values: Vec<&str> = found.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, ["1.00", r#"{"x":[1,{"y":"},:"}]}"#, r#""e\\\",f""#, "123456789012345678901234"]);
        let again = object(found.iter().map(|(key, value)| (key.as_str(), *value)));
        assert_eq!(members(&again).unwrap(), found);
        assert!(members("[1]").is_none() && members("{").is_none());
        assert!(members("{}").unwrap().is_empty());
    }
}

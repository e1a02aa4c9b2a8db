//! Every place in a JSON value, for tests that damage one of them.

use serde_json::Value;

/// JSON pointers of everything in `value`, its own first (RFC 6901).
pub(crate) fn all(value: &Value) -> Vec<String> {
    let mut all = vec![];
    gather(value, String::new(), &mut all);
    all
}

/// The pointer of what holds `place`, and the key or the index in it. `None`: it is the whole value.
pub(crate) fn parent(place: &str) -> Option<(&str, String)> {
    let (parent, key) = place.rsplit_once('/')?;
    Some((parent, key.replace("~1", "/").replace("~0", "~")))
}

/// Takes away what is at `place`. The whole value stays.
pub(crate) fn remove(value: &mut Value, place: &str) {
    let Some((parent, key)) = parent(place) else { return };
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&key)),
        Some(Value::Array(list)) => drop(list.remove(key.parse().unwrap())),
        _ => {}
    }
}

fn gather(value: &Value, here: String, all: &mut Vec<String>) {
    let below = |key: &str| format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (below(key), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (below(&i.to_string()), v)).collect(),
        _ => vec![],
    };
    all.push(here);
    inner.into_iter().for_each(|(place, v)| gather(v, place, all));
}

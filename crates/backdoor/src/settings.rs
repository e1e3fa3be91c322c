//! Reads settings: the given keys replace defaults, and each key is checked.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Settings by key: only the given ones, or all of them.
pub type Settings = Map<String, Value>;

/// The defaults, with the given keys in place of theirs.
///
/// # Errors
/// A message with the key, if a key is unknown or its value has the wrong type.
pub(crate) fn over<C: Serialize + DeserializeOwned>(defaults: C, given: &Settings) -> Result<C, String> {
    let mut keys = serde_json::to_value(defaults).map_err(|error| error.to_string())?;
    for (key, value) in given {
        if keys.get(key).is_none() {
            let valid: Vec<&str> = keys.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            let listed = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
            let suggestion = unlearn_names::suggestion(key, valid.iter().copied());
            return Err(format!("unknown key `{key}`{suggestion}; valid keys: {listed}"));
        }
        keys[key] = value.clone();
        // This runs after the check of every key, so that the message can name the key.
        if let Err(error) = serde_json::from_value::<C>(keys.clone()) {
            return Err(format!("`{key}` cannot be {value}: {error}"));
        }
    }
    serde_json::from_value(keys).map_err(|error| error.to_string())
}

/// Checks that a number is in a range.
///
/// # Errors
/// A message with the key, the value, and the range in words.
pub(crate) fn within(key: &str, value: f64, admits: bool, range: &str) -> Result<(), String> {
    if admits { Ok(()) } else { Err(format!("`{key}` is {value}; it must be {range}")) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Config {
        size: u32,
        share: f64,
    }

    fn read(given: &Value) -> Result<Config, String> {
        over(Config { size: 4, share: 0.5 }, given.as_object().unwrap())
    }

    #[test]
    fn given_keys_replace_defaults() {
        assert_eq!(read(&json!({})), Ok(Config { size: 4, share: 0.5 }));
        assert_eq!(read(&json!({ "share": 1 })), Ok(Config { size: 4, share: 1.0 }));
    }

    #[test]
    fn the_key_that_is_wrong_is_named() {
        assert_eq!(
            read(&json!({ "sise": 3 })).unwrap_err(),
            "unknown key `sise` (did you mean `size`?); valid keys: share, size"
        );
        let error = read(&json!({ "share": 0.1, "size": -1 })).unwrap_err();
        assert!(error.starts_with("`size` cannot be -1: "), "{error}");
    }
}

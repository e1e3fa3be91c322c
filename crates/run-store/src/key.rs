//! The key of a stage: a hash of everything that decides its result.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::StoreError;

/// Version of the computation of keys. After an increase, every stored stage counts as not yet computed.
pub const KEY_FORMAT: u32 = 1;

/// Everything that decides the result of a stage. It can be written to a file, and another process can compute it.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// Kind of stage, which is also the name of its folder: `train`, `prune`, `unlearn`, `evaluate`, …
    pub kind: String,
    /// The stage's own configuration, with every default written out.
    pub config: Value,
    /// The input stages, by role ("model", "mask", …).
    pub inputs: BTreeMap<String, StageKey>,
    /// Fingerprint of its data, including index sets.
    pub data_fingerprint: String,
    /// Seed of its random numbers.
    pub seed: u64,
    /// Paths, by role, of files that the configuration identifies by content. Paths do not affect the result, so they
    /// are not in the key.
    pub places: BTreeMap<String, String>,
}

impl StageSpec {
    /// A stage without inputs. [`with_input`](Self::with_input) adds one.
    pub fn new(kind: impl Into<String>, config: Value, data_fingerprint: impl Into<String>, seed: u64) -> Self {
        Self {
            kind: kind.into(),
            config,
            inputs: BTreeMap::new(),
            data_fingerprint: data_fingerprint.into(),
            seed,
            places: BTreeMap::new(),
        }
    }

    /// Adds the path of a file that the configuration identifies by content, with its role.
    #[must_use]
    pub fn with_place(mut self, role: impl Into<String>, place: impl Into<String>) -> Self {
        self.places.insert(role.into(), place.into());
        self
    }

    /// Adds an input stage with its role.
    #[must_use]
    pub fn with_input(mut self, role: impl Into<String>, key: StageKey) -> Self {
        self.inputs.insert(role.into(), key);
        self
    }

    /// The key: the first 128 bits of BLAKE3 over the canonical JSON of this description and [`KEY_FORMAT`].
    ///
    /// The order of a configuration's keys does not matter. Any other change gives another key. Numbers are
    /// distinguished by type: `1` and `1.0` are different configurations. A configuration resolved through Rust types
    /// never mixes them.
    pub fn key(&self) -> StageKey {
        let whole = json!({
            "format": KEY_FORMAT,
            "kind": self.kind,
            "config": self.config,
            "inputs": self.inputs,
            "data": self.data_fingerprint,
            "seed": self.seed,
        });
        let mut text = String::new();
        canonical(&whole, &mut text);
        StageKey(blake3::hash(text.as_bytes()).to_hex()[..StageKey::LENGTH].to_owned())
    }
}

/// A stage's key: 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageKey(String);

impl StageKey {
    /// Digits of a key.
    pub const LENGTH: usize = 32;

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for users.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for StageKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for StageKey {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && text.len() == Self::LENGTH { Ok(Self(text)) } else { Err(StoreError::BadKey(text)) }
    }
}

impl From<StageKey> for String {
    fn from(key: StageKey) -> Self {
        key.0
    }
}

/// Appends `value` as JSON with sorted keys and no white space.
///
/// Keys are sorted here, because the maps of `serde_json` keep insertion order if any crate of a build enables that.
pub(crate) fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            for (position, (key, value)) in sorted(map).into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        // Rust's exponent form is the shortest that reads back to the same bits. It does not depend on the JSON
        // library.
        Value::Number(number) if number.is_f64() => {
            let _ = match number.as_f64() {
                Some(float) => write!(out, "{float:e}"),
                None => write!(out, "{number}"),
            };
        }
        Value::String(text) => quote(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}"); // A string takes everything.
        }
    }
}

/// Appends a string of JSON.
fn quote(text: &str, out: &mut String) {
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'"' | b'\\' | 0x7f);
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::String(text.to_owned()).to_string());
    }
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> StageSpec {
        let config =
            json!({ "lr": 0.1, "epochs": 10, "schedule": { "kind": "cosine", "warmup": 1 }, "milestones": [3, 5] });
        StageSpec::new("train", config, "fashion-mnist-mini@1", 1).with_input("model", StageKey("0".repeat(32)))
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let mut other = spec();
        other.config = serde_json::from_str(
            r#"{"milestones":[3,5],"schedule":{"warmup":1,"kind":"cosine"},"epochs":10,"lr":1e-1}"#,
        )
        .unwrap();
        assert_eq!(spec().key(), other.key());
    }

    #[test]
    fn every_change_matters() {
        let zero = StageKey("0".repeat(32));
        let one = StageKey("1".repeat(32));
        let mut changes: Vec<StageSpec> = Vec::new();
        let mut change = |edit: &dyn Fn(&mut StageSpec)| {
            let mut spec = spec();
            edit(&mut spec);
            changes.push(spec);
        };
        change(&|_| {});
        change(&|spec| spec.kind = "prune".to_owned());
        change(&|spec| spec.seed = 2);
        change(&|spec| spec.data_fingerprint.push('x'));
        change(&|spec| spec.inputs = [("model".to_owned(), one.clone())].into());
        change(&|spec| spec.inputs = [("mask".to_owned(), zero.clone())].into());
        change(&|spec| spec.inputs.clear());
        change(&|spec| spec.config["lr"] = json!(f64::from_bits(0.1_f64.to_bits() + 1)));
        change(&|spec| spec.config["epochs"] = json!(10.0));
        change(&|spec| spec.config["milestones"] = json!([5, 3]));
        change(&|spec| spec.config["schedule"]["warmup"] = Value::Null);
        change(&|spec| spec.config["schedule"]["kind"] = json!("cosine\",\"x\":\""));
        change(&|spec| spec.config["extra"] = json!(false));
        let keys: std::collections::BTreeSet<_> = changes.iter().map(StageSpec::key).collect();
        assert_eq!(keys.len(), changes.len());
    }

    /// The expected key is the result of Python's `blake3` package for
    /// `{"config":{"a":"ü","b":[1,5e-1]},"data":"d","format":1,"inputs":{},"kind":"train","seed":3}`. If this fails,
    /// stored runs are no longer found. Then raise [`KEY_FORMAT`].
    #[test]
    fn keys_stay_what_they_were() {
        let spec = StageSpec::new("train", json!({ "b": [1, 0.5], "a": "ü" }), "d", 3);
        assert_eq!(spec.key().as_str(), "e2b8e03af1d46757964867627c2d6608");
    }

    #[test]
    fn strings_are_written_as_the_library_does() {
        let mut all: Vec<String> = (0_u8..128).map(|byte| format!("a{}b", char::from(byte))).collect();
        all.extend(["", "ü", "\u{2028}", "\u{10ffff}\"", "\\u0041"].map(str::to_owned));
        for text in all {
            let mut out = String::new();
            canonical(&json!({ text.clone(): text }), &mut out);
            assert_eq!(out, serde_json::to_string(&json!({ text.clone(): text })).unwrap());
        }
    }

    #[test]
    fn reads_only_keys() {
        let key = spec().key();
        assert_eq!(key.as_str().parse::<StageKey>().unwrap(), key);
        for text in ["", "abc", "../../../../etc/passwd0000000000", &"A".repeat(32), &"a".repeat(33)] {
            assert!(text.parse::<StageKey>().is_err(), "{text}");
            assert!(serde_json::from_value::<StageKey>(json!(text)).is_err(), "{text}");
        }
    }
}

//! What a `[[forget]]` table asks for: samples that are known beforehand, or samples that a stage finds.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use unlearn_backdoor::{DETECTORS, DetectorEntry, Settings};
use unlearn_samples::ForgetSpec;

/// A request of a suite.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Samples of the data set.
    Samples(ForgetSpec),
    /// `kind = "poisoned"`: exactly the poison of `[data.poison]`.
    Poisoned,
    /// `kind = "detected"`: what a detector of poison suspects in the dense model's features.
    Detected(Detector),
}

/// A detector with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    /// Its name.
    pub name: String,
    /// All of its settings.
    pub settings: Settings,
}

impl Detector {
    /// The registry's entry. The error is a reason for users.
    pub(crate) fn entry(&self) -> Result<&'static DetectorEntry, String> {
        unlearn_names::find("detector", &self.name, DETECTORS, |entry| entry.name).map_err(|error| error.to_string())
    }
}

/// The kinds of requests that are not a [`ForgetSpec`].
const POISONED: &str = "poisoned";
const DETECTED: &str = "detected";
/// All kinds of a `[[forget]]` table.
const KINDS: [&str; 7] = ["class", "random", "indices", "positions", POISONED, DETECTED, "sequence"];

impl Wanted {
    /// Reads the table of one request. The error is a reason for users.
    pub(crate) fn of(mut table: Map<String, Value>) -> Result<Self, String> {
        let kind = table.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            POISONED => {
                table.remove("kind");
                match table.keys().next() {
                    None => Ok(Self::Poisoned),
                    Some(key) => {
                        Err(format!("unknown field `{key}`: `kind = \"{POISONED}\"` has no settings; leave it out"))
                    }
                }
            }
            DETECTED => {
                table.remove("kind");
                let name = match table.remove("detector") {
                    Some(Value::String(name)) => name,
                    _ => return Err(format!("`kind = \"{DETECTED}\"` needs the key `detector` with a name")),
                };
                let detector = Detector { name, settings: table };
                let settings = detector.entry()?.resolve(&detector.settings).map_err(|error| error.to_string())?;
                Ok(Self::Detected(Detector { settings, ..detector }))
            }
            kind if !kind.is_empty() && !KINDS.contains(&kind) => {
                let suggestion = unlearn_names::suggestion(kind, KINDS);
                Err(format!("unknown kind `{kind}`{suggestion}; valid kinds: {}", KINDS.join(", ")))
            }
            _ => serde_json::from_value(Value::Object(table)).map(Self::Samples).map_err(|error| error.to_string()),
        }
    }

    /// The kind of forgetting in reports: `class`, `random`, `indices`, or `backdoor`.
    pub fn scenario(&self) -> &'static str {
        match self {
            Self::Samples(spec) => spec.scenario(),
            Self::Poisoned | Self::Detected(_) => "backdoor",
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_read_and_a_wrong_one_is_named() {
        let read = |table: Value| serde_json::from_value::<Wanted>(table).map_err(|error| error.to_string());
        let class = ForgetSpec::Class { class: 3, count: None };
        assert_eq!(read(json!({ "kind": "class", "class": 3 })), Ok(Wanted::Samples(class)));
        assert_eq!(read(json!({ "kind": "poisoned" })), Ok(Wanted::Poisoned));
        let detected = json!({ "kind": "detected", "detector": "activation-clustering", "largest-share": 0.5 });
        let Ok(Wanted::Detected(detector)) = read(detected) else { panic!("a detector") };
        assert_eq!((detector.settings["largest-share"].as_f64(), detector.settings.len()), (Some(0.5), 3));
        for (table, words) in [
            (json!({ "kind": "poisned" }), "did you mean `poisoned`"),
            (json!({ "kind": "poisoned", "class": 0 }), "has no settings"),
            (json!({ "kind": "detected" }), "needs the key `detector`"),
            (json!({ "kind": "detected", "detector": "spectral" }), "did you mean `spectral-signatures`"),
            (json!({ "kind": "detected", "detector": "spectral-signatures", "expcted": 1 }), "did you mean `expected`"),
            (json!({ "class": 0 }), "missing field `kind`"),
        ] {
            let error = read(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}

//! A stage's description as a JSON file. `unlearn stage` computes it, and launchers pass it to other processes.
//!
//! # Format policy
//! The file carries [`FORMAT`]. A reader refuses every other version, because one version of the program makes and
//! uses a description. Unknown keys are refused, so that no setting is ignored.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn_files::{Form, json};

use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec};
use crate::store::check_name;

/// Version of the file's format.
pub const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    kind: String,
    config: Value,
    #[serde(default)]
    inputs: BTreeMap<String, StageKey>,
    data: String,
    seed: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<String, String>,
}

impl StageSpec {
    /// The description as one JSON value.
    pub fn to_json(&self) -> Value {
        let mut value = serde_json::json!({
            "format": FORMAT, "kind": self.kind, "config": self.config, "inputs": self.inputs,
            "data": self.data_fingerprint, "seed": self.seed,
        });
        if !self.places.is_empty() {
            value["places"] = serde_json::json!(self.places);
        }
        value
    }

    /// Reads a description. `file` is for messages.
    ///
    /// # Errors
    /// [`StoreError::Description`] if the text is not JSON, has another version, has an unknown key or lacks one, or
    /// names a kind that cannot be a folder's name.
    pub fn from_json(text: &[u8], file: &Path) -> Result<Self> {
        let refuse = |problem: String| StoreError::Description { file: file.to_path_buf(), problem };
        let value = json::value(text).map_err(|error| match Form::of(text) {
            Form::Json => refuse(error.to_string()),
            other => refuse(format!(
                "it is {other}, and a description is JSON, as `unlearn run SUITE --dry-run --json` prints it"
            )),
        })?;
        if value.get("stage").is_some_and(Value::is_object) {
            return Err(refuse(
                "it is a line of `run --dry-run --json`; the description is the value under the key `stage`".to_owned(),
            ));
        }
        match value.get("format").map(|format| (format, format.as_u64())) {
            Some((_, Some(found))) if found == u64::from(FORMAT) => {}
            Some((found, None)) => {
                return Err(refuse(format!("its `format` is {found}, and must be the number {FORMAT}")));
            }
            Some((found, Some(_))) => {
                return Err(refuse(format!(
                    "its format version is {found}, and this program reads version {FORMAT}; make the description with this version \
                     of the program"
                )));
            }
            None => return Err(refuse("it has no `format`, so it is not a description of a stage".to_owned())),
        }
        let Description { format: _, kind, config, inputs, data, seed, places } =
            serde_json::from_value(value).map_err(|error| refuse(error.to_string()))?;
        check_name("stage kind", &kind)?;
        Ok(Self { kind, config, inputs, data_fingerprint: data, seed, places })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> StageSpec {
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        StageSpec::new("train", json!({ "lr": 0.1 }), "data-v1", 7).with_input("model", key).with_place("init", "a.pth")
    }

    fn read(value: &Value) -> Result<StageSpec> {
        StageSpec::from_json(value.to_string().as_bytes(), Path::new("stage.json"))
    }

    #[test]
    fn comes_back_as_written_with_the_same_key() {
        let back = read(&spec().to_json()).unwrap();
        assert_eq!(back, spec());
        assert_eq!(back.key(), spec().key());
        let elsewhere = StageSpec { places: BTreeMap::new(), ..spec() };
        assert_eq!(elsewhere.key(), spec().key(), "where a file lies decides nothing");
    }

    #[test]
    fn what_is_no_description_is_refused_by_name() {
        let changed = |edit: &dyn Fn(&mut Value)| {
            let mut value = spec().to_json();
            edit(&mut value);
            read(&value).unwrap_err().to_string()
        };
        for (message, words) in [
            (changed(&|value| value["format"] = json!(2)), "format version is 2"),
            (changed(&|value| value["format"] = json!("x")), "its `format` is \"x\", and must be the number 1"),
            (changed(&|value| *value = json!({ "key": "0", "stage": value.clone() })), "under the key `stage`"),
            (changed(&|value| *value = json!([1])), "no `format`"),
            (changed(&|value| drop(value.as_object_mut().unwrap().remove("format"))), "no `format`"),
            (changed(&|value| value["sede"] = json!(1)), "unknown field `sede`"),
            (changed(&|value| drop(value.as_object_mut().unwrap().remove("data"))), "missing field `data`"),
            (changed(&|value| value["inputs"] = json!({ "model": "xyz" })), "`xyz`"),
            (changed(&|value| value["kind"] = json!("../train")), "../train"),
        ] {
            assert!(message.contains(words), "{message}");
        }
        let twice = spec().to_json().to_string().replace("\"lr\":0.1", "\"lr\":0.1,\"lr\":0.2");
        let message = StageSpec::from_json(twice.as_bytes(), Path::new("stage.json")).unwrap_err().to_string();
        assert!(message.contains("the key `config.lr` stands twice"), "{message}");
        let message = StageSpec::from_json(b"{", Path::new("stage.json")).unwrap_err().to_string();
        assert!(message.contains("stage.json"), "{message}");
    }
}

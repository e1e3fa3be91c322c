//! `scores.safetensors`: a model's logits for every sample of the forget, retain, test and validation set.
//!
//! Every figure that is based on scores can be computed from this file, without the model. For each set there are
//! `<set>.positions` and `<set>.labels` (i64, `[samples]`) and `<set>.logits` (f32, `[samples, classes]`). A model
//! with a backdoor also has the set `triggered`: test images with the trigger and their true labels. Its metadata
//! hold the backdoor's class as `target`, and the positions of the poison in the training set as `poison`.
//! A model of a pool also has the set `unseen`: samples of the split that it was never trained with.
//!
//! # Format policy
//! The metadata `unlearn` is JSON with `kind` and `format`. Files of format 1 are read. They have labels as f32, no
//! positions (samples are then numbered in their order) and no validation set. Files of a newer format are refused.

use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};
use serde_json::{Value as Json, json};
use unlearn_metrics::{ModelScores, Scores, Triggered};

use crate::atomic::write_atomic;
use crate::error::{Result, StoreError};
use crate::manifest::check_format;
use crate::stage::Stage;

/// One model's scores on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScores {
    /// Version of the file's format.
    pub format: u32,
    /// The scores.
    pub scores: ModelScores,
}

const METADATA: &str = "unlearn";
const KIND: &str = "scores";

impl StoredScores {
    /// Name of the file.
    pub const FILE: &str = "scores.safetensors";
    /// The newest version of the format, which this program writes.
    pub const FORMAT: u32 = 2;

    /// Writes a model's scores to `file`, atomically.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be written, [`StoreError::Damaged`] if safetensors refuses it.
    pub fn write(file: &Path, scores: &ModelScores) -> Result<()> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let bytes = encode(scores).map_err(|source| damaged(folder, source.to_string()))?;
        write_atomic(file, &bytes)
    }

    /// The scores that a stage left.
    ///
    /// # Errors
    /// [`StoreError::NoArtifact`] if it left none, [`StoreError::NewerFormat`], [`StoreError::Damaged`] if the file
    /// is not valid.
    pub fn of(stage: &Stage) -> Result<Self> {
        Self::decode(&stage.read(Self::FILE)?, stage.path())
    }

    fn decode(bytes: &[u8], folder: &Path) -> Result<Self> {
        let damaged = |problem: String| damaged(folder, problem);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let said = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
        let said: Json = said.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        if said["kind"] != KIND {
            return Err(damaged(format!("it does not say that it holds `{KIND}`")));
        }
        check_format(&folder.join(Self::FILE), &said, Self::FORMAT)?;
        let format = match said["format"].as_u64() {
            Some(1) => 1,
            Some(2) => 2,
            _ => return Err(damaged("it does not say its format".to_owned())),
        };
        let set =
            |name: &str| read_set(&tensors, name, format).map_err(|problem| damaged(format!("`{name}`: {problem}")));
        let has = |set: &str| tensors.names().iter().any(|name| name.split('.').next() == Some(set));
        let validation = if has("validation") { Some(set("validation")?) } else { None };
        let triggered = match said["target"].as_u64().map(u32::try_from) {
            None => None,
            Some(Ok(target)) => {
                let poison: Option<Vec<u32>> = serde_json::from_value(said["poison"].clone())
                    .map_err(|_| damaged("its `poison` is not a list of positions".to_owned()))?;
                let poison = poison.unwrap_or_default();
                if !poison.is_sorted_by(|one, next| one < next) {
                    return Err(damaged("its `poison` does not list each position once, ascending".to_owned()));
                }
                Some(Triggered { scores: set("triggered")?, target, poison })
            }
            Some(Err(_)) => return Err(damaged("its `target` is not a class".to_owned())),
        };
        let (forget, retain, test) = (set("forget")?, set("retain")?, set("test")?);
        let unseen = if has("unseen") { Some(set("unseen")?) } else { None };
        let scores = ModelScores { forget, retain, test, validation, triggered, unseen };
        Ok(Self { format, scores })
    }
}

fn damaged(folder: &Path, problem: String) -> StoreError {
    StoreError::damaged(folder.join(StoredScores::FILE), folder, problem)
}

fn encode(scores: &ModelScores) -> std::result::Result<Vec<u8>, SafeTensorError> {
    let ModelScores { forget, retain, test, validation, triggered, unseen } = scores;
    let sets = [
        ("forget", Some(forget)),
        ("retain", Some(retain)),
        ("test", Some(test)),
        ("validation", validation.as_ref()),
        ("triggered", triggered.as_ref().map(|triggered| &triggered.scores)),
        ("unseen", unseen.as_ref()),
    ];
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (set, scores) in sets.into_iter().filter_map(|(set, scores)| Some((set, scores?))) {
        let integers = |values: &[u32]| values.iter().flat_map(|&v| i64::from(v).to_le_bytes()).collect();
        let samples = scores.len();
        tensors.push((format!("{set}.positions"), Dtype::I64, vec![samples], integers(scores.positions())));
        tensors.push((format!("{set}.labels"), Dtype::I64, vec![samples], integers(scores.labels())));
        let logits = scores.logits().iter().flat_map(|v| v.to_le_bytes()).collect();
        tensors.push((format!("{set}.logits"), Dtype::F32, vec![samples, scores.classes()], logits));
    }
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
    let views = views.collect::<std::result::Result<Vec<_>, SafeTensorError>>()?;
    let mut said = json!({ "kind": KIND, "format": StoredScores::FORMAT });
    if let Some(triggered) = triggered {
        said["target"] = json!(triggered.target);
        said["poison"] = json!(triggered.poison);
    }
    safetensors::serialize(views, Some(HashMap::from([(METADATA.to_owned(), said.to_string())])))
}

/// One set. The error is the fault of the file.
fn read_set(tensors: &SafeTensors<'_>, set: &str, format: u32) -> std::result::Result<Scores, String> {
    let tensor = |column: &str| tensors.tensor(&format!("{set}.{column}")).map_err(|e| format!("`{column}`: {e}"));
    let logits = tensor("logits")?;
    let &[samples, classes] = logits.shape() else {
        return Err(format!("`logits` has the shape {:?}, not [samples, classes]", logits.shape()));
    };
    let column = |name: &str| {
        let found = tensor(name)?;
        if found.shape() == [samples] {
            return integers(&found).map_err(|problem| format!("`{name}`: {problem}"));
        }
        Err(format!("`{name}` has the shape {:?}, not [{samples}]", found.shape()))
    };
    let labels = column("labels")?;
    let scores = Scores::new(floats(&logits)?, labels, classes).map_err(|e| e.to_string())?;
    if format == 1 { Ok(scores) } else { scores.at(column("positions")?).map_err(|e| e.to_string()) }
}

fn floats(tensor: &TensorView<'_>) -> std::result::Result<Vec<f32>, String> {
    match tensor.dtype() {
        Dtype::F32 => Ok(words(tensor.data()).map(f32::from_le_bytes).collect()),
        other => Err(format!("`logits` are {other:?}, not F32")),
    }
}

/// Positions and labels. Format 1 stored them as floating-point numbers.
fn integers(tensor: &TensorView<'_>) -> std::result::Result<Vec<u32>, String> {
    let no_index = |value: &dyn std::fmt::Display| format!("{value} is not an index");
    match tensor.dtype() {
        Dtype::I64 => {
            let exact = |bytes| {
                let value = i64::from_le_bytes(bytes);
                u32::try_from(value).map_err(|_| no_index(&value))
            };
            words(tensor.data()).map(exact).collect()
        }
        Dtype::F32 => {
            // Up to here, f32 represents every integer exactly.
            let exact = |bytes| {
                let value = f32::from_le_bytes(bytes);
                let whole = value.fract() == 0.0 && (0.0..16_777_216.0).contains(&value);
                if whole { Ok(value as u32) } else { Err(no_index(&value)) }
            };
            words(tensor.data()).map(exact).collect()
        }
        other => Err(format!("they are {other:?}, not I64")),
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).filter_map(|word| word.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(validation: bool) -> ModelScores {
        let set = |positions: [u32; 2], labels: [u32; 2]| {
            Scores::new(vec![0.5, -1.25, 3.0, 1e-30], labels.to_vec(), 2).unwrap().at(positions.to_vec()).unwrap()
        };
        ModelScores {
            forget: set([3, 16_777_217], [0, 1]),
            retain: set([0, 1], [1, 1]),
            test: set([9, 8], [0, 0]),
            validation: validation.then(|| set([5, 6], [1, 0])),
            triggered: validation.then(|| Triggered { scores: set([9, 8], [1, 0]), target: 1, poison: vec![3, 7] }),
            unseen: validation.then(|| set([5, 6], [0, 1])),
        }
    }

    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)], said: &str) -> Vec<u8> {
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        let metadata = HashMap::from([(METADATA.to_owned(), said.to_owned())]);
        safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata)).unwrap()
    }

    #[test]
    fn come_back_exactly_with_positions_that_no_f32_can_hold() {
        for scores in [scores(true), scores(false)] {
            let bytes = encode(&scores).unwrap();
            let read = StoredScores::decode(&bytes, Path::new("stage")).unwrap();
            assert_eq!(read, StoredScores { format: 2, scores });
        }
    }

    #[test]
    fn format_1_is_read_without_positions() {
        let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let mut tensors = Vec::new();
        for (logits, labels, losses) in [
            ("forget.logits", "forget.labels", "forget.losses"),
            ("retain.logits", "retain.labels", "retain.losses"),
            ("test.logits", "test.labels", "test.losses"),
        ] {
            tensors.push((logits, Dtype::F32, vec![2, 3], floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
            tensors.push((labels, Dtype::F32, vec![2], floats(&[2.0, 0.0])));
            tensors.push((losses, Dtype::F32, vec![2], floats(&[0.1, 0.2])));
        }
        let bytes = file(&tensors, r#"{"format":1,"kind":"scores"}"#);
        let StoredScores { format, scores } = StoredScores::decode(&bytes, Path::new("stage")).unwrap();
        assert_eq!((format, scores.validation), (1, None));
        assert_eq!((scores.forget.labels(), scores.forget.positions()), (&[2, 0][..], &[0, 1][..]));
        tensors[1].3 = floats(&[2.0, 0.5]);
        let message = StoredScores::decode(&file(&tensors, r#"{"format":1,"kind":"scores"}"#), Path::new("stage"));
        assert!(message.unwrap_err().to_string().contains("0.5 is not an index"));
    }

    #[test]
    fn what_is_no_such_file_is_refused_with_its_set() {
        let good = encode(&scores(true)).unwrap();
        let refusal = |bytes: &[u8]| StoredScores::decode(bytes, Path::new("stage")).unwrap_err().to_string();
        for cut in 0..good.len() {
            assert!(!refusal(&good[..cut]).is_empty());
        }
        let integers = |values: &[i64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let set = |labels: Vec<u8>, shape: Vec<usize>| {
            let logits = vec![0; 16];
            file(
                &[("forget.logits", Dtype::F32, vec![2, 2], logits), ("forget.labels", Dtype::I64, shape, labels)],
                r#"{"format":2,"kind":"scores"}"#,
            )
        };
        assert!(refusal(&set(integers(&[0, -1]), vec![2])).contains("`forget`: `labels`: -1 is not an index"));
        assert!(refusal(&set(integers(&[0, 2]), vec![2])).contains("label of row 1 is 2"));
        assert!(refusal(&set(integers(&[0]), vec![1])).contains("the shape [1], not [2]"));
        assert!(refusal(&set(integers(&[0, 1]), vec![2])).contains("`positions`"));
        assert!(refusal(&file(&[], "{}")).contains("does not say that it holds"));
        assert!(refusal(&file(&[], r#"{"format":3,"kind":"scores"}"#)).contains("format version 3"));
        assert!(refusal(&file(&[], r#"{"kind":"scores"}"#)).contains("its format"));
    }
}

//! Event files that TensorBoard reads: the rows of stages that train, and the final figures.
//!
//! `<folder>/<suite>/stages/<kind>-<what>-seed-<seed>-<key>` has a scalar for every number of the stage's rows, over its epochs.
//! `<folder>/<suite>/final/<forget set>/<method>-<model>` has the figures of the report, over seeds. TensorBoard takes each such folder for
//! a run. A file is named after its content's origin, so writing again replaces it.
//!
//! # Format
//! A file is a sequence of records (TFRecord): length (u64), checksum of the length, content, checksum of the content. Numbers are little
//! endian. A checksum is CRC-32C, rotated and shifted by a constant. A content is a protobuf message `tensorflow.Event` with the fields
//! `wall_time` (1, double), `step` (2, int64), and `file_version` (3, string) in the first record or `summary` (5) in the others: `value`
//! (1), of `tag` (1, string) and `simple_value` (2, float). So four fields of two messages are written here by hand: no crate that writes
//! them is maintained, and one for protobuf would be larger than what it replaces.
//!
//! Scalars of these files have single precision. `results.json` has every digit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use unlearn_run_store::{Manifest, Stage, Store, SuiteIndex, clock, write_atomic};

use crate::details;
use crate::error::{ReportError, Result};
use crate::results::Results;
use crate::summary::Variant;
use crate::sweep::slug;

/// A scalar at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Its name.
    pub tag: String,
    /// The step: an epoch, or a seed.
    pub step: i64,
    /// The value. It is written with single precision.
    pub value: f64,
}

/// Writes the event files of a suite below `folder`, which is created if needed, and returns their paths.
///
/// # Errors
/// [`ReportError::Store`] if a stage is damaged or a file cannot be written, [`ReportError::Folder`].
pub fn write(store: &Store, index: &SuiteIndex, results: &Results, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut runs: BTreeMap<PathBuf, (u64, Vec<Scalar>)> = BTreeMap::new();
    let root = folder.join(slug(&index.suite));
    for manifest in details::stages(store, index)? {
        let stage = store.stage(&manifest.kind, &manifest.key)?;
        let scalars = of_rows(&stage.metrics::<Map<String, Value>>()?);
        if !scalars.is_empty() {
            runs.insert(root.join("stages").join(run_name(&stage)), (started(&manifest), scalars));
        }
    }
    let written = clock::unix_seconds(&index.created).unwrap_or(0);
    for row in &results.rows {
        let turn = row.turn.map(|turn| format!("-{turn}")).unwrap_or_default();
        let variant = Variant { sparsity: row.sparsity, pruning: row.pruning.clone() };
        let model = slug(&format!("{} {}", row.method, variant.label()));
        let place = slug(&format!("{} {} {}", row.forget, row.dataset, row.arch));
        let run = root.join("final").join(place).join(format!("{model}{turn}"));
        let step = i64::try_from(row.seed).unwrap_or(i64::MAX);
        let figures = row.figures.keys().filter_map(|name| Some((name, row.value(name)?)));
        let scalars = figures.map(|(name, value)| Scalar { tag: format!("figures/{name}"), step, value });
        runs.entry(run).or_insert_with(|| (written, Vec::new())).1.extend(scalars);
    }
    let mut files = Vec::new();
    for (run, (seconds, scalars)) in runs {
        std::fs::create_dir_all(&run).map_err(|source| ReportError::Folder { folder: run.clone(), source })?;
        let file = run.join(format!("events.out.tfevents.{seconds:010}.unlearn"));
        write_atomic(&file, &events(seconds as f64, &scalars))?;
        files.push(file);
    }
    Ok(files)
}

/// The content of an event file: the version, then one record per scalar. All carry `seconds` since 1970.
pub fn events(seconds: f64, scalars: &[Scalar]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut version = Vec::new();
    field_f64(&mut version, 1, seconds);
    field_bytes(&mut version, 3, b"brain.Event:2");
    record(&mut file, &version);
    for Scalar { tag, step, value } in scalars {
        let mut one = Vec::new();
        field_bytes(&mut one, 1, tag.as_bytes());
        one.push(2 << 3 | 5);
        one.extend((*value as f32).to_le_bytes());
        let mut summary = Vec::new();
        field_bytes(&mut summary, 1, &one);
        let mut event = Vec::new();
        field_f64(&mut event, 1, seconds);
        // Protobuf leaves out a 0. An int64 is the varint of its two's complement.
        if *step != 0 {
            event.push(2 << 3);
            varint(&mut event, *step as u64);
        }
        field_bytes(&mut event, 5, &summary);
        record(&mut file, &event);
    }
    file
}

fn record(file: &mut Vec<u8>, content: &[u8]) {
    let length = (content.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(checksum(&length).to_le_bytes());
    file.extend(content);
    file.extend(checksum(content).to_le_bytes());
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn field_f64(message: &mut Vec<u8>, field: u8, value: f64) {
    message.push(field << 3 | 1);
    message.extend(value.to_le_bytes());
}

fn field_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// Every number of rows that have an `epoch`. If a training in rounds begins its epochs anew, steps go on counting.
fn of_rows(rows: &[Map<String, Value>]) -> Vec<Scalar> {
    let (mut scalars, mut begin, mut last) = (Vec::new(), 0, -1);
    for row in rows {
        let Some(epoch) = row.get("epoch").and_then(Value::as_i64) else { continue };
        if begin + epoch <= last {
            begin = last + 1 - epoch;
        }
        last = begin + epoch;
        let numbers = row.iter().filter(|(name, _)| *name != "epoch");
        let numbers = numbers.filter_map(|(name, value)| Some((name, value.as_f64()?)));
        scalars.extend(numbers.map(|(name, value)| Scalar { tag: name.clone(), step: last, value }));
    }
    scalars
}

fn started(manifest: &Manifest) -> u64 {
    clock::unix_seconds(&manifest.started).unwrap_or(0)
}

fn run_name(stage: &Stage) -> String {
    let Manifest { kind, seed, key, config, .. } = stage.manifest();
    let setting = |name: &str| config.get(name).or_else(|| config.get("config")?.get(name));
    let method = setting("method").and_then(Value::as_str).unwrap_or_default();
    slug(&format!("{kind} {method} seed {seed} {}", key.short()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rounds_of_a_training_follow_each_other() {
        let row = |epoch: u32| {
            json!({ "epoch": epoch, "loss": f64::from(epoch), "nothing": null }).as_object().unwrap().clone()
        };
        let steps = |epochs: &[u32]| -> Vec<i64> {
            of_rows(&epochs.iter().map(|epoch| row(*epoch)).collect::<Vec<_>>())
                .iter()
                .map(|scalar| scalar.step)
                .collect()
        };
        assert_eq!(steps(&[0, 1, 2, 0, 1, 0, 1]), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(steps(&[3, 4, 1, 2]), [3, 4, 5, 6]);
        assert!(of_rows(&[json!({ "ua": 1.0 }).as_object().unwrap().clone()]).is_empty());
    }

    /// CRC-32C of 32 zero bytes is 8a9136aa (RFC 3720, B.4).
    #[test]
    fn the_checksum_is_masked() {
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        let of = |value| {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            bytes
        };
        assert_eq!((of(0), of(127), of(128), of(300)), (vec![0], vec![127], vec![128, 1], vec![172, 2]));
        assert_eq!(of(-1_i64 as u64).len(), 10);
    }
}

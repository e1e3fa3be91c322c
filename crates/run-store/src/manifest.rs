//! `manifest.json`: the description of a finished stage.
//!
//! # Format policy
//! The file carries [`Manifest::FORMAT`]. A reader accepts its own version and every older one. It refuses a newer
//! one with a message, and never guesses. Version 2 added the seal: a hash of everything else in the file. Without
//! it, a changed digit would go unnoticed. A new field with a serde default does not raise the version. Removing a
//! field, renaming one or changing a unit does, and the reader then keeps reading the older form.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn_files::json;

use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec, canonical};
use crate::machine::{Machine, Usage};

/// Maximum bytes of a manifest or an index.
pub(crate) const DOCUMENT: u64 = 1 << 28;

/// The description of a finished stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's format.
    pub format: u32,
    /// Kind of stage: `train`, `prune`, `unlearn`, `evaluate`, …
    pub kind: String,
    /// The stage's key.
    pub key: StageKey,
    /// The stage's own configuration, with every default written out.
    pub config: Value,
    /// The input stages, by role.
    pub inputs: BTreeMap<String, StageKey>,
    /// Fingerprint of its data.
    pub data_fingerprint: String,
    /// Seed of its random numbers.
    pub seed: u64,
    /// The machine that finished it.
    pub machine: Machine,
    /// Version of the program that finished it.
    pub crate_version: String,
    /// Start of the first attempt, RFC 3339 in UTC.
    pub started: String,
    /// Wall time in seconds over all attempts. Time between the last row of metrics and a kill is not included.
    pub wall_seconds: f64,
    /// CPU time in seconds of the processes while they worked on the stage. `None` if the system does not report it.
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory of those processes in MiB. `None` if the system does not report it.
    pub peak_rss_mib: Option<f64>,
    /// Facts that are particular to this kind of stage, by name. Their writer defines their form. An example is
    /// `sparsity` of a `prune` stage.
    #[serde(default)]
    pub facts: BTreeMap<String, Value>,
    /// Every other file of the stage, by its path in the folder.
    pub artifacts: BTreeMap<String, Artifact>,
    /// BLAKE3 of the canonical JSON of everything above, 64 hexadecimal digits. `None` in files of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// Size and hash of a file when the stage finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// BLAKE3 of its bytes, 64 hexadecimal digits.
    pub blake3: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Artifact {
    /// The size and hash of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self { blake3: blake3::hash(bytes).to_hex().to_string(), bytes: bytes.len() as u64 }
    }

    /// Reads a file's size and hash, piece by piece.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a regular file.
    pub fn of(path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut file = unlearn_files::open(path).map_err(StoreError::io("open", path))?;
        let bytes = std::io::copy(&mut file, &mut hasher).map_err(StoreError::io("read", path))?;
        Ok(Self { blake3: hasher.finalize().to_hex().to_string(), bytes })
    }
}

impl Manifest {
    /// The newest version of the format, which this program writes.
    pub const FORMAT: u32 = 2;
    /// Name of the file in a stage's folder.
    pub const FILE: &str = "manifest.json";

    pub(crate) fn new(
        spec: &StageSpec,
        usage: Usage,
        facts: BTreeMap<String, Value>,
        artifacts: BTreeMap<String, Artifact>,
    ) -> Self {
        Self {
            format: Self::FORMAT,
            kind: spec.kind.clone(),
            key: spec.key(),
            config: spec.config.clone(),
            inputs: spec.inputs.clone(),
            data_fingerprint: spec.data_fingerprint.clone(),
            seed: spec.seed,
            machine: Machine::this(),
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: usage.started,
            wall_seconds: usage.wall_seconds,
            cpu_seconds: usage.cpu_seconds,
            peak_rss_mib: usage.peak_rss_mib,
            facts,
            artifacts,
            seal: None,
        }
    }

    /// The file's content, sealed.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut value = serde_json::to_value(Self { seal: None, ..self.clone() })?;
        value["seal"] = Value::String(seal(&value));
        let mut text = serde_json::to_vec_pretty(&value)?;
        text.push(b'\n');
        Ok(text)
    }

    /// The description with which the stage was begun.
    pub fn spec(&self) -> StageSpec {
        StageSpec {
            kind: self.kind.clone(),
            config: self.config.clone(),
            inputs: self.inputs.clone(),
            data_fingerprint: self.data_fingerprint.clone(),
            seed: self.seed,
            places: BTreeMap::new(),
        }
    }

    /// Reads the manifest of the stage in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is missing or not a manifest, [`StoreError::NewerFormat`] if a newer program
    /// wrote it.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(Self::FILE);
        let damaged = |problem: String| StoreError::damaged(&file, folder, problem);
        let text = match unlearn_files::read(&file, DOCUMENT) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged("the file is missing, so the stage was never finished".to_owned()));
            }
            Err(source) => return Err(StoreError::io("read", &file)(source)),
        };
        let mut value = json::value(&text).map_err(|source| damaged(source.to_string()))?;
        check_format(&file, &value, Self::FORMAT)?;
        let written = value.as_object_mut().and_then(|fields| fields.remove("seal"));
        let computed = seal(&value);
        if let (Some(fields), Some(written)) = (value.as_object_mut(), written) {
            fields.insert("seal".to_owned(), written);
        }
        let manifest: Self = serde_json::from_value(value).map_err(|source| damaged(source.to_string()))?;
        if manifest.format >= 2 && manifest.seal.as_deref() != Some(&computed) {
            return Err(damaged("its content is not what the stage left (the seal differs)".to_owned()));
        }
        Ok(manifest)
    }
}

/// The hash of a manifest, or of an index, without its seal.
pub(crate) fn seal(manifest: &Value) -> String {
    let mut text = String::new();
    canonical(manifest, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Refuses a file whose `format` is newer than `known`. If the version is missing, the typed reader refuses the file.
pub(crate) fn check_format(file: &Path, value: &Value, known: u32) -> Result<()> {
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found > u64::from(known) => {
            Err(StoreError::NewerFormat { file: file.to_path_buf(), found, known })
        }
        _ => Ok(()),
    }
}

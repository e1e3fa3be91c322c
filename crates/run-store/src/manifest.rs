//! `manifest.json`: what a finished stage says about itself.
//!
//! # Format policy
//! The file carries [`Manifest::FORMAT`]. A reader accepts its own version and every older one, and refuses a newer one with a
//! message that says so; it never guesses. Version 2 added the seal: a hash of everything else in the file, without which a changed
//! digit would pass unnoticed. A new field with a serde default does not raise the version. Removing a field, renaming one or
//! changing a unit does, and the reader then keeps reading the older form.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec, canonical};
use crate::machine::{Machine, Usage};

/// What a finished stage says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's format.
    pub format: u32,
    /// Kind of stage: `train`, `prune`, `unlearn`, `evaluate`, …
    pub kind: String,
    /// The stage's key.
    pub key: StageKey,
    /// The stage's own configuration as resolved.
    pub config: Value,
    /// The stages it built on, by role.
    pub inputs: BTreeMap<String, StageKey>,
    /// Fingerprint of the data it read.
    pub data_fingerprint: String,
    /// Seed of its random numbers.
    pub seed: u64,
    /// The machine that finished it.
    pub machine: Machine,
    /// Version of the program that finished it.
    pub crate_version: String,
    /// When it was first begun, RFC 3339 in UTC.
    pub started: String,
    /// Wall time in seconds, over all interruptions; what ran between the last row of metrics and a kill is not in it.
    pub wall_seconds: f64,
    /// CPU time in seconds of the processes that worked on it while they did. `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// Largest resident memory of those processes in MiB. `None` where the system does not tell.
    pub peak_rss_mib: Option<f64>,
    /// What this kind of stage has to say for itself, by name; whoever wrote it knows its form. `sparsity` of a `prune` stage, for example.
    #[serde(default)]
    pub facts: BTreeMap<String, Value>,
    /// Every file of the stage but this one, by its path inside the folder.
    pub artifacts: BTreeMap<String, Artifact>,
    /// BLAKE3 of the canonical JSON of everything above, 64 hexadecimal digits; `None` in files of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// What a file was when the stage finished.
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

    /// Reads a file's size and hash, a piece at a time.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut file = fs::File::open(path).map_err(StoreError::io("open", path))?;
        let bytes = std::io::copy(&mut file, &mut hasher).map_err(StoreError::io("read", path))?;
        Ok(Self { blake3: hasher.finalize().to_hex().to_string(), bytes })
    }
}

impl Manifest {
    /// The newest version of the format, which is what this program writes.
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

    /// The description the stage was begun with.
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
    /// [`StoreError::Damaged`] when it is missing or no manifest, [`StoreError::NewerFormat`] when a newer program wrote it.
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(Self::FILE);
        let damaged =
            |problem: String| StoreError::Damaged { file: file.clone(), folder: folder.to_path_buf(), problem };
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged("the file is missing, so the stage was never finished".to_owned()));
            }
            Err(source) => return Err(StoreError::io("read", &file)(source)),
        };
        let value: Value = serde_json::from_slice(&text).map_err(|source| damaged(source.to_string()))?;
        check_format(&file, &value, Self::FORMAT)?;
        let manifest: Self = serde_json::from_value(value.clone()).map_err(|source| damaged(source.to_string()))?;
        if manifest.format >= 2 {
            let mut rest = value;
            if let Some(fields) = rest.as_object_mut() {
                fields.remove("seal");
            }
            if manifest.seal.as_deref() != Some(&seal(&rest)) {
                return Err(damaged("its content is not what the stage left (the seal differs)".to_owned()));
            }
        }
        Ok(manifest)
    }
}

/// The hash of a manifest without its seal.
fn seal(manifest: &Value) -> String {
    let mut text = String::new();
    canonical(manifest, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Refuses a file whose `format` is newer than `known`. One without a version is left to the typed reader to refuse.
pub(crate) fn check_format(file: &Path, value: &Value, known: u32) -> Result<()> {
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found > u64::from(known) => {
            Err(StoreError::NewerFormat { file: file.to_path_buf(), found, known })
        }
        _ => Ok(()),
    }
}

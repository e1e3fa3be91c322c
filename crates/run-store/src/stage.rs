//! A finished stage, for reading.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::manifest::{Artifact, Manifest};

/// Name of the file that holds a row per epoch (or, for an evaluation, one row).
pub(crate) const METRICS: &str = "metrics.jsonl";
/// Name of the file that holds the stage's log.
pub(crate) const LOG: &str = "log.jsonl";

/// A finished stage: its folder and its manifest.
#[derive(Debug, Clone)]
pub struct Stage {
    folder: PathBuf,
    manifest: Manifest,
}

impl Stage {
    /// Opens the stage in `folder`, which must be `…/<kind>/<key>`.
    ///
    /// # Errors
    /// As [`Manifest::read`]; [`StoreError::Damaged`] also if the manifest belongs to another kind or key.
    pub fn open(folder: &Path) -> Result<Self> {
        let name = |path: Option<&Path>| path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Self::open_as(folder, &name(folder.parent()).unwrap_or_default(), &name(Some(folder)).unwrap_or_default())
    }

    pub(crate) fn open_as(folder: &Path, kind: &str, key: &str) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        if manifest.kind != kind || manifest.key.as_str() != key {
            let problem = format!("it describes {}/{}, not {kind}/{key}", manifest.kind, manifest.key);
            return Err(StoreError::damaged(folder.join(Manifest::FILE), folder, problem));
        }
        Ok(Self { folder: folder.to_path_buf(), manifest })
    }

    /// The stage's folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The stage's description of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The same, without the folder.
    pub(crate) fn into_manifest(self) -> Manifest {
        self.manifest
    }

    /// The stage's key.
    pub fn key(&self) -> &StageKey {
        &self.manifest.key
    }

    /// The rows of `metrics.jsonl`, in the order of writing. Empty if the stage left no such file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first line that is not a `T`.
    pub fn metrics<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let file = self.folder.join(METRICS);
        if !self.manifest.artifacts.contains_key(METRICS) {
            return Ok(Vec::new());
        }
        let text = String::from_utf8(self.read(METRICS)?).map_err(|source| self.damaged(&file, &source.to_string()))?;
        let row = |(number, line)| {
            serde_json::from_str(line).map_err(|source| self.damaged(&file, &format!("line {}: {source}", number + 1)))
        };
        text.lines().enumerate().map(row).collect()
    }

    /// The path of a file that the stage left.
    ///
    /// # Errors
    /// [`StoreError::NoArtifact`] with the existing files; [`StoreError::Damaged`] if the file is missing;
    /// [`StoreError::Io`] if that cannot be known.
    pub fn artifact(&self, name: &str) -> Result<PathBuf> {
        if !self.manifest.artifacts.contains_key(name) {
            let held = self.manifest.artifacts.keys().cloned().collect();
            return Err(StoreError::NoArtifact { folder: self.folder.clone(), name: name.to_owned(), held });
        }
        let file = self.folder.join(name);
        match fs::metadata(&file) {
            Ok(found) if found.is_file() => Ok(file),
            Ok(_) => Err(self.damaged(&file, "it is not a file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.damaged(&file, "the file is missing"))
            }
            Err(error) => Err(StoreError::io("look at", &file)(error)),
        }
    }

    /// The content of a file that the stage left, checked against the manifest.
    ///
    /// # Errors
    /// As [`artifact`](Self::artifact); [`StoreError::Damaged`] if the content is not what the stage left.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.artifact(name)?;
        let expected = &self.manifest.artifacts[name];
        self.check_size(&file, expected)?;
        let bytes = unlearn_files::read(&file, expected.bytes).map_err(StoreError::io("read", &file))?;
        self.compare(&file, &Artifact::of_bytes(&bytes), expected)?;
        Ok(bytes)
    }

    /// Refuses a file of another size before it is read.
    fn check_size(&self, file: &Path, expected: &Artifact) -> Result<()> {
        let found = fs::metadata(file).map_err(StoreError::io("look at", file))?.len();
        let has = || format!("it has {found} bytes and should have {}", expected.bytes);
        if found == expected.bytes { Ok(()) } else { Err(self.damaged(file, &has())) }
    }

    fn compare(&self, file: &Path, found: &Artifact, expected: &Artifact) -> Result<()> {
        if found.bytes != expected.bytes {
            return Err(self.damaged(file, &format!("it has {} bytes and should have {}", found.bytes, expected.bytes)));
        }
        if found.blake3 != expected.blake3 {
            return Err(self.damaged(file, "its content is not what the stage left (BLAKE3 differs)"));
        }
        Ok(())
    }

    /// Reads every file again and checks it against the manifest, and the manifest against the stage's key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first file that differs from what the stage left.
    pub fn verify(&self) -> Result<()> {
        for (name, expected) in &self.manifest.artifacts {
            let file = self.artifact(name)?;
            self.check_size(&file, expected)?;
            self.compare(&file, &Artifact::of(&file)?, expected)?;
        }
        if self.manifest.spec().key() != self.manifest.key {
            return Err(self.damaged(&self.folder.join(Manifest::FILE), "its configuration does not give its key"));
        }
        Ok(())
    }

    fn damaged(&self, file: &Path, problem: &str) -> StoreError {
        let error = StoreError::damaged(file, &self.folder, problem);
        match self.store() {
            Some(store) => error.with_computed(&store, self.key()),
            None => error,
        }
    }
}

//! A stage that is being computed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::atomic::{is_temporary, sync_folder, write_atomic};
use crate::clock;
use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec};
use crate::lock::Lock;
use crate::machine::{Meter, Usage};
use crate::manifest::{Artifact, Manifest};
use crate::saved;
use crate::stage::{LOG, METRICS, Stage};

/// Folder inside the working folder that [`StageWriter::finish`] removes.
const CHECKPOINT: &str = "checkpoint";
/// The resources that the stage has used so far, and its inputs, kept in the working folder between processes.
pub(crate) const USAGE: &str = "usage.json";

/// The content of [`USAGE`]. The inputs are for a search for garbage: no manifest names them yet. A file of an older version of the
/// program lacks them.
#[derive(Serialize)]
struct Progress<'a> {
    #[serde(flatten)]
    usage: Usage,
    inputs: &'a BTreeMap<String, StageKey>,
}

/// The right to compute one stage: an exclusive lock and a working folder.
///
/// The working folder remains if this is dropped without [`finish`](Self::finish), or if the process is killed. If
/// `checkpoint/` in it holds undamaged saved states, the next process finds the folder as it was. If not, nothing can
/// be resumed, and that process finds an empty folder.
#[derive(Debug)]
pub struct StageWriter {
    spec: StageSpec,
    key: StageKey,
    working: PathBuf,
    place: PathBuf,
    resumed: bool,
    facts: BTreeMap<String, Value>,
    meter: Meter,
    /// `None` only after the stage is finished.
    lock: Option<Lock>,
}

impl StageWriter {
    /// Opens the working folder of a stage whose lock is held.
    pub(crate) fn open(spec: &StageSpec, working: PathBuf, place: PathBuf, lock: Lock) -> Result<Self> {
        fs::create_dir_all(&working).map_err(StoreError::io("create the folder", &working))?;
        let usage = fs::read(working.join(USAGE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let resumed = tidy(&working)?;
        let meter = Meter::start(usage.unwrap_or_else(|| Usage::none(clock::now())));
        let (key, facts) = (spec.key(), BTreeMap::new());
        let writer = Self { spec: spec.clone(), key, working, place, resumed, facts, meter, lock: Some(lock) };
        writer.save_usage()?;
        Ok(writer)
    }

    /// The stage's key.
    pub fn key(&self) -> &StageKey {
        &self.key
    }

    /// The stage's description.
    pub fn spec(&self) -> &StageSpec {
        &self.spec
    }

    /// Whether an earlier process left a checkpoint to resume from.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Start of the first process's work on the stage, RFC 3339 in UTC.
    pub fn started(&self) -> String {
        self.meter.read().started
    }

    /// The path of the file `name`. Write it with [`crate::write_atomic`].
    pub fn path(&self, name: &str) -> PathBuf {
        self.working.join(name)
    }

    /// The folder for files that a later process needs to resume. It is created on first use and removed by
    /// [`finish`](Self::finish). Write its files with [`saved::save`], because a stage with any other file in it
    /// starts from its beginning.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be created.
    pub fn checkpoint_dir(&self) -> Result<PathBuf> {
        let folder = self.working.join(CHECKPOINT);
        fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
        Ok(folder)
    }

    /// Adds a row to `metrics.jsonl`, flushes it to the disk, and saves the time spent so far.
    ///
    /// # Errors
    /// [`StoreError::Io`]. If a row did not fit on the disk, no part of it remains.
    pub fn append_metrics(&mut self, row: &impl Serialize) -> Result<()> {
        append(&self.working.join(METRICS), row)?;
        self.save_usage()
    }

    /// Keeps the first `rows` rows of `metrics.jsonl`, which a checkpoint already covers. The later ones will be
    /// written again.
    ///
    /// # Errors
    /// [`StoreError::MissingRows`] if there are fewer, [`StoreError::Io`].
    pub fn truncate_metrics(&mut self, rows: usize) -> Result<()> {
        let file = self.working.join(METRICS);
        let text = match fs::read_to_string(&file) {
            Err(source) if source.kind() == ErrorKind::NotFound => String::new(),
            text => text.map_err(StoreError::io("read", &file))?,
        };
        let found = text.lines().count();
        match found.cmp(&rows) {
            std::cmp::Ordering::Less => {
                Err(StoreError::MissingRows { file, folder: self.working.clone(), found, wanted: rows })
            }
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => {
                let kept: String = text.split_inclusive('\n').take(rows).collect();
                write_atomic(&file, kept.as_bytes())
            }
        }
    }

    /// Adds an event to `log.jsonl`.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn append_log(&mut self, event: &impl Serialize) -> Result<()> {
        append(&self.working.join(LOG), event)
    }

    /// Adds a fact for the manifest's `facts`. Facts of an earlier, killed process are lost.
    ///
    /// # Errors
    /// [`StoreError::Unserialisable`].
    pub fn note(&mut self, name: &str, fact: &impl Serialize) -> Result<()> {
        let fact = serde_json::to_value(fact)
            .map_err(|source| StoreError::Unserialisable { path: self.working.join(Manifest::FILE), source })?;
        self.facts.insert(name.to_owned(), fact);
        Ok(())
    }

    /// Seals the stage: flushes and hashes every file, writes the manifest, removes the checkpoint, and renames the
    /// folder into place.
    ///
    /// After the manifest is written, the stage is complete. If the process is killed then, only the rename is
    /// missing, and the next [`Store::begin`](crate::Store::begin) does it.
    ///
    /// # Errors
    /// [`StoreError::Io`]. The working folder then stays unchanged.
    pub fn finish(mut self) -> Result<Stage> {
        let mut artifacts = BTreeMap::new();
        for (name, path) in files(&self.working)? {
            if name == USAGE
                || name == Manifest::FILE
                || name.split('/').next() == Some(CHECKPOINT)
                || is_temporary(&path)
            {
                continue;
            }
            File::open(&path).and_then(|file| file.sync_all()).map_err(StoreError::io("flush", &path))?;
            artifacts.insert(name, Artifact::of(&path)?);
        }
        let facts = std::mem::take(&mut self.facts);
        let manifest = Manifest::new(&self.spec, self.meter.read(), facts, artifacts);
        let file = self.working.join(Manifest::FILE);
        let text = manifest.to_bytes().map_err(|source| StoreError::Unserialisable { path: file.clone(), source })?;
        write_atomic(&file, &text)?;
        let stage = settle(&self.working, &self.place, &self.spec.kind, &self.key)?;
        if let Some(lock) = self.lock.take() {
            lock.retire();
        }
        Ok(stage)
    }

    fn save_usage(&self) -> Result<()> {
        let path = self.working.join(USAGE);
        let progress = Progress { usage: self.meter.read(), inputs: &self.spec.inputs };
        let text = serde_json::to_vec(&progress)
            .map_err(|source| StoreError::Unserialisable { path: path.clone(), source })?;
        write_atomic(&path, &text)
    }
}

impl Drop for StageWriter {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = self.save_usage(); // A failure cannot be reported, and it loses only the time used.
        }
    }
}

/// Whether the working folder holds a complete stage that only lacks its rename.
pub(crate) fn is_sealed(working: &Path) -> bool {
    working.join(Manifest::FILE).is_file()
}

/// Moves a sealed stage from its working folder into place. If the stage is there already, because this machine did not see it
/// when it began (NFS shows new folders late), that one stays: both have the same content.
pub(crate) fn settle(working: &Path, place: &Path, kind: &str, key: &StageKey) -> Result<Stage> {
    let checkpoint = working.join(CHECKPOINT);
    if checkpoint.exists() {
        fs::remove_dir_all(&checkpoint).map_err(StoreError::io("remove the folder", &checkpoint))?;
    }
    let usage = working.join(USAGE);
    if usage.exists() {
        fs::remove_file(&usage).map_err(StoreError::io("remove", &usage))?;
    }
    sync_folder(working)?;
    if let Err(error) = fs::rename(working, place) {
        let is_there = matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists);
        if !is_there || Stage::open_as(place, kind, key.as_str()).is_err() {
            return Err(StoreError::io("move into place", place)(error));
        }
        fs::remove_dir_all(working).map_err(StoreError::io("remove the folder", working))?;
    }
    sync_folder(place.parent().unwrap_or(place))?;
    Stage::open_as(place, kind, key.as_str())
}

/// Prepares what an earlier process left. With a valid checkpoint, half-written files and lines are removed.
/// Otherwise everything is removed. Returns whether there is a checkpoint.
fn tidy(working: &Path) -> Result<bool> {
    let is_state = |(name, path): &(String, PathBuf)| name.split('/').next() == Some(CHECKPOINT) && !is_temporary(path);
    let states: Vec<PathBuf> = files(working)?.into_iter().filter(is_state).map(|(_, path)| path).collect();
    let damaged = saved::damaged(&states);
    if let Some(StoreError::DamagedState { file, problem }) = &damaged {
        tracing::warn!(
            "the saved state {} cannot be used: {problem}; the stage starts from its beginning",
            file.display()
        );
    } else if let Some(error) = damaged {
        return Err(error);
    }
    if states.is_empty() || damaged.is_some() {
        fs::remove_dir_all(working).map_err(StoreError::io("empty the folder", working))?;
        fs::create_dir_all(working).map_err(StoreError::io("create the folder", working))?;
        return Ok(false);
    }
    for (_, path) in files(working)? {
        if is_temporary(&path) {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    for name in [METRICS, LOG] {
        let path = working.join(name);
        if path.is_file() {
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
            if whole < bytes.len() {
                write_atomic(&path, &bytes[..whole])?;
            }
        }
    }
    Ok(true)
}

/// Adds `row` to the file as one line, completely or not at all.
fn append(path: &Path, row: &impl Serialize) -> Result<()> {
    let mut line =
        serde_json::to_vec(row).map_err(|source| StoreError::Unserialisable { path: path.to_path_buf(), source })?;
    line.push(b'\n');
    let mut file = File::options().append(true).create(true).open(path).map_err(StoreError::io("open", path))?;
    let before = file.metadata().map_err(StoreError::io("look at", path))?.len();
    file.write_all(&line).and_then(|()| file.sync_data()).map_err(|source| {
        let _ = file.set_len(before); // Only the first error is reported.
        StoreError::io("append to", path)(source)
    })
}

/// Every file below `folder`, sorted, with its path relative to `folder` and `/` between parts.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), folder.to_path_buf())];
    while let Some((prefix, folder)) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(StoreError::io("list", &folder))? {
            let entry = entry.map_err(StoreError::io("list", &folder))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(StoreError::io("look at", &folder))?.is_dir() {
                open.push((format!("{name}/"), entry.path()));
            } else {
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

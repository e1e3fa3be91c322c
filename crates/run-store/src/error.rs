//! What can go wrong in the store, said with the path and the fix.

use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error of the run store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("could not {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was being done, as a verb phrase ("write", "create the folder").
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The root of the store can't be written to.
    #[error(
        "the run folder {} cannot be written: {source}; choose another folder for the runs, or make this one writable{}",
        root.display(), advice(source)
    )]
    Unwritable {
        /// The root of the store.
        root: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The root of the store does not exist.
    #[error("there is no run folder {}; name the folder a run wrote into, or start a run first", .0.display())]
    NoStore(PathBuf),
    /// A value could not be turned into JSON.
    #[error("could not write {} as JSON: {source}", path.display())]
    Unserialisable {
        /// The file that would have held it.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A stored stage can't be read.
    #[error(
        "{} is damaged: {problem}; delete the folder {} and run the suite again, the stage will be computed anew",
        file.display(), folder.display()
    )]
    Damaged {
        /// The file at fault.
        file: PathBuf,
        /// The stage's folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A stored file that is not part of a stage can't be read.
    #[error("{} is damaged: {problem}; delete it and run the suite again, finished stages are kept", file.display())]
    DamagedIndex {
        /// The file at fault.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A stored file was written by a newer version.
    #[error(
        "{} has format version {found}, this program reads up to {known}; read it with the version that wrote it, or a newer one",
        file.display()
    )]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// The version it states.
        found: u64,
        /// The newest version this program reads.
        known: u32,
    },
    /// A stage was asked for that the store does not hold.
    #[error("the store {} holds no finished stage {kind}/{key}; run the suite to compute it", root.display())]
    NoStage {
        /// The root of the store.
        root: PathBuf,
        /// The kind asked for.
        kind: String,
        /// The key asked for.
        key: String,
    },
    /// A stage does not hold the artifact asked for.
    #[error("{} holds no artifact `{name}`; it holds: {}", folder.display(), held.join(", "))]
    NoArtifact {
        /// The stage's folder.
        folder: PathBuf,
        /// The name asked for.
        name: String,
        /// The names there are.
        held: Vec<String>,
    },
    /// A suite was asked for that the store does not hold.
    #[error("the store {} holds no suite `{suite}`; it holds: {}", root.display(), list(held))]
    NoSuite {
        /// The root of the store.
        root: PathBuf,
        /// The suite asked for.
        suite: String,
        /// The suites there are.
        held: Vec<String>,
    },
    /// A name can't be used as a folder or file name.
    #[error(
        "`{name}` cannot name a {what}: use 1 to 64 letters, digits, `-`, `_` or `.`, starting with a letter or digit{}",
        reserved(what)
    )]
    BadName {
        /// What it should have named ("stage kind", "suite").
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A file that should describe a stage does not.
    #[error("{} describes no stage that can be computed here: {problem}", file.display())]
    Description {
        /// The file.
        file: PathBuf,
        /// What is wrong with it and what would help.
        problem: String,
    },
    /// A string is no stage key.
    #[error("`{0}` is not a stage key: a key is 32 lowercase hexadecimal digits")]
    BadKey(String),
    /// The metrics file is shorter than the checkpoint says.
    #[error(
        "{} holds {found} rows, the checkpoint was taken after {wanted}; delete the folder {} to start the stage afresh",
        file.display(), folder.display()
    )]
    MissingRows {
        /// The metrics file.
        file: PathBuf,
        /// The stage's working folder.
        folder: PathBuf,
        /// Rows in the file.
        found: usize,
        /// Rows asked to be kept.
        wanted: usize,
    },
}

impl StoreError {
    /// Wraps an error of the operating system with what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// True when the cause is a full disk or an exhausted quota.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } | Self::Unwritable { source, .. } if disk_full(source))
    }
}

fn disk_full(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn advice(source: &io::Error) -> &'static str {
    if disk_full(source) {
        "; the disk is full: free some space and run again, finished stages and checkpoints are kept"
    } else {
        match source.kind() {
            io::ErrorKind::PermissionDenied => "; check who owns it and its permissions",
            io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
            _ => "",
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn reserved(what: &str) -> &'static str {
    if what == "stage kind" { "; `suites` is taken" } else { "" }
}

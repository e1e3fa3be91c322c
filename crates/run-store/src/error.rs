//! What can go wrong in the store, said with the path and the fix.

use std::io;
use std::path::{Path, PathBuf};

use crate::lineage::StageName;

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
        "{} is damaged: {problem}; `unlearn runs repair{}` removes the stage{}, and the suite, run again, computes anew what is missing",
        file.display(), store_option(folder), computed_list(computed)
    )]
    Damaged {
        /// The file at fault.
        file: PathBuf,
        /// The stage's folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// Finished stages that were computed from this one.
        computed: Vec<StageName>,
    },
    /// A stored file that is not part of a stage can't be read.
    #[error("{} is damaged: {problem}; delete it and run the suite again, finished stages are kept", file.display())]
    DamagedIndex {
        /// The file at fault.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A saved state can't be gone on from.
    #[error("the saved state {} is damaged: {problem}; delete the file, the stage then starts from its beginning", file.display())]
    DamagedState {
        /// The file at fault.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
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
    /// A row of a suite's index names stages that do not belong to it.
    #[error(
        "the row {row} of the suite's index names stages that are not its own: {problem}; run the suite again, which writes its index anew"
    )]
    Row {
        /// The row, for people.
        row: String,
        /// Which stage, and why it cannot be the row's.
        problem: String,
    },
    /// An index would take the place of another suite's.
    #[error(
        "the store {} holds {what} `{suite}` that was made from another file, {}, and {lost} of it would be lost; give the suite another \
         name (`suite.name`), use a store of its own (`--runs DIR`), or give `--replace`",
        root.display(), of.display()
    )]
    OtherSuite {
        /// The root of the store.
        root: PathBuf,
        /// What it is: a suite, or a search.
        what: &'static str,
        /// The suite's name.
        suite: String,
        /// The file that the suite in the store was made from.
        of: PathBuf,
        /// What of it this one does not have: "2 rows".
        lost: String,
    },
    /// A file that was named as the result of a search is none.
    #[error("{} is no result of a search: {problem}; name a file that `unlearn tune` wrote", file.display())]
    NoTuning {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A process works in the store.
    #[error(
        "{holder} works in the run folder {} ({} is locked); wait until it is through, or stop it, and try again",
        root.display(), path.display()
    )]
    Busy {
        /// The root of the store.
        root: PathBuf,
        /// The lock.
        path: PathBuf,
        /// Who holds it, for people.
        holder: String,
    },
    /// A file that should be an archive of stages is none.
    #[error("{} is no archive of stages that can be imported: {problem}; make one with `unlearn runs export`", file.display())]
    Archive {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An archive can't be brought into a store, or can't be made.
    #[error("{}: {problem}", file.display())]
    Transfer {
        /// The archive.
        file: PathBuf,
        /// What is in the way and what to do.
        problem: String,
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

    /// The error of a stage in `folder` that can't be read.
    pub(crate) fn damaged(file: impl Into<PathBuf>, folder: &Path, problem: impl Into<String>) -> Self {
        let (file, problem) = (file.into(), problem.into());
        Self::Damaged { file, folder: folder.to_path_buf(), problem, computed: Vec::new() }
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

/// Most stages that a message names.
const NAMED: usize = 6;

/// The option that names the store of a stage's folder, where that is not the usual one.
fn store_option(folder: &Path) -> String {
    let root = folder.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    if root == Path::new("runs") { String::new() } else { format!(" --runs {}", root.display()) }
}

fn computed_list(computed: &[StageName]) -> String {
    if computed.is_empty() {
        return String::new();
    }
    let names: Vec<String> = computed.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if computed.len() > NAMED { format!(", and {} more", computed.len() - NAMED) } else { String::new() };
    format!(" and those computed from it ({}{more})", names.join(", "))
}

/// "1 row", "2 rows".
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn reserved(what: &str) -> &'static str {
    if what == "stage kind" { "; `suites` is taken" } else { "" }
}

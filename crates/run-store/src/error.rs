//! Errors of the store, with the path and the fix.

use std::io;
use std::path::{Path, PathBuf};

use unlearn_files::{advice, is_disk_full};

use crate::lineage::StageName;

/// A result of this crate.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An error of the run store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused an action.
    #[error("could not {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// The attempted action, as a verb phrase ("write", "create the folder").
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The root of the store cannot be written to.
    #[error(
        "the folder {} cannot be written: {source}; name another folder, or make this one writable{}",
        root.display(), advice(source)
    )]
    Unwritable {
        /// The root of the store.
        root: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The root of the store does not exist.
    #[error("there is no run store in {}; name the folder that a run wrote into, or start a run first", .0.display())]
    NoStore(PathBuf),
    /// A folder is no run store.
    #[error("{} is not a run store: it holds no stage and no index of a suite; name the folder that a run wrote into", .0.display())]
    NotAStore(PathBuf),
    /// Two machines hold the same lock.
    #[error(
        "{holder} on another machine holds the lock {} too: locks of this file system do not hold between machines; mount it so that \
         they do (NFS: without `nolock` and `local_lock`; Lustre: with `flock`), or compute on one machine only",
        lock.display()
    )]
    LocksDoNotHold {
        /// The file of the lock.
        lock: PathBuf,
        /// The other holder.
        holder: String,
    },
    /// A stage's folder holds a file that the program did not write.
    #[error(
        "{} has the name of a stage, but holds {}, which this program did not write; move the folder out of the run store",
        folder.display(), file.strip_prefix(folder).unwrap_or(file).display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// A value could not be turned into JSON.
    #[error("could not write {} as JSON: {source}", path.display())]
    Unserialisable {
        /// The file that would have held it.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// New files would lie inside a stage's folder.
    #[error(
        "{} lies inside the folder of a stage, {}, and would be lost with it; name a place outside the run store", place.display(),
        stage.display()
    )]
    InsideStage {
        /// The folder of the stage.
        stage: PathBuf,
        /// The place of the new files.
        place: PathBuf,
    },
    /// A folder holds the manifest of a stage and has another name.
    #[error("{} holds the manifest of the stage {stage}, and no stage is looked for under that name; rename the folder, or move it out of the store", folder.display())]
    Misnamed {
        /// The folder.
        folder: PathBuf,
        /// Kind and key in the manifest.
        stage: String,
    },
    /// A stored stage cannot be read.
    #[error(
        "{} is damaged: {problem}; `unlearn runs repair{}` computes the stage{} again",
        file.display(), store_option(folder), computed_list(computed)
    )]
    Damaged {
        /// The file at fault.
        file: PathBuf,
        /// The stage's folder.
        folder: PathBuf,
        /// The fault.
        problem: String,
        /// Finished stages that were computed from this one.
        computed: Vec<StageName>,
    },
    /// A copy of a stage's file is not what the manifest beside it names.
    #[error(
        "{} is damaged: its content is not what the manifest beside it names (BLAKE3 differs); copy it again from where it came",
        file.display()
    )]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// A stored file that is not part of a stage cannot be read.
    #[error("{} is damaged: {problem}; delete it and run the suite again, finished stages are kept", file.display())]
    DamagedIndex {
        /// The file at fault.
        file: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A saved state cannot be resumed.
    #[error("the saved state {} is damaged: {problem}; delete the file, the stage then starts from its beginning", file.display())]
    DamagedState {
        /// The file at fault.
        file: PathBuf,
        /// The fault.
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
        /// The version in the file.
        found: u64,
        /// The newest version this program reads.
        known: u32,
    },
    /// A row of a suite's index names stages that do not belong to it.
    #[error(
        "the row {row} of the suite's index names stages that are not its own: {problem}; run the suite again, which writes its index anew"
    )]
    Row {
        /// A label of the row, for users.
        row: String,
        /// The stage, and why it does not belong to the row.
        problem: String,
    },
    /// An index would replace another suite's.
    #[error(
        "the store {} holds {what} `{suite}` that was made from another file, {}, and {lost} of it would be lost; give the suite another \
         name (`suite.name`), use a store of its own (`--runs DIR`), or give `--replace`",
        root.display(), of.display()
    )]
    OtherSuite {
        /// The root of the store.
        root: PathBuf,
        /// A suite, or a search.
        what: &'static str,
        /// The suite's name.
        suite: String,
        /// The file that the suite in the store was made from.
        of: PathBuf,
        /// What would be lost: "2 rows".
        lost: String,
    },
    /// A file that should be the result of a search is not.
    #[error("{} is not the result of a search: {problem}; name a file that `unlearn tune` wrote", file.display())]
    NoTuning {
        /// The file.
        file: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A process works in the store.
    #[error(
        "{holder} works in the run folder {} ({} is locked); wait until it ends, or stop it, and try again",
        root.display(), path.display()
    )]
    Busy {
        /// The root of the store.
        root: PathBuf,
        /// The lock.
        path: PathBuf,
        /// A description of the holder, for users.
        holder: String,
    },
    /// An unfinished stage does not say what it needs.
    #[error(
        "the unfinished stage {} does not say what it was computed from, so it is not known what it needs: an older version of the program \
         left it; run its suite again, remove it with `unlearn runs rm {stage}`, or leave `--older-than` out, which removes what is not \
         finished", folder.display()
    )]
    UnknownInputs {
        /// The stage.
        stage: StageName,
        /// Its folder.
        folder: PathBuf,
    },
    /// A file that should be an archive of stages is not.
    #[error("{} is not an archive of stages that can be imported: {problem}; make one with `unlearn runs export`", file.display())]
    Archive {
        /// The file.
        file: PathBuf,
        /// The fault.
        problem: String,
    },
    /// An archive cannot be imported into a store, or cannot be made.
    #[error("{}: {problem}", file.display())]
    Transfer {
        /// The archive.
        file: PathBuf,
        /// The obstacle and the fix.
        problem: String,
    },
    /// The store lacks a requested stage.
    #[error("the store {} holds no finished stage {kind}/{key}; run the suite to compute it", root.display())]
    NoStage {
        /// The root of the store.
        root: PathBuf,
        /// The requested kind.
        kind: String,
        /// The requested key.
        key: String,
    },
    /// A stage lacks a requested artifact.
    #[error("{} holds no artifact `{name}`; it holds: {}", folder.display(), held.join(", "))]
    NoArtifact {
        /// The stage's folder.
        folder: PathBuf,
        /// The requested name.
        name: String,
        /// The existing names.
        held: Vec<String>,
    },
    /// The store lacks a requested suite.
    #[error("the store {} holds no suite `{suite}`{}; it holds: {}", root.display(), meant(suite, held), list(held))]
    NoSuite {
        /// The root of the store.
        root: PathBuf,
        /// The requested suite.
        suite: String,
        /// The existing suites.
        held: Vec<String>,
    },
    /// A name cannot be used for a folder or file.
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
    /// A file is not a valid description of a stage.
    #[error("{} describes no stage that can be computed here: {problem}", file.display())]
    Description {
        /// The file.
        file: PathBuf,
        /// The fault and the fix.
        problem: String,
    },
    /// A string is not a stage key.
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
        /// Rows to be kept.
        wanted: usize,
    },
}

impl StoreError {
    /// Wraps a system error with the attempted action and its path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// The error of an unreadable stage in `folder`.
    pub(crate) fn damaged(file: impl Into<PathBuf>, folder: &Path, problem: impl Into<String>) -> Self {
        let (file, problem) = (file.into(), problem.into());
        Self::Damaged { file, folder: folder.to_path_buf(), problem, computed: Vec::new() }
    }

    /// Whether the user's input is to blame: a name of a store, of something in it, or of an archive.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoSuite { .. }
            | Self::BadName { .. }
            | Self::Description { .. }
            | Self::NoStore(_)
            | Self::NotAStore(_)
            | Self::OtherSuite { .. }
            | Self::Foreign { .. }
            | Self::InsideStage { .. }
            | Self::Transfer { .. } => true,
            Self::Unwritable { .. } => !self.is_disk_full(),
            _ => false,
        }
    }

    /// Whether the cause is a full disk, an exhausted quota, or the limit on the size of a file.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } | Self::Unwritable { source, .. } if is_disk_full(source))
    }
}

/// Maximum number of stages in a message.
const NAMED: usize = 6;

/// The option that names the store of a stage's folder, unless it is the default one.
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

/// What may be meant by the name of a suite that is not there.
fn meant(suite: &str, held: &[String]) -> String {
    if Path::new(suite).extension().is_some_and(|end| end == "toml") {
        return ", because the name of a suite is what `[suite] name` says, not its file".to_owned();
    }
    unlearn_names::suggestion(suite, held.iter().map(String::as_str))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn reserved(what: &str) -> &'static str {
    if what == "stage kind" { "; `suites` is taken" } else { "" }
}

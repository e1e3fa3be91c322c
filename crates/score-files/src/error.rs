//! Errors of files of scores.

use std::path::{Path, PathBuf};

/// A file of scores that cannot be read or written, or whose content cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("failed to read the scores {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("failed to write {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Content that is not scores, or cannot be judged.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The place in it, what is wrong, and the fix.
        problem: String,
    },
}

impl Error {
    pub(crate) fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }

    /// Whether the user's file or its name is at fault, rather than the system.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A result whose error is the fault of a file, without its path.
pub(crate) type Checked<T> = std::result::Result<T, String>;

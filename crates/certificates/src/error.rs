//! Errors with certificates.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("failed to read {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file that is not a certificate.
    #[error("{} is not a readable certificate: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A certificate of a newer program.
    #[error("{} has format {found}, but this program reads up to {known}; use the program that wrote it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The newest format known here.
        known: u32,
    },
    /// A threshold that cannot be parsed.
    #[error(
        "`{text}` is not a threshold: {reason}; write FIGURE>=NUMBER or FIGURE<=NUMBER, with FIGURE a name of `unlearn figures`, \
         for example ua>=90"
    )]
    Threshold {
        /// As given.
        text: String,
        /// The fault.
        reason: String,
    },
    /// A key file that cannot be used.
    #[error("{} holds no {what} that can be read: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The expected key, and how it is made.
        what: &'static str,
        /// The fault.
        reason: String,
    },
    /// The run store failed to write a file.
    #[error(transparent)]
    Store(#[from] unlearn_run_store::StoreError),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

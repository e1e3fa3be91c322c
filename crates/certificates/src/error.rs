//! What can go wrong with a certificate.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file that is no certificate.
    #[error("{} is no certificate that can be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate of a newer program.
    #[error("{} has format {found}, and the newest known here is {known}; use the program that wrote it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The newest format known here.
        known: u32,
    },
    /// A threshold that cannot be understood.
    #[error(
        "`{text}` is no threshold: {reason}; write METRIC>=NUMBER or METRIC<=NUMBER, with METRIC a figure of `unlearn figures`, \
         for example ua, ra, ta, rte_seconds or mia_efficacy.FEATURE"
    )]
    Threshold {
        /// As given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A key file that cannot be used.
    #[error("{} holds no {what} that can be read: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was wanted, and how it is made.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store's ways of writing failed.
    #[error(transparent)]
    Store(#[from] unlearn_run_store::StoreError),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

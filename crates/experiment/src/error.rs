//! Errors between a suite file and its report.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("failed to {action} {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file that the user named and that cannot be read.
    #[error("failed to read {what} {}: {source}{}", path.display(), unlearn_files::advice(source))]
    Given {
        /// What the file should be, with its article: `the suite`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file with unexpected content.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what would help.
        reason: String,
    },
    /// An address that no stage has, or several stages have.
    #[error("`{address}`: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong and which stages there are.
        reason: String,
    },
    /// An invalid suite.
    #[error("{}: {reason}", path.display())]
    Suite {
        /// The suite file.
        path: PathBuf,
        /// The key, what is wrong, and what is valid.
        reason: String,
    },
    /// A `--set` that cannot be applied.
    #[error("--set {assignment}: {reason}")]
    Set {
        /// The assignment as given.
        assignment: String,
        /// What is wrong and what is valid.
        reason: String,
    },
    /// An invalid request for a deletion.
    #[error("{place}: {reason}")]
    Deletion {
        /// The file with the line, or the option.
        place: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A model that cannot be read.
    #[error(transparent)]
    Model(#[from] unlearn_models::Error),
    /// Weights that cannot start a training.
    #[error("training cannot begin with `{init}`: {reason}")]
    Initial {
        /// A file, or a repository of the Hub.
        init: String,
        /// What is wrong and what would help.
        reason: String,
    },
    /// A name of weights that cannot be one.
    #[error("training cannot begin with `{init}`: {reason}")]
    InitialName {
        /// As given.
        init: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A certificate that cannot be read or written.
    #[error(transparent)]
    Certificate(#[from] unlearn_certificates::Error),
    /// A device that this build or this machine lacks.
    #[error("--device: {0}")]
    Device(unlearn_network::Error),
    /// A stage that failed.
    #[error("stage {stage} failed: {reason}")]
    Stage {
        /// The stage.
        stage: String,
        /// What happened and what would help.
        reason: String,
    },
    /// A stage whose numbers became infinite. Finite weights from before are kept.
    #[error("stage {stage} failed: {reason}; the last finite weights are kept in {}", kept.display())]
    Diverged {
        /// The stage.
        stage: String,
        /// What happened and what would help.
        reason: String,
        /// The file with the weights.
        kept: PathBuf,
    },
    /// A stage description that cannot be computed here.
    #[error("a stage `{kind}`: {reason}")]
    Description {
        /// The kind in the description.
        kind: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The user asked to stop. The state is saved.
    #[error("interrupted in stage {stage}; the state is saved, and the same command goes on from there")]
    Interrupted {
        /// The stage that was running.
        stage: String,
    },
    /// Slurm took or computed nothing.
    #[error("slurm: {reason}")]
    Launcher {
        /// What happened and what would help.
        reason: String,
        /// Whether the settings or the command line are at fault.
        is_usage: bool,
    },
    /// The user stopped watching jobs in Slurm. They go on.
    #[error(
        "no longer watched: the jobs of {launch} go on in Slurm; the same command watches them again, and `unlearn launches cancel {suite}` \
         cancels them"
    )]
    Left {
        /// The submission.
        launch: String,
        /// The suite.
        suite: String,
    },
    /// The run store.
    #[error(transparent)]
    Store(#[from] unlearn_run_store::StoreError),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error of a deletion that cannot be asked for.
    pub(crate) fn deletion(place: impl std::fmt::Display, reason: impl std::fmt::Display) -> Self {
        Self::Deletion { place: place.to_string(), reason: reason.to_string() }
    }

    /// The error of a description that cannot be computed.
    pub(crate) fn description(kind: &str, reason: impl std::fmt::Display) -> Self {
        Self::Description { kind: kind.to_owned(), reason: reason.to_string() }
    }

    /// Whether the suite or the command line is at fault, rather than the run.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Model(error) => error.is_usage(),
            Self::Launcher { is_usage, .. } => *is_usage,
            Self::Given { .. }
            | Self::Address { .. }
            | Self::Suite { .. }
            | Self::Set { .. }
            | Self::Deletion { .. }
            | Self::Description { .. }
            | Self::Device(_)
            | Self::InitialName { .. } => true,
            Self::Store(error) => error.is_usage(),
            _ => false,
        }
    }
}

//! What can go wrong with an architecture's name or a checkpoint file.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An unknown architecture.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// The architecture cannot take such images.
    #[error("{arch} needs images of at least {minimum}×{minimum} pixels, found {height}×{width}")]
    ImageTooSmall {
        /// The architecture.
        arch: &'static str,
        /// Least side in pixels.
        minimum: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// Patches or windows do not tile such images.
    #[error(
        "{arch} needs images whose sides are multiples of {step} pixels, for its patches and windows, found \
         {height}×{width}; choose a convolutional network, or images of another size"
    )]
    ImageSide {
        /// The architecture.
        arch: &'static str,
        /// The number that a side must be a multiple of, in pixels.
        step: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// A file that cannot be read or written.
    #[error("failed to {action} {path}: {source}{}", unlearn_files::advice(source))]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file that is not our checkpoint.
    #[error("{path} is not a checkpoint that can be used: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The fault, and the remedy.
        reason: String,
    },
    /// A description in a file that no model can have.
    #[error("{0}")]
    Description(String),
    /// A PyTorch file that cannot be read.
    #[error("failed to read {path}: {source}")]
    TorchFile {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: unlearn_torch_files::Error,
    },
    /// A foreign file whose tensors are not those of a known model.
    #[error("{path} holds no model that is known here: {reason}")]
    Import {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A model with values that no model can be used with.
    #[error("{path}: {reason}")]
    Values {
        /// The file.
        path: PathBuf,
        /// The tensor, and the remedy.
        reason: String,
    },
    /// A dataset, or another option, that contradicts the file.
    #[error("{path}: {reason}")]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What contradicts, and the remedy.
        reason: String,
    },
    /// A mask for another model.
    #[error(transparent)]
    Mask(#[from] unlearn_masks::Error),
    /// An error of a graph or of its values.
    #[error(transparent)]
    Network(#[from] unlearn_network::Error),
}

impl Error {
    /// Whether the user's input is to blame: an unknown architecture, a key that the file lacks, or a key that is missing.
    pub fn is_usage(&self) -> bool {
        use unlearn_torch_files::Error as TorchError;
        matches!(
            self,
            Self::Unknown(_)
                | Self::Contradiction { .. }
                | Self::TorchFile {
                    source: TorchError::Key { .. } | TorchError::Several { .. } | TorchError::Parts { .. },
                    ..
                }
        )
    }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

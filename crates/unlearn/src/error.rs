//! Errors of this crate.

use std::path::PathBuf;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done. The variant says which part refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model and the data do not fit each other.
    #[error("{0}")]
    Fit(String),
    /// A request names nothing, or samples that the split does not have.
    #[error("the request {0}")]
    Request(String),
    /// What a model's file says of its training cannot be what it was trained with.
    #[error("its `training` is damaged: {0}")]
    Damaged(String),
    /// The model answers an image with a NaN or an infinity.
    #[error(
        "the model answers image {position} with a logit of {value}, which no figure can be computed from; its weights are too large"
    )]
    Answer {
        /// The image's position in its set.
        position: u32,
        /// The logit.
        value: f32,
    },
    /// A file could not be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A dataset could not be opened.
    #[error(transparent)]
    Datasets(#[from] unlearn_datasets::Error),
    /// Samples, splits or requests.
    #[error(transparent)]
    Samples(#[from] unlearn_samples::Error),
    /// A model's file or architecture.
    #[error(transparent)]
    Models(#[from] unlearn_models::Error),
    /// A mask's file.
    #[error(transparent)]
    Masks(#[from] unlearn_masks::Error),
    /// A network, or the device that runs it.
    #[error(transparent)]
    Network(#[from] unlearn_network::Error),
    /// Training or prediction.
    #[error(transparent)]
    Training(#[from] unlearn_training::Error),
    /// Pruning.
    #[error(transparent)]
    Pruning(#[from] unlearn_pruning::Error),
    /// Unlearning.
    #[error(transparent)]
    Unlearning(#[from] unlearn_unlearning::Error),
    /// A figure.
    #[error(transparent)]
    Metrics(#[from] unlearn_metrics::Error),
    /// A membership-inference attack.
    #[error(transparent)]
    Attack(#[from] unlearn_mia_eval::Error),
}

impl Error {
    /// Whether a user's interruption ended the work.
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Training(unlearn_training::Error::Interrupted) | Self::Attack(unlearn_mia_eval::Error::Interrupted)
        )
    }
}

//! Errors of pruning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No method, criterion, scope or key has this name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// `none`, which stands for the dense model.
    #[error("`none` is the dense model as it was trained, and nothing prunes it; take the model of the stage `train`")]
    NoMethod,
    /// The configuration is invalid for the method.
    #[error("pruning method `{method}` cannot use its configuration: {reason}")]
    Config {
        /// The method.
        method: &'static str,
        /// The key, the reason, and the valid keys.
        reason: String,
    },
    /// A layer has no weights left.
    #[error(
        "layer collapse: sparsity {sparsity} prunes every weight of `{layer}`; lower `sparsity`, or set \
         `allow-collapse = true`"
    )]
    LayerCollapse {
        /// The first empty layer.
        layer: String,
        /// Requested share of zeros, in 0..1.
        sparsity: f64,
    },
    /// A score is NaN.
    #[error("the score of a weight of `{layer}` is not a number; the model has diverged")]
    Score {
        /// The layer.
        layer: String,
    },
    /// Scores are outside the range of f32.
    #[error(
        "the scores of `synflow` overflow: R of this network is beyond the range of f32; score a trained network, or use \
         another criterion"
    )]
    Overflow,
    /// A mask is invalid.
    #[error(transparent)]
    Mask(#[from] unlearn_masks::Error),
    /// Training failed, diverged or was interrupted.
    #[error(transparent)]
    Training(#[from] unlearn_training::Error),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

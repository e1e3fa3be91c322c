//! What can go wrong while pruning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No method, criterion, scope or key of that name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// `none`, which stands for the dense model.
    #[error("`none` is the dense model as it was trained, and nothing prunes it; take the model of the stage `train`")]
    NoMethod,
    /// A configuration that the method does not understand.
    #[error("pruning method `{method}` cannot use its configuration: {reason}")]
    Config {
        /// The method.
        method: &'static str,
        /// The key, what is wrong with it, and the valid keys.
        reason: String,
    },
    /// Nothing is left of a layer.
    #[error(
        "layer collapse: at sparsity {sparsity} nothing is left of `{layer}`; lower `sparsity`, or set \
         `allow-collapse = true`"
    )]
    LayerCollapse {
        /// The first empty layer.
        layer: String,
        /// Share of zeros asked for, in 0..1.
        sparsity: f64,
    },
    /// A score that is NaN.
    #[error("the score of a weight of `{layer}` is not a number; the model has diverged")]
    Score {
        /// The layer.
        layer: String,
    },
    /// Scores beyond the range of f32.
    #[error(
        "the scores of `synflow` overflow: R of this network is beyond the range of f32; score a trained network, or use \
         another criterion"
    )]
    Overflow,
    /// A mask of impossible shape.
    #[error(transparent)]
    Mask(#[from] unlearn_masks::Error),
    /// Training that failed, diverged or was interrupted.
    #[error(transparent)]
    Training(#[from] unlearn_training::Error),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

//! Errors of unlearning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No method has this name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// The configuration is invalid for the method.
    #[error("unlearning method `{method}` cannot use its configuration: {reason}")]
    Config {
        /// The method.
        method: &'static str,
        /// The key, the reason, and the valid keys.
        reason: String,
    },
    /// The method cannot serve the request.
    #[error("unlearning method `{method}` cannot serve this request: {reason}")]
    Unsuitable {
        /// The method.
        method: &'static str,
        /// The obstacle, and what would help.
        reason: String,
    },
    /// The method's result contains a NaN or an infinity.
    #[error(
        "unlearning method `{method}` left a value that is not finite in `{tensor}`; lower {lower}, and check that the model \
         predicts better than chance"
    )]
    NonFinite {
        /// The method.
        method: &'static str,
        /// The first tensor that holds such a value.
        tensor: String,
        /// The settings that may be too strong.
        lower: String,
    },
    /// Training failed, diverged or was interrupted.
    #[error("unlearning method `{method}`: {source}")]
    Training {
        /// The method.
        method: &'static str,
        /// The cause.
        source: unlearn_training::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

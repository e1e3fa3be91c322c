//! What can go wrong while unlearning.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No method of that name.
    #[error(transparent)]
    Unknown(#[from] unlearn_names::Unknown),
    /// A configuration that the method does not understand.
    #[error("unlearning method `{method}` cannot use its configuration: {reason}")]
    Config {
        /// The method.
        method: &'static str,
        /// The key, what is wrong with it, and the valid keys.
        reason: String,
    },
    /// A request that the method cannot serve.
    #[error("unlearning method `{method}` cannot serve this request: {reason}")]
    Unsuitable {
        /// The method.
        method: &'static str,
        /// What stands in the way, and what would help.
        reason: String,
    },
    /// A method whose result is a NaN or an infinity.
    #[error(
        "unlearning method `{method}` left a value that is not finite in `{tensor}`; lower its step (`alpha`, or `lr`), and \
         check that the model it was given predicts at all"
    )]
    NonFinite {
        /// The method.
        method: &'static str,
        /// The first tensor that holds such a value.
        tensor: String,
    },
    /// Training that failed, diverged or was interrupted.
    #[error("unlearning method `{method}`: {source}")]
    Training {
        /// The method.
        method: &'static str,
        /// What happened.
        source: unlearn_training::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

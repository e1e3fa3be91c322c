//! What can go wrong while training.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recipe that cannot be followed.
    #[error("the training recipe cannot be used: {0}")]
    Recipe(String),
    /// The loss is NaN or infinite.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch} (learning rate {lr}); lower `lr`, or train with warm-up \
         (`warmup-epochs`)"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// Epoch, counted from 0.
        epoch: usize,
        /// Batch in that epoch, counted from 0.
        batch: usize,
        /// Learning rate of that step.
        lr: f64,
    },
    /// The loss is NaN or infinite before anything was learnt.
    #[error(
        "the loss is {loss} in the first batch, before the first step, so the learning rate is not the cause: the images, their \
         normalisation, the weights that training begins with, or the method's own settings are; `unlearn datasets describe` shows the \
         normalisation"
    )]
    NotFiniteAtFirst {
        /// The loss.
        loss: f64,
    },
    /// The user asked to stop; the state is saved.
    #[error("interrupted; the state is saved, and the same command goes on from there")]
    Interrupted,
    /// A checkpoint that does not fit this run.
    #[error("the saved training state cannot be used: {0}; delete the stage's folder to start it anew")]
    Resume(String),
    /// A checkpoint that cannot be read or written.
    #[error("failed to {action} the training state: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Samples or a network that what was asked for cannot work on.
    #[error("{0}")]
    Unsuitable(String),
    /// No samples to work on.
    #[error("no samples to {0}")]
    Empty(&'static str),
    /// Samples that cannot be batched.
    #[error(transparent)]
    Data(#[from] unlearn_samples::Error),
    /// A mask that does not fit the network.
    #[error(transparent)]
    Mask(unlearn_masks::Error),
    /// The network or its executor.
    #[error(transparent)]
    Network(#[from] unlearn_network::Error),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

//! Errors of training.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipe is invalid.
    #[error("the training recipe cannot be used: {0}")]
    Recipe(String),
    /// The loss is NaN or infinite.
    #[error(
        "the loss became {loss} in epoch {epoch}, batch {batch} (learning rate {lr:?}); lower {}, or train with warm-up \
         (`warmup-epochs`)",
        one_of(settings)
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
        /// Keys of the settings that may be too strong.
        settings: Vec<&'static str>,
    },
    /// The loss is NaN or infinite in the first batch, before any step.
    #[error(
        "the loss is {loss} in the first batch, before the first step, so the learning rate is not the cause; check the images, their \
         normalisation (`unlearn datasets describe`), the weights that training begins with, and the settings of the method"
    )]
    NotFiniteAtFirst {
        /// The loss.
        loss: f64,
    },
    /// A trained network answers an image with a logit that is not finite.
    #[error(
        "the weights are so large that the model answers image {position} with a logit of {value}{}",
        if settings.is_empty() { String::new() } else { format!("; lower {}", one_of(settings)) }
    )]
    Answers {
        /// Position of the image.
        position: u32,
        /// The logit.
        value: f32,
        /// Keys of the settings that may be too strong.
        settings: Vec<&'static str>,
    },
    /// The user asked to stop. The state is saved.
    #[error("interrupted; the state is saved, and the same command resumes from it")]
    Interrupted,
    /// A saved state does not fit this run.
    #[error("the saved training state cannot be used: {0}; delete the stage's folder to start the stage again")]
    Resume(String),
    /// A saved state cannot be read or written.
    #[error("failed to {action} the training state: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// Samples or a network are unsuitable for the request.
    #[error("{0}")]
    Unsuitable(String),
    /// There are no samples.
    #[error("no samples to {0}")]
    Empty(&'static str),
    /// Samples cannot be batched.
    #[error(transparent)]
    Data(#[from] unlearn_samples::Error),
    /// A mask does not fit the network.
    #[error(transparent)]
    Mask(unlearn_masks::Error),
    /// An error of the network or its executor.
    #[error(transparent)]
    Network(#[from] unlearn_network::Error),
}

/// `` `lr`, `weight-decay` or `gamma` ``.
pub fn one_of(settings: &[&str]) -> String {
    let quoted: Vec<String> = settings.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        None => "its step".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

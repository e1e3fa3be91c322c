//! The sets that a model is judged on, and its scores on them.

use std::sync::atomic::{AtomicBool, Ordering};

use unlearn_backdoor::TriggeredTest;
use unlearn_metrics::{ModelScores, Scores, Triggered};
use unlearn_network::Network;
use unlearn_samples::{Dataset, ImageSet};
use unlearn_training::{Predictions, predict};

use crate::{Error, Result};

/// The sets of a request that a model is judged on, as positions in the official training and test set.
#[derive(Clone, Copy)]
pub struct Sets<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// Everything that must be forgotten, D_f.
    pub forget: &'a [u32],
    /// What is left of the training, D_r.
    pub retain: &'a [u32],
    /// Test images, without those of classes that are forgotten whole ([`Division::test`](unlearn_samples::Division::test)).
    pub test: &'a [u32],
    /// Held-out training images, D_v. There may be none.
    pub validation: &'a [u32],
    /// Samples of the split that a model of a pool was never trained with. There may be none.
    pub unseen: &'a [u32],
    /// The backdoor in what the model was trained on, if there is one.
    pub backdoor: Option<Backdoor<'a>>,
}

/// A backdoor that a model is asked for.
#[derive(Clone, Copy)]
pub struct Backdoor<'a> {
    /// The test set with the trigger in every image.
    pub triggered: &'a TriggeredTest,
    /// Positions of the poison in the official training set, ascending.
    pub poison: &'a [u32],
}

impl Sets<'_> {
    /// The network's scores on every set. `interrupt` is set when the user wants to stop.
    ///
    /// # Errors
    /// As [`scores`], and if the user wants to stop ([`Error::is_interruption`]).
    pub fn scores(&self, network: &mut Network, interrupt: Option<&AtomicBool>) -> Result<ModelScores> {
        let Self { dataset, forget, retain, test, validation, unseen, backdoor } = *self;
        let mut of = |images: &ImageSet, positions: &[u32]| scores_until(network, images, positions, interrupt);
        Ok(ModelScores {
            forget: of(&dataset.train, forget)?,
            retain: of(&dataset.train, retain)?,
            test: of(&dataset.test, test)?,
            validation: if validation.is_empty() { None } else { Some(of(&dataset.train, validation)?) },
            triggered: match backdoor {
                None => None,
                Some(Backdoor { triggered, poison }) => Some(Triggered {
                    scores: of(triggered.images(), test)?,
                    target: triggered.target(),
                    poison: poison.to_vec(),
                }),
            },
            unseen: if unseen.is_empty() { None } else { Some(of(&dataset.train, unseen)?) },
        })
    }
}

/// A network's scores on the images at these positions of a set, with labels and positions.
///
/// # Errors
/// If there are none, the network fails, or a logit is not finite ([`Error::Answer`]).
pub fn scores(network: &mut Network, images: &ImageSet, positions: &[u32]) -> Result<Scores> {
    scores_until(network, images, positions, None)
}

/// The same, unless `interrupt` is set.
///
/// # Errors
/// As [`scores`], and if the user wants to stop ([`Error::is_interruption`]).
pub fn scores_until(
    network: &mut Network,
    images: &ImageSet,
    positions: &[u32],
    interrupt: Option<&AtomicBool>,
) -> Result<Scores> {
    if interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) {
        return Err(Error::Training(unlearn_training::Error::Interrupted));
    }
    let Predictions { logits, labels, classes } = predict(network, images, positions)?;
    if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
        return Err(Error::Answer { position: positions[at / classes], value: logits[at] });
    }
    Ok(Scores::new(logits, labels, classes)?.at(positions.to_vec())?)
}

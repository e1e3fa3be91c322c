//! Logits of images without augmentation, in evaluation mode.

use unlearn_metrics::softmax::argmax;
use unlearn_network::{Mode, Network};
use unlearn_samples::{BatchOptions, BatchPlan, ImageSet};

use crate::{Error, Result, see};

const BATCH_SIZE: usize = 256;

/// Logits and labels of a set of samples, in the order of the requested positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// `[count, classes]`, row-major.
    pub logits: Vec<f32>,
    /// True class of each sample.
    pub labels: Vec<u32>,
    /// Number of classes.
    pub classes: usize,
}

impl Predictions {
    /// Share of samples whose largest logit is that of the label, in percent. Among equal logits, the lowest class
    /// counts.
    pub fn accuracy(&self) -> f64 {
        100.0 * count_correct(&self.logits, &self.labels) as f64 / self.labels.len() as f64
    }

    /// Refuses logits that are not finite, whose largest would say nothing. `positions` are those of the predicted samples, and `settings`
    /// the keys that the error advises to lower.
    pub(crate) fn check_finite(&self, positions: &[u32], settings: &[&'static str]) -> Result<()> {
        match self.logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::Answers {
                position: positions[at / self.classes],
                value: self.logits[at],
                settings: settings.to_vec(),
            }),
        }
    }
}

/// Predicts the samples at `indices`, without augmentation.
///
/// # Errors
/// If there are no samples, or the network fails.
pub fn predict(network: &mut Network, images: &ImageSet, indices: &[u32]) -> Result<Predictions> {
    if indices.is_empty() {
        return Err(Error::Empty("predict"));
    }
    let plan = BatchPlan::new(images, indices, BatchOptions::evaluation(BATCH_SIZE))?.in_bytes(network.takes_bytes());
    let classes = network.graph().classes();
    let mut predictions = Predictions { logits: vec![], labels: vec![], classes };
    let mut logits = Vec::new();
    for batch in plan.epoch(0, 0) {
        let batch = batch?;
        see(network, &batch, Mode::Evaluate, &mut logits)?;
        predictions.logits.extend_from_slice(&logits);
        predictions.labels.extend_from_slice(&batch.labels);
    }
    Ok(predictions)
}

/// Maximum number of samples that [`check_answers`] predicts.
const ASKED: usize = 128;

/// Checks that the network answers some of the samples at `positions`, evenly chosen, with finite logits. Weights may all be
/// finite and yet so large that their sums are not.
///
/// # Errors
/// If a logit is not finite, or the network fails. `settings` are the keys that the error advises to lower.
pub fn check_answers(
    network: &mut Network,
    images: &ImageSet,
    positions: &[u32],
    settings: &[&'static str],
) -> Result<()> {
    let asked: Vec<u32> = positions.iter().step_by(positions.len().div_ceil(ASKED).max(1)).copied().collect();
    if asked.is_empty() {
        return Ok(());
    }
    predict(network, images, &asked)?.check_finite(&asked, settings)
}

/// Number of samples whose largest logit is that of the label.
pub(crate) fn count_correct(logits: &[f32], labels: &[u32]) -> usize {
    let rows = logits.chunks(logits.len() / labels.len()).zip(labels);
    rows.filter(|(logits, label)| argmax(logits) == **label as usize).count()
}

//! What all training of one model has in common, whoever trains it and on which of the samples.

use unlearn_network::DeviceChoice;
use unlearn_samples::{Augmentation, BatchPlan, ImageSet};

use crate::{Recipe, Result, Session};

/// Samples, recipe, device, randomness and surroundings: what training, pruning and unlearning are all given. A method says beside
/// it which network it works on, and on which positions.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The official training images; all positions count in them.
    pub images: &'a ImageSet,
    /// Positions of the validation set D_v.
    pub validation: &'a [u32],
    /// How the model was trained, or is to be.
    pub recipe: &'a Recipe,
    /// The dataset's augmentation, used where the recipe says so.
    pub augmentation: Augmentation,
    /// Where networks run.
    pub device: DeviceChoice,
    /// Seed of everything random.
    pub seed: u64,
    /// Progress, saved state and interruption.
    pub session: Session<'a>,
}

impl<'a> Task<'a> {
    /// Shuffled batches of the samples at `positions`, as `recipe` has them.
    ///
    /// # Errors
    /// A position or a transform that does not suit the images.
    pub fn batches(&self, positions: &[u32], recipe: &Recipe) -> Result<BatchPlan> {
        recipe.batches(self.images, positions, self.augmentation, self.seed)
    }

    /// The samples that may choose an epoch, as a [`Run`](crate::Run) takes them.
    pub fn validation(&self) -> Option<(&'a ImageSet, &'a [u32])> {
        Some((self.images, self.validation))
    }
}

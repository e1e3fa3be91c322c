//! The data that all training runs of one model share, for every method and every subset of the samples.

use unlearn_network::DeviceChoice;
use unlearn_samples::{Augmentation, BatchPlan, ImageSet};

use crate::{Recipe, Result, Session};

/// Samples, recipe, device, seed and session, which training, pruning and unlearning all need. A method additionally
/// gets a network and the positions to use.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The official training images. All positions are indices into them.
    pub images: &'a ImageSet,
    /// Positions of the validation set D_v.
    pub validation: &'a [u32],
    /// The recipe with which the model was or will be trained.
    pub recipe: &'a Recipe,
    /// The dataset's augmentation, used if the recipe asks for it.
    pub augmentation: Augmentation,
    /// The device that runs networks.
    pub device: DeviceChoice,
    /// Seed of all randomness.
    pub seed: u64,
    /// Progress, saved state and interruption.
    pub session: Session<'a>,
}

impl<'a> Task<'a> {
    /// Shuffled batches of the samples at `positions`, as `recipe` asks for.
    ///
    /// # Errors
    /// If a position or a transform does not suit the images.
    pub fn batches(&self, positions: &[u32], recipe: &Recipe) -> Result<BatchPlan> {
        recipe.batches(self.images, positions, self.augmentation, self.seed)
    }

    /// The samples for selecting an epoch, in the form that a [`Run`](crate::Run) takes.
    pub fn validation(&self) -> Option<(&'a ImageSet, &'a [u32])> {
        Some((self.images, self.validation))
    }
}

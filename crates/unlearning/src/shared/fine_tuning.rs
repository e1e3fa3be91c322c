//! The keys that fine-tuning methods share, and the recipe they make.

use serde::{Deserialize, Serialize};
use unlearn_training::{Recipe, Schedule, Select};

use crate::{
    parameter::{Origin, Parameter, Search, fixed, searched},
    shared::range::{one_or_more, positive},
};

/// Keys of a method that fine-tunes; each method has its own defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FineTuning {
    /// Passes over the method's samples.
    pub epochs: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Samples a step; the original recipe's if not given.
    pub batch_size: Option<usize>,
}

/// The keys of [`FineTuning`], with the sources of a method's epochs and learning rate and where the latter is searched.
pub const fn parameters(epochs: Origin, lr: Origin, search: Search) -> [Parameter; 4] {
    [
        fixed("epochs", "passes over the method's samples", epochs),
        searched("lr", "peak learning rate", lr, search),
        fixed("schedule", "how the learning rate moves: constant, multistep, cosine or one-cycle", Origin::Ours),
        fixed("batch-size", "samples a step", Origin::Training),
    ]
}

impl FineTuning {
    /// So many epochs at one learning rate.
    pub fn new(epochs: usize, lr: f64) -> Self {
        Self { epochs, lr, schedule: Schedule::Constant, batch_size: None }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// The key, what is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        if self.epochs == 0 {
            return Err("`epochs` must be 1 or more, found 0; to change nothing use method `raw`".into());
        }
        positive("lr", self.lr)?;
        self.batch_size.map_or(Ok(()), |size| one_or_more("batch-size", size))
    }

    /// The original recipe with the few numbers that fine-tuning changes: no warm-up, no choice of epoch by validation,
    /// and targets as they are: neither smoothed nor mixed.
    pub fn recipe(&self, original: &Recipe) -> Recipe {
        Recipe {
            epochs: self.epochs,
            lr: self.lr,
            schedule: self.schedule,
            batch_size: self.batch_size.unwrap_or(original.batch_size),
            warmup_epochs: 0.0,
            label_smoothing: 0.0,
            mixup: None,
            select: Select::Last,
            ..original.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_neither_smoothed_nor_mixed_and_images_are_as_in_training() {
        let original = Recipe { label_smoothing: 0.1, mixup: Some(0.2), cutout: Some(4), ..Recipe::default() };
        let recipe = FineTuning::new(3, 0.01).recipe(&original);
        assert_eq!((recipe.epochs, recipe.lr, recipe.label_smoothing, recipe.mixup), (3, 0.01, 0.0, None));
        assert_eq!((recipe.cutout, recipe.augment), (original.cutout, original.augment));
    }
}

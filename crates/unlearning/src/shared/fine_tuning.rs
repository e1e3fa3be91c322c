//! The keys that fine-tuning methods share, and the recipe made of them.

use serde::{Deserialize, Serialize};
use unlearn_training::{Recipe, Schedule, Select};

use crate::{
    parameter::{Origin, Parameter, Search, fixed, searched},
    shared::range::{one_or_more, positive},
};

/// Keys of a fine-tuning method. Each method has its own defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FineTuning {
    /// Passes over the method's samples.
    pub epochs: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Samples per step. `None` means the original recipe's.
    pub batch_size: Option<usize>,
}

/// The keys of [`FineTuning`], with the origins of a method's epochs and learning rate, and the search range of the
/// learning rate.
pub const fn parameters(epochs: Origin, lr: Origin, search: Search) -> [Parameter; 4] {
    [
        fixed("epochs", "passes over the method's samples", epochs),
        searched("lr", "peak learning rate", lr, search),
        fixed("schedule", "course of the learning rate: constant, multistep, cosine or one-cycle", Origin::Ours),
        fixed("batch-size", "samples per step", Origin::Training),
    ]
}

impl FineTuning {
    /// This number of epochs at a constant learning rate.
    pub fn new(epochs: usize, lr: f64) -> Self {
        Self { epochs, lr, schedule: Schedule::Constant, batch_size: None }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// A message with the key, the reason, and the allowed values.
    pub fn check(&self) -> Result<(), String> {
        if self.epochs == 0 {
            return Err("`epochs` must be 1 or more, found 0; to change nothing use method `raw`".into());
        }
        one_or_more("epochs", self.epochs)?;
        positive("lr", self.lr)?;
        self.batch_size.map_or(Ok(()), |size| one_or_more("batch-size", size))
    }

    /// The original recipe with the changes of fine-tuning: no warm-up, no selection of an epoch by validation, and
    /// neither label smoothing nor mixup.
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

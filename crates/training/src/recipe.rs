//! Training recipes: the numbers of a training run, as a suite gives them.

use serde::{Deserialize, Serialize};
use unlearn_samples::{Augmentation, BatchOptions, BatchPlan, ImageSet, MOST_MIXUP, RandAugment};

use crate::{Error, Result, Schedule, range};

/// A training recipe. The defaults are those of the paper for dense CIFAR-10 training (arXiv 2304.04934, appendix
/// C.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Recipe {
    /// Passes over the data.
    pub epochs: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Optimiser. Unlearning methods use it as well, unless their source names another.
    // This field and some below are not written if they are off, so that the hash of a recipe without them stays as
    // it was before they existed.
    #[serde(skip_serializing_if = "is_default")]
    pub optimizer: Rule,
    /// Momentum μ in 0..1, for SGD only.
    pub momentum: f64,
    /// Nesterov's form of momentum, for SGD only.
    pub nesterov: bool,
    /// L2 penalty, added to the gradient. With `adamw`, the share by which weights shrink at learning rate 1.
    pub weight_decay: f64,
    /// Course of the learning rate over the run.
    pub schedule: Schedule,
    /// Epochs at which `multistep` multiplies the learning rate by `gamma`.
    pub milestones: Vec<usize>,
    /// Factor of `multistep`.
    pub gamma: f64,
    /// Epochs (fractions allowed) over which the learning rate rises linearly from 0.
    pub warmup_epochs: f64,
    /// Share of the target probability that is spread evenly over all classes (label smoothing ε), in 0..1.
    pub label_smoothing: f64,
    /// Apply random crops and flips as the dataset prescribes.
    pub augment: bool,
    /// Apply a few random operations to every training image after that (`RandAugment`, arXiv 1909.13719).
    #[serde(skip_serializing_if = "is_default")]
    pub rand_augment: Option<RandAugment>,
    /// Side, in pixels, of a square that is cut out of every training image (Cutout, arXiv 1708.04552), whether or
    /// not `augment` is set.
    #[serde(skip_serializing_if = "is_default")]
    pub cutout: Option<usize>,
    /// Parameter α of mixup (arXiv 1710.09412), which overlays training images and their labels with one another. It
    /// applies to training, pruning and retraining. The passes of unlearning methods use unmixed images and labels.
    #[serde(skip_serializing_if = "is_default")]
    pub mixup: Option<f64>,
    /// The epoch whose weights the run ends with.
    pub select: Select,
}

/// The optimiser's update rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// [`Sgd`](crate::Sgd) with the recipe's momentum and weight decay.
    #[default]
    Sgd,
    /// [`Adam`](crate::Adam) with the recipe's weight decay added to the gradient.
    Adam,
    /// [`Adam`](crate::Adam) with the recipe's weight decay decoupled from the gradient.
    #[serde(rename = "adamw")]
    AdamW,
}

/// The epoch whose weights a run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The last epoch.
    Last,
    /// The epoch with the highest validation accuracy; the earliest among equals.
    Best,
}

/// Whether a field has its default value.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 182,
            batch_size: 256,
            lr: 0.1,
            optimizer: Rule::Sgd,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            schedule: Schedule::Multistep,
            milestones: vec![91, 136],
            gamma: 0.1,
            warmup_epochs: 0.0,
            label_smoothing: 0.0,
            augment: true,
            rand_augment: None,
            cutout: None,
            mixup: None,
            select: Select::Best,
        }
    }
}

impl Recipe {
    /// Checks the range of every number.
    ///
    /// # Errors
    /// Names the first number that is out of range.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::Recipe(format!("`{name}` must lie in 0..1, found {value:?}")))
            }
        };
        self.check_numbers().map_err(Error::Recipe)?;
        share("momentum", self.momentum)?;
        share("label-smoothing", self.label_smoothing)?;
        if let Some(rand_augment) = self.rand_augment.filter(|it| !it.is_sound()) {
            let RandAugment { operations, magnitude } = rand_augment;
            let range = "1 to 64 operations, and a magnitude from 0 to 30";
            return Err(Error::Recipe(format!("`rand-augment` needs {range}; found {operations} and {magnitude}")));
        }
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::Recipe("`nesterov = true` needs a `momentum` above 0".into()));
        }
        Ok(())
    }

    /// Counts and factors. The error is a reason for users.
    fn check_numbers(&self) -> std::result::Result<(), String> {
        range::at_most("epochs", self.epochs, range::MOST)?;
        range::one_or_more("batch-size", self.batch_size)?;
        range::positive("lr", self.lr)?;
        range::positive("gamma", self.gamma)?;
        range::zero_or_more("weight-decay", self.weight_decay)?;
        range::zero_or_more("warmup-epochs", self.warmup_epochs)?;
        if self.warmup_epochs > range::MOST as f64 {
            return Err(format!("`warmup-epochs` must be at most {}, found {:?}", range::MOST, self.warmup_epochs));
        }
        if self.schedule == Schedule::Multistep {
            let passed = self.milestones.iter().filter(|milestone| **milestone < self.epochs).count();
            let last = self.lr * self.gamma.powi(passed as i32);
            if !(last as f32).is_finite() {
                let factors = if passed == 1 { "one factor".to_owned() } else { format!("{passed} factors") };
                return Err(format!(
                    "`gamma` raises `lr` to {last:e} after {factors}, too large for a 32-bit number; lower `gamma`"
                ));
            }
        }
        let Some(alpha) = self.mixup else { return Ok(()) };
        range::positive("mixup", alpha)?;
        if alpha > MOST_MIXUP {
            let most = MOST_MIXUP;
            return Err(format!(
                "`mixup` must be at most {most}, found {alpha:?}; λ is a half in practice from there on"
            ));
        }
        Ok(())
    }

    /// Keys of the settings that make a loss diverge if they are too strong: the learning rate, and a weight decay that changes a
    /// weight by a tenth or more in one step.
    pub fn strong_settings(&self) -> Vec<&'static str> {
        let decays = self.lr * self.weight_decay >= 0.1;
        if decays { vec!["lr", "weight-decay"] } else { vec!["lr"] }
    }

    /// Checks that there are validation samples if the recipe selects an epoch by them.
    ///
    /// # Errors
    /// If the recipe selects an epoch but there are no validation samples.
    pub fn check_selection(&self, validation: &[u32]) -> Result<()> {
        if self.select == Select::Best && validation.is_empty() {
            let reason = "`select = \"best\"` selects an epoch by validation images, but there are none; set some aside (`validation` \
                          of [data]), or say `select = \"last\"`";
            return Err(Error::Recipe(reason.into()));
        }
        Ok(())
    }

    /// Shuffled batches of the samples at `indices`, augmented as the recipe says.
    ///
    /// # Errors
    /// If there are no samples, an index is past the end, or an augmentation does not suit the images or is out of
    /// range.
    pub fn batches(
        &self,
        images: &ImageSet,
        indices: &[u32],
        augmentation: Augmentation,
        seed: u64,
    ) -> Result<BatchPlan> {
        let augmentation = if self.augment { augmentation } else { Augmentation::NONE };
        let Self { rand_augment, cutout, mixup, .. } = *self;
        let options = BatchOptions::training(self.batch_size, augmentation, seed);
        Ok(BatchPlan::new(images, indices, BatchOptions { rand_augment, cutout, mixup, ..options })?)
    }

    /// Learning rate of step number `step`, counted from 0, in a run with `steps_per_epoch` steps per epoch.
    pub fn lr_at(&self, step: usize, steps_per_epoch: usize) -> f64 {
        self.schedule.lr_at(self, step, steps_per_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_not_written_and_what_is_on_comes_back() {
        let written = serde_json::to_value(Recipe::default()).unwrap();
        let keys: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        // These are the keys of the first release. More keys would change the name of every stored stage.
        let first = "augment batch-size epochs gamma label-smoothing lr milestones momentum nesterov schedule select \
                     warmup-epochs weight-decay";
        assert_eq!(keys.join(" "), first);
        let rand_augment = Some(RandAugment { operations: 3, magnitude: 5 });
        let (cutout, mixup) = (Some(8), Some(0.2));
        let recipe = Recipe { optimizer: Rule::AdamW, rand_augment, cutout, mixup, ..Recipe::default() };
        let written = serde_json::to_value(&recipe).unwrap();
        assert_eq!((&written["optimizer"], &written["cutout"]), (&"adamw".into(), &8.into()));
        assert_eq!((&written["rand-augment"]["magnitude"], &written["mixup"]), (&5.into(), &0.2.into()));
        assert_eq!(serde_json::from_value::<Recipe>(written).unwrap(), recipe);
    }

    #[test]
    fn augmentation_out_of_range_is_refused_by_its_name() {
        let refusal = |recipe: Recipe| recipe.check().unwrap_err().to_string();
        for mixup in [0.0, -1.0, f64::NAN] {
            let error = refusal(Recipe { mixup: Some(mixup), ..Recipe::default() });
            assert!(error.contains("`mixup` must be a positive number"), "{error}");
        }
        for (recipe, words) in [
            (Recipe { mixup: Some(1e300), ..Recipe::default() }, "`mixup` is 1e300"),
            (Recipe { mixup: Some(1e18), ..Recipe::default() }, "`mixup` must be at most 1000, found 1e18"),
            (Recipe { epochs: i64::MAX as usize, ..Recipe::default() }, "`epochs` must be at most 1000000"),
            (Recipe { batch_size: usize::MAX, ..Recipe::default() }, "`batch-size` must be at most 1000000"),
            (Recipe { warmup_epochs: 1e7, ..Recipe::default() }, "`warmup-epochs` must be at most 1000000"),
            (Recipe { lr: 1e-300, ..Recipe::default() }, "`lr` is 1e-300, which is 0 as a 32-bit number"),
            (Recipe { weight_decay: 1e200, ..Recipe::default() }, "`weight-decay` is 1e200, too large"),
            (Recipe { gamma: 1e30, ..Recipe::default() }, "`gamma` raises `lr` to"),
        ] {
            let error = refusal(recipe);
            assert!(error.contains(words), "{error}");
        }
        for [operations, magnitude] in [[0, 9], [2, 31], [65, 9], [99_999_999, 9]] {
            let rand_augment = Some(RandAugment { operations, magnitude });
            let error = refusal(Recipe { rand_augment, ..Recipe::default() });
            assert!(error.contains(&format!("found {operations} and {magnitude}")), "{error}");
        }
    }
}

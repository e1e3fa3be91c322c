//! What a model was trained on, and how.

use std::sync::Arc;

use serde_json::Value;
use unlearn_models::{Origin, checkpoint::Training};
use unlearn_network::{DeviceChoice, Network};
use unlearn_samples::{Dataset, Division, Split};
use unlearn_training::{CrossEntropy, Outcome, Pruner, Recipe, Run, Session, Task, train_and_prune};

use super::{Purpose, check_fingerprint};
use crate::{Error, Result};

/// A call after every epoch of a training. It may prune the network.
pub type AfterEpoch<'a> = Pruner<'a, unlearn_training::Error>;

/// How a model came to be, beside its data.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The recipe of its training.
    pub recipe: Recipe,
    /// Everything random in its training and after follows from this seed ([`Purpose`]).
    pub seed: u64,
    /// The pretrained weights that its training began with. `None` for fresh weights.
    pub init: Option<Origin>,
    /// Everything that it was made to forget, as positions in the official training set, ascending.
    pub forgotten: Vec<u32>,
}

/// What a model was trained on, and how. This is what training, pruning, unlearning and judging it rest on.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Their split. Its training part is what the model was trained with.
    pub split: Split,
    /// The recipe, the seed, and what was forgotten since.
    pub history: History,
}

impl History {
    /// The history of an untrained model with this seed.
    pub fn fresh(seed: u64) -> Self {
        Self { recipe: Recipe::default(), seed, init: None, forgotten: Vec::new() }
    }

    /// What a model's file says of its training.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the recipe cannot be read or has a number out of range, or what was forgotten is not in ascending order.
    pub fn of(training: &Training) -> Result<Self> {
        let recipe: Recipe =
            serde_json::from_value(training.recipe.clone()).map_err(|error| damaged(error.to_string()))?;
        recipe.check().map_err(|error| damaged(error.to_string()))?;
        let Training { seed, init, forgotten, .. } = training.clone();
        if !forgotten.is_sorted_by(|a, b| a < b) {
            return Err(damaged("`forgotten` does not list each position once, ascending"));
        }
        Ok(Self { recipe, seed, init, forgotten })
    }

    /// Everything that must be forgotten if this is asked for too, ascending.
    pub fn forgotten_with(&self, asked: &[u32]) -> Vec<u32> {
        let mut all = [&self.forgotten[..], asked].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a model with this history is as its training left it: it was neither pruned nor made to forget.
    pub fn is_dense(&self, network: &Network) -> bool {
        self.forgotten.is_empty() && network.kept().iter().all(Option::is_none)
    }

    /// The seed of the weights that its training began with.
    pub fn initial_seed(&self) -> u64 {
        Purpose::Initialization.seed(self.seed)
    }
}

impl Trained {
    /// Checks that these can be the images and the split of the training. `fingerprint` is that of the images of the training.
    ///
    /// # Errors
    /// [`Error::Fit`] if they are other images, [`Error::Damaged`] if the model has forgotten an image that the split does not train on.
    pub fn check(&self, fingerprint: &str) -> Result<()> {
        check_fingerprint(&self.dataset, fingerprint)?;
        match self.never_trained_on() {
            None => Ok(()),
            Some(id) => Err(damaged(format!("it has forgotten image {id}, which it was not trained on"))),
        }
    }

    /// An image that the model has forgotten although the split does not train on it.
    pub fn never_trained_on(&self) -> Option<u32> {
        self.history.forgotten.iter().copied().find(|id| self.split.train.binary_search(id).is_err())
    }

    /// What the model's file says of its training. `data` describes the dataset and its split, as the section `[data]` of a suite does.
    ///
    /// # Errors
    /// None in practice.
    pub fn training(&self, data: Value) -> serde_json::Result<Training> {
        let History { recipe, seed, init, forgotten } = self.history.clone();
        let fingerprint = self.dataset.fingerprint.clone();
        Ok(Training { data, fingerprint, recipe: serde_json::to_value(recipe)?, seed, init, forgotten })
    }

    /// The task of a pruning or unlearning, with random numbers of its own for each purpose.
    pub fn task<'a>(&'a self, purpose: Purpose, device: DeviceChoice, session: Session<'a>) -> Task<'a> {
        Task {
            images: &self.dataset.train,
            validation: &self.split.validation,
            recipe: &self.history.recipe,
            augmentation: self.dataset.augmentation,
            device,
            seed: purpose.seed(self.history.seed),
            session,
        }
    }

    /// Trains an untrained network on the samples at `positions` by the recipe. The outcome has the weights after the epochs in
    /// `snapshots`.
    ///
    /// # Errors
    /// If the data do not suit the network, the loss is not finite, the state cannot be saved, or the user interrupts.
    pub fn train(
        &self,
        network: &mut Network,
        positions: &[u32],
        snapshots: &[usize],
        session: Session<'_>,
    ) -> unlearn_training::Result<Outcome> {
        self.train_and(network, positions, snapshots, session, &mut |_, _| Ok(None))
    }

    /// The same, with a call after every epoch.
    ///
    /// # Errors
    /// As [`Trained::train`], and those of the call.
    pub fn train_and(
        &self,
        network: &mut Network,
        positions: &[u32],
        snapshots: &[usize],
        session: Session<'_>,
        after_epoch: &mut AfterEpoch<'_>,
    ) -> unlearn_training::Result<Outcome> {
        let Self { dataset, split, history } = self;
        let (images, recipe) = (&dataset.train, &history.recipe);
        let batches = recipe.batches(images, positions, dataset.augmentation, Purpose::Training.seed(history.seed))?;
        let validation = Some((images, split.validation.as_slice()));
        let run = Run { snapshots, validation, ..Run::new(recipe, &batches) };
        let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        train_and_prune(network, &mut objective, &run, session, after_epoch)
    }

    /// The training split, divided into all forgotten and retained samples.
    pub fn division(&self) -> Division {
        Division::new(&self.dataset, &self.split, &self.history.forgotten)
    }
}

fn damaged(reason: impl Into<String>) -> Error {
    Error::Damaged(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(recipe: Value, forgotten: Vec<u32>) -> Training {
        Training { data: Value::Null, fingerprint: String::new(), recipe, seed: 3, init: None, forgotten }
    }

    #[test]
    fn a_damaged_training_is_refused() {
        let said = |recipe: Value, forgotten| History::of(&training(recipe, forgotten)).unwrap_err().to_string();
        assert!(said(serde_json::json!({ "batch-size": 0 }), vec![]).starts_with("its `training` is damaged: "));
        assert!(said(serde_json::json!({ "batch-size": "many" }), vec![]).starts_with("its `training` is damaged: "));
        for forgotten in [vec![5, 2], vec![2, 2]] {
            let said = said(serde_json::json!({}), forgotten);
            assert_eq!(said, "its `training` is damaged: `forgotten` does not list each position once, ascending");
        }
    }

    #[test]
    fn what_was_forgotten_before_stays_forgotten() {
        let history = History::of(&training(serde_json::json!({}), vec![2, 9])).unwrap();
        assert_eq!(history.forgotten_with(&[9, 4]), [2, 4, 9]);
        assert_eq!(History::fresh(3).forgotten_with(&[9, 4]), [4, 9]);
    }

    /// The seeds of a model's results. They must never change.
    #[test]
    fn every_purpose_has_a_seed_of_its_own() {
        use Purpose::{Attack, Initialization, Pruning, Training, Unlearning};
        let seeds = [Initialization, Training, Pruning, Unlearning, Attack].map(|purpose| purpose.seed(3));
        let names = ["initialization", "train", "prune", "unlearn", "attack"];
        assert_eq!(seeds, names.map(|name| unlearn_random::derived_seed(3, name)));
        assert_eq!(History::fresh(3).initial_seed(), seeds[0]);
    }
}

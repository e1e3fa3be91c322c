//! `retrain`: fresh weights with the same mask, trained on the retain set with the original recipe. This is exact
//! unlearning, the gold standard for every other method (arXiv 2304.04934, section 2). If the model's training
//! started from pretrained weights, retraining does too.
//!
//! Deviation: the mask was learnt with the forget set in the data, as in the paper's own code.

use serde::{Deserialize, Serialize};
use unlearn_training::{CrossEntropy, Recipe, Update};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed},
    shared::range::{MOST, at_most, positive},
};

/// Retraining from scratch.
pub(crate) struct Retrain;

/// Keys of `retrain`, which its variants share. A missing key has the value of the original recipe.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Passes over the retain set.
    pub(crate) epochs: Option<usize>,
    /// Peak learning rate.
    pub(crate) lr: Option<f64>,
}

impl Config {
    /// All values of the original recipe.
    pub(crate) fn original() -> Self {
        Self { epochs: None, lr: None }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.epochs.map_or(Ok(()), |epochs| at_most("epochs", epochs, MOST))?;
        self.lr.map_or(Ok(()), |lr| positive("lr", lr))
    }

    /// Passes over the retain set, by a recipe.
    fn passes(&self, recipe: &Recipe) -> usize {
        self.epochs.unwrap_or(recipe.epochs)
    }

    /// Whether there is something to train, and to train on.
    pub(crate) fn suits(&self, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_epochs(self.passes(prospect.recipe))?;
        prospect.needs_what_selects()?;
        prospect.needs_retained()
    }

    /// Retrains from scratch.
    pub(crate) fn retrain(
        &self,
        request: &mut Request<'_>,
        label_smoothing: f64,
        update: Update,
    ) -> unlearn_training::Result<Outcome> {
        let recipe = Recipe {
            epochs: self.passes(request.task.recipe),
            lr: self.lr.unwrap_or(request.task.recipe.lr),
            label_smoothing,
            ..request.task.recipe.clone()
        };
        request.initialize_afresh()?;
        request.train_by(update, request.retain, &recipe, &mut CrossEntropy { label_smoothing })
    }
}

impl Method for Retrain {
    const NAME: &'static str = "retrain";
    const SUMMARY: &'static str = "fresh weights, same mask, trained on the retain set: the gold standard";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 2";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        fixed("epochs", "passes over the retain set", Origin::Training),
        fixed("lr", "peak learning rate", Origin::Training),
    ]];
    const BEGINS_AGAIN: bool = true;
    type Config = Config;

    fn defaults() -> Config {
        Config::original()
    }

    fn check(config: &Config) -> Result<(), String> {
        config.check()
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        config.suits(prospect)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        config.retrain(request, request.task.recipe.label_smoothing, Update::default())
    }
}

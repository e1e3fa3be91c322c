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
    /// The weights to begin with. They stand in a stage's description only if they are not fresh.
    #[serde(default, skip_serializing_if = "InitialWeights::are_fresh")]
    pub(crate) initial_weights: InitialWeights,
}

/// The weights that retraining begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InitialWeights {
    /// Weights of a new draw, as a user who never had the forget set would have them.
    #[default]
    Fresh,
    /// The very weights that the model's training began with: the retraining of proposition 2, whose distance from the unlearned model
    /// is the unlearning error.
    Original,
}

impl InitialWeights {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn are_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

/// The key `initial-weights` of `retrain` and its variants.
pub(crate) const INITIAL_WEIGHTS: Parameter = fixed(
    "initial-weights",
    "`fresh`: a new draw of weights; `original`: those that the model's training began with, as in proposition 2",
    Origin::Ours,
);

impl Config {
    /// All values of the original recipe.
    pub(crate) fn original() -> Self {
        Self { epochs: None, lr: None, initial_weights: InitialWeights::Fresh }
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
        match self.initial_weights {
            InitialWeights::Fresh => request.initialize_afresh()?,
            InitialWeights::Original => request.initialize_as_before()?,
        }
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
        INITIAL_WEIGHTS,
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

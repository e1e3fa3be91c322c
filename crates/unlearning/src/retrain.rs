//! `retrain`: fresh weights under the same mask, trained on the retain set with the original recipe. Exact unlearning, the
//! gold standard that every other method is held against (arXiv 2304.04934, section 2).
//!
//! Deviation: the mask was learned with the forget set in the data, as in the paper's own code.

use serde::{Deserialize, Serialize};
use unlearn_training::{CrossEntropy, Recipe};

use crate::{Method, Outcome, Request};

/// Retraining from scratch.
pub(crate) struct Retrain;

/// Keys of `retrain`; what is not given is the original recipe's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Passes over the retain set.
    pub(crate) epochs: Option<usize>,
    /// Peak learning rate.
    pub(crate) lr: Option<f64>,
}

impl Method for Retrain {
    const NAME: &'static str = "retrain";
    const SUMMARY: &'static str = "fresh weights, same mask, trained on the retain set: the gold standard";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 2";
    type Config = Config;

    fn defaults() -> Config {
        Config { epochs: None, lr: None }
    }

    fn check(config: &Config) -> Result<(), String> {
        match config.lr {
            Some(lr) if !(lr.is_finite() && lr > 0.0) => Err(format!("`lr` must be a positive number, found {lr}")),
            _ => Ok(()),
        }
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = Recipe {
            epochs: config.epochs.unwrap_or(request.recipe.epochs),
            lr: config.lr.unwrap_or(request.recipe.lr),
            ..request.recipe.clone()
        };
        request.initialize_afresh();
        let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        request.train(request.retain, &recipe, &mut objective)
    }
}

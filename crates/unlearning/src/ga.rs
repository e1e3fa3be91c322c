//! `ga`: gradient ascent on the forget set, undoing what training did (arXiv 2304.04934, section 3; Graves et al. 2021,
//! arXiv 2010.10981; Thudi et al. 2022, arXiv 2109.13398).

use serde::{Deserialize, Serialize};
use unlearn_training::{NegatedCrossEntropy, Schedule};

use crate::{Method, Outcome, Request, fine_tuning};

/// Gradient ascent on the forget set.
pub(crate) struct Ga;

/// Keys of `ga`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Passes over the forget set.
    pub(crate) epochs: usize,
    /// Learning rate; the paper searches 1e-6 to 1e-3.
    pub(crate) lr: f64,
    /// How the learning rate moves.
    pub(crate) schedule: Schedule,
    /// Samples a step; the original recipe's if not given.
    pub(crate) batch_size: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self { epochs: 5, lr: 1e-4, schedule: Schedule::Constant, batch_size: None }
    }
}

impl Method for Ga {
    const NAME: &'static str = "ga";
    const SUMMARY: &'static str = "gradient ascent on the forget set";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 3";
    type Config = Config;

    fn check(config: &Config) -> Result<(), String> {
        fine_tuning::check(config.epochs, config.lr, config.batch_size)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let Config { epochs, lr, schedule, batch_size } = *config;
        let recipe = fine_tuning::recipe(request.recipe, epochs, lr, schedule, batch_size);
        request.train(request.forget, &recipe, &mut NegatedCrossEntropy)
    }
}

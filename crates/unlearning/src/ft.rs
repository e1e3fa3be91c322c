//! `ft`: fine-tuning on the retain set, so that catastrophic forgetting takes the rest (arXiv 2304.04934, section 3;
//! Warnecke et al. 2021, arXiv 2108.11577; Golatkar et al. 2020, arXiv 1911.04933).

use serde::{Deserialize, Serialize};
use unlearn_training::{CrossEntropy, Schedule};

use crate::{Method, Outcome, Request, fine_tuning};

/// Fine-tuning on the retain set.
pub(crate) struct Ft;

/// Keys of `ft`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Passes over the retain set.
    pub(crate) epochs: usize,
    /// Peak learning rate; the paper searches 1e-3 to 1e-1.
    pub(crate) lr: f64,
    /// How the learning rate moves.
    pub(crate) schedule: Schedule,
    /// Samples a step; the original recipe's if not given.
    pub(crate) batch_size: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self { epochs: 10, lr: 0.01, schedule: Schedule::Constant, batch_size: None }
    }
}

impl Method for Ft {
    const NAME: &'static str = "ft";
    const SUMMARY: &'static str = "fine-tuning on the retain set";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, section 3";
    type Config = Config;

    fn check(config: &Config) -> Result<(), String> {
        fine_tuning::check(config.epochs, config.lr, config.batch_size)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let Config { epochs, lr, schedule, batch_size } = *config;
        let recipe = fine_tuning::recipe(request.recipe, epochs, lr, schedule, batch_size);
        request.train(request.retain, &recipe, &mut CrossEntropy::default())
    }
}

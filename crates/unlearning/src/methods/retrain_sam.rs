//! `retrain-sam`: retraining with sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412, algorithm 1).
//! Each step starts from θ and uses the gradient at θ + ρ·g/‖g‖.
//!
//! Details: as in the paper, the norm is over all parameters, without weight decay. Only the first of a step's two
//! passes updates running statistics. Deviation: the code of arXiv 2304.04934 creates a new optimiser for each epoch
//! and ignores the schedule; here momentum and schedule are as in `retrain`.

use serde::{Deserialize, Serialize};
use unlearn_training::Update;

use crate::{
    Method, Outcome, Prospect, Request,
    methods::retrain,
    parameter::{Origin, Parameter, fixed},
    shared::range::positive,
};

/// Retraining with sharpness-aware minimisation.
pub(crate) struct RetrainSam;

/// Keys of `retrain-sam`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The keys of `retrain`.
    #[serde(flatten)]
    retraining: retrain::Config,
    /// Distance ρ at which the gradient is taken.
    rho: f64,
}

impl Method for RetrainSam {
    const NAME: &'static str = "retrain-sam";
    const SUMMARY: &'static str = "retraining with sharpness-aware minimisation";
    const SOURCE: &'static str =
        "code of Jia et al. 2023, arXiv 2304.04934; Foret et al. 2021, arXiv 2010.01412, algorithm 1";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        fixed("epochs", "passes over the retain set", Origin::Training),
        fixed("lr", "peak learning rate", Origin::Training),
        retrain::INITIAL_WEIGHTS,
        fixed("rho", "distance from the weights at which the gradient is taken", Origin::Paper),
    ]];
    const BEGINS_AGAIN: bool = true;
    type Config = Config;

    fn defaults() -> Config {
        Config { retraining: retrain::Config::original(), rho: 0.05 }
    }

    fn check(config: &Config) -> Result<(), String> {
        positive("rho", config.rho)?;
        config.retraining.check()
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        config.retraining.suits(prospect)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let update = Update { sam: Some(config.rho), ..Update::default() };
        config.retraining.retrain(request, request.task.recipe.label_smoothing, update)
    }
}

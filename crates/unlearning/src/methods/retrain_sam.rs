//! `retrain-sam`: retraining with sharpness-aware minimisation (Foret et al. 2021, arXiv 2010.01412, algorithm 1): each step is
//! made along the gradient at θ + ρ·g/‖g‖, from θ.
//!
//! Deviations: the norm is over all parameters, without weight decay, as in the paper. Running statistics of normalisation see
//! the first of a step's two passes only. The code of arXiv 2304.04934 makes a new optimiser for each epoch and ignores the
//! schedule; here momentum and schedule are as in `retrain`.

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
    /// As `retrain`.
    #[serde(flatten)]
    retraining: retrain::Config,
    /// How far away the gradient is taken.
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
        fixed("rho", "how far away from the weights the gradient is taken", Origin::Paper),
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

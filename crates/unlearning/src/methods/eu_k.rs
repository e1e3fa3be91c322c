//! `eu-k`: exact unlearning of the last k stages. They are initialised afresh and trained on the retain set, everything before
//! them is frozen ("EU-k", Goel et al. 2022, arXiv 2201.06640).
//!
//! As `cf-k`, but for the fresh values, which are those `retrain` starts from. Deviation: the paper trains them by the original
//! recipe; the keys are `cf-k`'s, whose epochs and learning rate are fewer and lower.

use crate::{Method, Outcome, Prospect, Request, methods::cf_k::Config, parameter::Parameter};

/// Retraining of the last stages.
pub(crate) struct EuK;

impl Method for EuK {
    const NAME: &'static str = "eu-k";
    const SUMMARY: &'static str = "retraining of the last k stages on the retain set, the rest frozen";
    const SOURCE: &'static str = "Goel et al. 2022, arXiv 2201.06640 (EU-k)";
    const PARAMETERS: &'static [&'static [Parameter]] = crate::methods::cf_k::PARAMETERS;
    const BEGINS_AGAIN: bool = true;
    type Config = Config;

    fn defaults() -> Config {
        Config::last_stage()
    }

    fn check(config: &Config) -> Result<(), String> {
        config.check()
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        config.suits(prospect)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        config.fine_tune(true, request)
    }
}

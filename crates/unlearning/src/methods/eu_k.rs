//! `eu-k`: exact unlearning of the last k stages. They are reset to fresh values and trained on the retain set, and
//! all earlier layers are frozen ("EU-k", Goel et al. 2022, arXiv 2201.06640).
//!
//! The method equals `cf-k` except for the fresh values, which are those that `retrain` starts from. Deviation: the
//! paper trains the stages by the original recipe. The keys here are those of `cf-k`, with fewer epochs and a lower
//! learning rate.

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

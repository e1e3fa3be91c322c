//! `retrain-ls`: retraining with label smoothing (Szegedy et al. 2016, arXiv 1512.00567, section 7). The share ε of
//! each target is spread evenly over all classes. The softer outputs reveal less about membership.

use serde::{Deserialize, Serialize};
use unlearn_training::Update;

use crate::{
    Method, Outcome, Prospect, Request,
    methods::retrain,
    parameter::{Origin, Parameter, fixed},
};

/// Retraining with label smoothing.
pub(crate) struct RetrainLs;

/// Keys of `retrain-ls`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The keys of `retrain`.
    #[serde(flatten)]
    retraining: retrain::Config,
    /// Share ε of the target that is spread over all classes, in 0..1.
    label_smoothing: f64,
}

impl Method for RetrainLs {
    const NAME: &'static str = "retrain-ls";
    const SUMMARY: &'static str = "retraining with label smoothing";
    const SOURCE: &'static str =
        "code of Jia et al. 2023, arXiv 2304.04934; Szegedy et al. 2016, arXiv 1512.00567, section 7";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        fixed("epochs", "passes over the retain set", Origin::Training),
        fixed("lr", "peak learning rate", Origin::Training),
        retrain::INITIAL_WEIGHTS,
        fixed("label-smoothing", "share of each target spread evenly over all classes", Origin::Code),
    ]];
    const BEGINS_AGAIN: bool = true;
    type Config = Config;

    fn defaults() -> Config {
        Config { retraining: retrain::Config::original(), label_smoothing: 0.1 }
    }

    fn check(config: &Config) -> Result<(), String> {
        let smoothing = config.label_smoothing;
        if !(0.0..1.0).contains(&smoothing) {
            return Err(format!("`label-smoothing` must lie in 0..1, found {smoothing}"));
        }
        config.retraining.check()
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        config.retraining.suits(prospect)
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        config.retraining.retrain(request, config.label_smoothing, Update::default())
    }
}

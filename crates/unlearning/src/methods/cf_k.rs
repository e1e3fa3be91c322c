//! `cf-k`: catastrophic forgetting of the last k stages. They are fine-tuned on the retain set, and all earlier
//! layers are frozen ("CF-k", Goel et al. 2022, arXiv 2201.06640).
//!
//! Frozen values keep their bits, running statistics included. During training, all normalisation uses batch
//! statistics. `last_stages.rs` defines a stage.

use serde::{Deserialize, Serialize};
use unlearn_training::{CrossEntropy, Update};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed, log},
    shared::{
        fine_tuning::{self, FineTuning},
        last_stages::LastStages,
        range::one_or_more,
    },
};

/// Fine-tuning of the last stages.
pub(crate) struct CfK;

/// Keys of `cf-k` and `eu-k`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the retain set, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Number of last stages that are trained.
    k: usize,
}

impl Config {
    /// The stage of the classifier only.
    pub(crate) fn last_stage() -> Self {
        Self { tuning: FineTuning::new(10, 0.01), k: 1 }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        one_or_more("k", self.k)?;
        self.tuning.check()
    }

    /// Checks that the network has at least `k` stages and D_r is not empty.
    pub(crate) fn suits(&self, prospect: &Prospect<'_>) -> Result<(), String> {
        LastStages::new(prospect.graph, self.k).map_err(|error| error.to_string())?;
        prospect.needs_retained()
    }

    /// Fine-tunes the last k stages on the retain set. With `afresh`, they start from fresh values.
    pub(crate) fn fine_tune(&self, afresh: bool, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let last = LastStages::new(request.network.graph(), self.k)?;
        let original = request.network.state().clone();
        if afresh {
            let initial = (request.initial)(request.network.graph(), request.task.seed)?;
            last.replace_by(request.network, &initial);
        }
        let update = Update { trainable: Some(last.trainable(&original)), ..Update::default() };
        let recipe = self.tuning.recipe(request.task.recipe);
        let outcome = request.train_by(update, request.retain, &recipe, &mut CrossEntropy::default())?;
        last.restore_statistics_before(request.network, &original);
        Ok(outcome)
    }
}

/// Keys of both methods.
pub(crate) const PARAMETERS: &[&[Parameter]] = &[
    &fine_tuning::parameters(Origin::Ours, Origin::Ours, log(1e-3, 1e-1)),
    &[fixed("k", "number of last stages that are trained", Origin::Ours)],
];

impl Method for CfK {
    const NAME: &'static str = "cf-k";
    const SUMMARY: &'static str = "fine-tuning of the last k stages on the retain set, the rest frozen";
    const SOURCE: &'static str = "Goel et al. 2022, arXiv 2201.06640 (CF-k)";
    const PARAMETERS: &'static [&'static [Parameter]] = PARAMETERS;
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
        config.fine_tune(false, request)
    }
}

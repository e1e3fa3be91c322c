//! `ga-l1`: gradient ascent on the forget set with an ℓ1 penalty: min over θ of −ℓ(θ; D_f) + γ‖θ‖₁ (code of arXiv
//! 2304.04934; the penalty is that of its equation 3 with a constant γ).
//!
//! As in `l1-sparse`, the penalty applies to every parameter, by its subgradient.

use serde::{Deserialize, Serialize};
use unlearn_training::NegatedCrossEntropy;

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        l1_penalty::{GammaSchedule, L1Penalized},
        range::zero_or_more,
    },
};

/// Gradient ascent with an ℓ1 penalty.
pub(crate) struct GaL1;

/// Keys of `ga-l1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the forget set, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Weight γ of the penalty.
    gamma: f64,
}

impl Method for GaL1 {
    const NAME: &'static str = "ga-l1";
    const SUMMARY: &'static str = "gradient ascent on the forget set with an ℓ1 penalty";
    const SOURCE: &'static str = "code of Jia et al. 2023, arXiv 2304.04934";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-6, 1e-3)),
        &[searched("gamma", "weight of the penalty", Origin::Code, log(1e-5, 1e-1))],
    ];
    type Config = Config;

    /// Defaults as in `ga`, with γ as in `l1-sparse`.
    fn defaults() -> Config {
        Config { tuning: FineTuning::new(5, 1e-4), gamma: 1e-4 }
    }

    fn check(config: &Config) -> Result<(), String> {
        zero_or_more("gamma", config.gamma)?;
        config.tuning.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.tuning.recipe(request.task.recipe);
        let gamma_schedule = GammaSchedule::Constant;
        let mut objective = L1Penalized { loss: NegatedCrossEntropy, gamma: config.gamma, gamma_schedule };
        request.train(request.forget, &recipe, &mut objective)
    }
}

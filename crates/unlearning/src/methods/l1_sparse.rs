//! `l1-sparse`: fine-tuning on the retain set with an ℓ1 penalty, the paper's sparsity-aware unlearning (arXiv 2304.04934,
//! section 4.2, equation 3): min over θ of ℓ(θ; D_r) + γₜ‖θ‖₁.
//!
//! As in the paper's code, the penalty applies to every parameter, normalisation and biases included, by its
//! subgradient. So weights come close to 0 but do not stay at 0. In `l1-prox`, they do.

use serde::{Deserialize, Serialize};
use unlearn_training::CrossEntropy;

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        l1_penalty::{GammaSchedule, L1Penalized},
        range::zero_or_more,
    },
};

/// ℓ1-sparse unlearning.
pub(crate) struct L1Sparse;

/// Keys of `l1-sparse` and of `l1-prox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs T over the retain set, learning rate and batch size.
    #[serde(flatten)]
    pub(crate) tuning: FineTuning,
    /// Weight γ of the penalty. The paper searches 1e-5 to 1e-1.
    pub(crate) gamma: f64,
    /// Course of γₜ over the epochs.
    pub(crate) gamma_schedule: GammaSchedule,
}

impl Config {
    /// The paper's epochs, learning rate, schedule of γ, and γ (out of the searched 1e-5 to 1e-1).
    pub(crate) fn published() -> Self {
        Self { tuning: FineTuning::new(10, 0.01), gamma: 1e-4, gamma_schedule: GammaSchedule::Falling }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        zero_or_more("gamma", self.gamma)?;
        self.tuning.check()
    }
}

impl Method for L1Sparse {
    const NAME: &'static str = "l1-sparse";
    const SUMMARY: &'static str = "fine-tuning on the retain set with an ℓ1 penalty";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, equation 3";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Paper, Origin::Code, log(1e-3, 1e-1)),
        &[
            searched("gamma", "weight of the penalty", Origin::Code, log(1e-5, 1e-1)),
            fixed("gamma-schedule", "course of the weight: falling, constant or rising", Origin::Paper),
        ],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config::published()
    }

    fn check(config: &Config) -> Result<(), String> {
        config.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let Config { gamma, gamma_schedule, .. } = *config;
        let recipe = config.tuning.recipe(request.task.recipe);
        let mut objective = L1Penalized { loss: CrossEntropy::default(), gamma, gamma_schedule };
        request.train(request.retain, &recipe, &mut objective)
    }
}

//! `l1-sparse`: fine-tuning on the retain set with an ℓ1 penalty, the paper's sparsity-aware unlearning (arXiv 2304.04934,
//! section 4.2, equation 3): min over θ of ℓ(θ; D_r) + γₜ‖θ‖₁.
//!
//! The penalty covers every parameter, normalisation and biases included, by its subgradient, as in the paper's own code; so
//! weights come close to 0 and never stay there.

use serde::{Deserialize, Serialize};
use unlearn_datasets::Batch;
use unlearn_training::{CrossEntropy, Objective, Schedule};

use crate::{Method, Outcome, Request, fine_tuning::FineTuning};

/// ℓ1-sparse unlearning.
pub(crate) struct L1Sparse;

/// Keys of `l1-sparse`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Passes over the retain set (T).
    pub(crate) epochs: usize,
    /// Peak learning rate.
    pub(crate) lr: f64,
    /// Weight γ of the penalty; the paper searches 1e-5 to 1e-1.
    pub(crate) gamma: f64,
    /// How γₜ moves from epoch to epoch.
    pub(crate) gamma_schedule: GammaSchedule,
    /// How the learning rate moves.
    pub(crate) schedule: Schedule,
    /// Samples a step; the original recipe's if not given.
    pub(crate) batch_size: Option<usize>,
}

/// How the penalty's weight moves over epochs t = 0, …, T − 1 (arXiv 2304.04934, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GammaSchedule {
    /// γ(1 − t/T): the paper's choice.
    Falling,
    /// γ.
    Constant,
    /// γ·t/T.
    Rising,
}

impl Config {
    fn fine_tuning(&self) -> FineTuning {
        let Self { epochs, lr, schedule, batch_size, .. } = *self;
        FineTuning { epochs, lr, schedule, batch_size }
    }
}

impl Method for L1Sparse {
    const NAME: &'static str = "l1-sparse";
    const SUMMARY: &'static str = "fine-tuning on the retain set with an ℓ1 penalty";
    const SOURCE: &'static str = "Jia et al. 2023, arXiv 2304.04934, equation 3";
    type Config = Config;

    /// The paper's epochs, learning rate, schedule of γ and γ (of the 1e-5 to 1e-1 that it searches).
    fn defaults() -> Config {
        Config {
            epochs: 10,
            lr: 0.01,
            gamma: 1e-4,
            gamma_schedule: GammaSchedule::Falling,
            schedule: Schedule::Constant,
            batch_size: None,
        }
    }

    fn check(config: &Config) -> Result<(), String> {
        if !(config.gamma.is_finite() && config.gamma >= 0.0) {
            return Err(format!("`gamma` must be zero or more, found {}", config.gamma));
        }
        config.fine_tuning().check()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let Config { gamma, gamma_schedule, .. } = *config;
        let recipe = config.fine_tuning().recipe(request.recipe);
        request.train(request.retain, &recipe, &mut L1Penalized { gamma, gamma_schedule })
    }
}

/// Cross-entropy + γₜ‖θ‖₁.
struct L1Penalized {
    gamma: f64,
    gamma_schedule: GammaSchedule,
}

impl Objective for L1Penalized {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().loss(batch, logits, dlogits)
    }

    fn penalty(&mut self, progress: f64, parameters: &[Vec<f32>], gradients: &mut [Vec<f32>]) -> f64 {
        let gamma = match self.gamma_schedule {
            GammaSchedule::Falling => self.gamma * (1.0 - progress),
            GammaSchedule::Constant => self.gamma,
            GammaSchedule::Rising => self.gamma * progress,
        };
        let mut norm = 0.0;
        for (parameter, gradient) in parameters.iter().zip(gradients) {
            for (theta, g) in parameter.iter().zip(gradient) {
                norm += f64::from(theta.abs());
                // The subgradient at 0 is 0, so pruned weights stay where they are.
                if *theta != 0.0 {
                    *g += gamma as f32 * theta.signum();
                }
            }
        }
        gamma * norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_penalty_pulls_towards_zero_and_leaves_zeros_alone() {
        let mut objective = L1Penalized { gamma: 0.5, gamma_schedule: GammaSchedule::Falling };
        let mut gradients = vec![vec![0.0; 3]];
        let value = objective.penalty(0.5, &[vec![2.0, -1.0, 0.0]], &mut gradients);
        assert_eq!((value, gradients), (0.75, vec![vec![0.25, -0.25, 0.0]]));
    }
}

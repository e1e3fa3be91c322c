//! The penalty γₜ‖θ‖₁ of a loss, by its subgradient, and the course of γₜ.

use serde::{Deserialize, Serialize};
use unlearn_samples::Batch;
use unlearn_training::{Objective, Result};

/// Course of the penalty's weight over epochs t = 0, …, T − 1 (arXiv 2304.04934, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GammaSchedule {
    /// γ(1 − t/T), as in the paper.
    Falling,
    /// γ.
    Constant,
    /// γ·t/T.
    Rising,
}

impl GammaSchedule {
    /// γₜ after the share t/T of the epochs.
    pub(crate) fn at(self, gamma: f64, progress: f64) -> f64 {
        match self {
            Self::Falling => gamma * (1.0 - progress),
            Self::Constant => gamma,
            Self::Rising => gamma * progress,
        }
    }
}

/// A loss + γₜ‖θ‖₁ over every parameter.
pub(crate) struct L1Penalized<O> {
    pub(crate) loss: O,
    pub(crate) gamma: f64,
    pub(crate) gamma_schedule: GammaSchedule,
}

impl<O: Objective> Objective for L1Penalized<O> {
    fn prepare(&mut self, epoch: usize, batch: &Batch) -> Result<()> {
        self.loss.prepare(epoch, batch)
    }

    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        self.loss.loss(batch, logits, dlogits)
    }

    fn strong_settings(&self) -> &[&'static str] {
        if self.gamma > 0.0 { &["gamma"] } else { &[] }
    }

    fn penalty(&mut self, progress: f64, parameters: &[Vec<f32>], gradients: &mut [Vec<f32>]) -> f64 {
        let gamma = self.gamma_schedule.at(self.gamma, progress);
        let mut norm = 0.0;
        for (parameter, gradient) in parameters.iter().zip(gradients) {
            for (theta, g) in parameter.iter().zip(gradient) {
                norm += f64::from(theta.abs());
                // The subgradient at 0 is 0, so pruned weights stay 0.
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
    use unlearn_training::CrossEntropy;

    use super::*;

    #[test]
    fn the_penalty_pulls_towards_zero_and_leaves_zeros_alone() {
        let gamma_schedule = GammaSchedule::Falling;
        let mut objective = L1Penalized { loss: CrossEntropy::default(), gamma: 0.5, gamma_schedule };
        let mut gradients = vec![vec![0.0; 3]];
        let value = objective.penalty(0.5, &[vec![2.0, -1.0, 0.0]], &mut gradients);
        assert_eq!((value, gradients), (0.75, vec![vec![0.25, -0.25, 0.0]]));
    }
}

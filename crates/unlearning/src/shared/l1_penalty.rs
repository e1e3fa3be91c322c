//! The penalty γₜ‖θ‖₁ of a loss, by its subgradient, and the course of γₜ.

use serde::{Deserialize, Serialize};
use unlearn_network::{LossTerm, Penalty};
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

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        self.loss.known_loss(batch)
    }

    fn penalty(&self, progress: f64) -> Penalty<'_> {
        Penalty::L1 { gamma: self.gamma_schedule.at(self.gamma, progress) }
    }
}

#[cfg(test)]
mod tests {
    use unlearn_training::CrossEntropy;

    use super::*;

    #[test]
    fn the_factor_follows_its_schedule() {
        for (gamma_schedule, expected) in
            [(GammaSchedule::Falling, 0.375), (GammaSchedule::Constant, 0.5), (GammaSchedule::Rising, 0.125)]
        {
            let objective = L1Penalized { loss: CrossEntropy::default(), gamma: 0.5, gamma_schedule };
            let Penalty::L1 { gamma } = objective.penalty(0.25) else { panic!("another penalty") };
            assert_eq!(gamma, expected);
        }
    }
}

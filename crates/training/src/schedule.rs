//! Learning-rate schedules as functions of the step, so that a resumed run needs no state for them.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::Recipe;

/// Course of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// `lr · gammaᵏ` after the k-th milestone, epoch by epoch.
    Multistep,
    /// Half a cosine from `lr` to 0, step by step, over the steps after warm-up.
    Cosine,
    /// Smith & Topin 2017 (arXiv 1708.07120) as in PyTorch's `OneCycleLR`: a cosine up from lr/25 over the first 30 %
    /// of the steps, then a cosine down to lr/25/10⁴.
    OneCycle,
}

const ONE_CYCLE_RISE: f64 = 0.3;
const ONE_CYCLE_START: f64 = 25.0;
const ONE_CYCLE_END: f64 = 1e4;

impl Schedule {
    pub(crate) fn lr_at(self, recipe: &Recipe, step: usize, steps_per_epoch: usize) -> f64 {
        let warmup = recipe.warmup_epochs * steps_per_epoch as f64;
        let total = recipe.epochs as f64 * steps_per_epoch as f64;
        let at = step as f64;
        if at < warmup {
            return recipe.lr * (at + 1.0) / warmup.max(1.0);
        }
        match self {
            Self::Constant => recipe.lr,
            Self::Multistep => {
                let epoch = step / steps_per_epoch;
                let passed = recipe.milestones.iter().filter(|m| **m <= epoch).count();
                recipe.lr * recipe.gamma.powi(passed as i32)
            }
            Self::Cosine => recipe.lr * 0.5 * (1.0 + (PI * (at - warmup) / (total - warmup).max(1.0)).cos()),
            Self::OneCycle => {
                let start = recipe.lr / ONE_CYCLE_START;
                let peak_at = ONE_CYCLE_RISE * total - 1.0;
                if at <= peak_at {
                    anneal(start, recipe.lr, at / peak_at)
                } else {
                    anneal(recipe.lr, start / ONE_CYCLE_END, (at - peak_at) / (total - 1.0 - peak_at))
                }
            }
        }
    }
}

fn anneal(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: Schedule) -> Recipe {
        Recipe { epochs: 10, lr: 0.1, schedule, milestones: vec![5, 8], ..Recipe::default() }
    }

    #[test]
    fn multistep_falls_at_its_milestones() {
        let recipe = recipe(Schedule::Multistep);
        let at = |epoch: usize| recipe.lr_at(epoch * 7, 7);
        assert_eq!((at(0), at(4)), (0.1, 0.1));
        assert!((at(5) - 0.01).abs() < 1e-12 && (at(8) - 0.001).abs() < 1e-12);
    }

    #[test]
    fn cosine_starts_at_the_peak_after_warmup_and_ends_near_zero() {
        let recipe = Recipe { warmup_epochs: 1.0, ..recipe(Schedule::Cosine) };
        assert!((recipe.lr_at(0, 10) - 0.01).abs() < 1e-12);
        assert!((recipe.lr_at(10, 10) - 0.1).abs() < 1e-12);
        assert!((recipe.lr_at(55, 10) - 0.05).abs() < 1e-12);
        assert!(recipe.lr_at(99, 10) < 1e-4);
    }
}

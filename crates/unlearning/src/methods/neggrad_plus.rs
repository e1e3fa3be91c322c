//! `neggrad-plus`: simultaneous descent on the retain set and ascent on the forget set (`NegGrad+`, Kurmanji et al.
//! 2023, arXiv 2302.09880): min over θ of β·ℓ(θ; D_r) − (1 − β)·ℓ(θ; D_f).
//!
//! As in the paper's code, each step uses one batch of each set, in separate passes, so that normalisation uses each
//! batch's own statistics. An epoch is a pass over D_r. Batches of D_f start again when they are used up.

use serde::{Deserialize, Serialize};
use unlearn_network::LossTerm;
use unlearn_samples::Batch;
use unlearn_training::{Course, CrossEntropy, Objective, Run};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, Search, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        range::share,
    },
};

/// Descent on the retain set and ascent on the forget set.
pub(crate) struct NegGradPlus;

/// Keys of `neggrad-plus`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the retain set, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Weight β of the retain set. That of the forget set is −(1 − β).
    beta: f64,
}

impl Method for NegGradPlus {
    const NAME: &'static str = "neggrad-plus";
    const SUMMARY: &'static str = "simultaneous descent on the retain set and ascent on the forget set";
    const SOURCE: &'static str = "Kurmanji et al. 2023, arXiv 2302.09880 (NegGrad+)";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-3, 1e-1)),
        &[searched(
            "beta",
            "weight of the retain set; the forget set has beta - 1",
            Origin::Paper,
            Search::Linear { low: 0.8, high: 0.999 },
        )],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { tuning: FineTuning::new(10, 0.01), beta: 0.95 }
    }

    fn check(config: &Config) -> Result<(), String> {
        share("beta", config.beta)?;
        config.tuning.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_forgotten()?;
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let recipe = config.tuning.recipe(request.task.recipe);
        let [retain, forget] = [request.batches(request.retain, &recipe)?, request.batches(request.forget, &recipe)?];
        let mut objective = Contrast { forgotten: request.forgotten(), beta: config.beta };
        let run = Run { course: Course::Together(&retain, &forget), ..Run::new(&recipe, &retain) };
        request.follow(&run, &mut objective)
    }
}

/// β·cross-entropy on a batch of D_r, −(1 − β)·cross-entropy on one of D_f.
struct Contrast {
    forgotten: Vec<bool>,
    beta: f64,
}

impl Contrast {
    /// All samples of a batch are from one set, so the first one suffices.
    fn weight(&self, batch: &Batch) -> f64 {
        if self.forgotten[batch.indices[0] as usize] { self.beta - 1.0 } else { self.beta }
    }
}

impl Objective for Contrast {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().weighted(self.weight(batch), batch, logits, dlogits)
    }

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(vec![CrossEntropy::default().term(self.weight(batch), &batch.labels, batch.mixed.as_ref())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_difference_of_the_objective_on_either_set() {
        let mut objective = Contrast { forgotten: vec![false, true], beta: 0.75 };
        let logits = [0.3f32, -1.2, 2.0];
        for (position, weight) in [(0, 0.75), (1, -0.25)] {
            let batch = Batch { labels: vec![1], indices: vec![position], ..Batch::default() };
            let mut gradient = [0.0; 3];
            let loss = objective.loss(&batch, &logits, &mut gradient);
            assert_eq!(loss, weight * CrossEntropy::default().loss(&batch, &logits, &mut [0.0; 3]));
            for i in 0..3 {
                let mut at = |step: f32| {
                    let mut moved = logits;
                    moved[i] += step;
                    objective.loss(&batch, &moved, &mut [0.0; 3])
                };
                let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((difference - f64::from(gradient[i])).abs() < 1e-4, "{difference} {}", gradient[i]);
            }
        }
    }
}

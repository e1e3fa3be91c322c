//! `boundary-shrink`: each forget sample is labelled with its nearest wrong class, and the model is fine-tuned on the
//! forget set with these labels, so that the neighbouring classes' regions grow over the forgotten one ("Boundary
//! Shrink", Chen et al. 2023, arXiv 2303.11570).
//!
//! The nearest wrong class is the one with the largest logit, except the true class, at x + ε·sign(∇ₓℓ), clipped to
//! 0..1: one step of the fast gradient sign method. It is computed once, with the original model in evaluation mode
//! and without augmentation.
//!
//! Deviation: in the paper's code, a sample keeps its label if the step does not change its class. Here it never
//! does.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::Mode;
use unlearn_samples::{BatchOptions, BatchPlan};
use unlearn_training::{CrossEntropy, Objective, Result, Run};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        range::positive,
    },
};

/// Fine-tuning of the forget set to the nearest wrong class.
pub(crate) struct BoundaryShrink;

/// Keys of `boundary-shrink`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the forget set, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Step ε of the attack on images in 0..1.
    epsilon: f64,
}

impl Method for BoundaryShrink {
    const NAME: &'static str = "boundary-shrink";
    const SUMMARY: &'static str = "fine-tuning of the forget set to the nearest wrong class";
    const SOURCE: &'static str = "Chen et al. 2023, arXiv 2303.11570 (Boundary Shrink)";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-6, 1e-3)),
        &[searched(
            "epsilon",
            "step of the attack that finds the nearest wrong class, on images in 0..1",
            Origin::Code,
            log(0.01, 0.5),
        )],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { tuning: FineTuning::new(10, 1e-5), epsilon: 0.1 }
    }

    fn check(config: &Config) -> std::result::Result<(), String> {
        positive("epsilon", config.epsilon)?;
        config.tuning.check()
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        prospect.needs_wrong_labels()?;
        prospect.needs_forgotten()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let started = Instant::now();
        let labels = nearest_wrong_classes(request, config.epsilon as f32)?;
        let prepared = started.elapsed().as_secs_f64();
        let recipe = config.tuning.recipe(request.task.recipe);
        let batches = request.batches(request.forget, &recipe)?.with_labels(labels)?;
        let outcome = request.follow(&Run::new(&recipe, &batches), &mut CrossEntropy::default())?;
        Ok(Outcome { seconds: outcome.seconds + prepared, ..outcome })
    }
}

/// The labels of all images, with those of D_f replaced by the nearest wrong class.
fn nearest_wrong_classes(request: &mut Request<'_>, epsilon: f32) -> Result<Vec<u32>> {
    let classes = request.network.graph().classes();
    let mut labels = request.task.images.labels.to_vec();
    let plan =
        BatchPlan::new(request.task.images, request.forget, BatchOptions::evaluation(request.task.recipe.batch_size))?;
    let (mut logits, mut dlogits) = (vec![], vec![]);
    for batch in plan.epoch(0, 0) {
        let batch = batch?;
        request.network.forward(&batch.images, Mode::Frozen, &mut logits)?;
        dlogits.resize(logits.len(), 0.0);
        CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
        let gradient = &request.network.backward_to_input(&dlogits)?.input;
        let attacked: Vec<f32> = batch.images.iter().zip(gradient).map(|(x, g)| attack(*x, *g, epsilon)).collect();
        request.network.forward(&attacked, Mode::Evaluate, &mut logits)?;
        for ((position, label), logits) in batch.indices.iter().zip(&batch.labels).zip(logits.chunks(classes)) {
            labels[*position as usize] = largest_but(logits, *label);
        }
        request.task.session.go_on()?;
    }
    Ok(labels)
}

/// One pixel moved by `epsilon` in the direction of the gradient.
fn attack(pixel: f32, gradient: f32, epsilon: f32) -> f32 {
    let direction = if gradient == 0.0 { 0.0 } else { gradient.signum() };
    (pixel + epsilon * direction).clamp(0.0, 1.0)
}

/// The class with the largest logit among all but `excluded`, and the first among equals.
fn largest_but(logits: &[f32], excluded: u32) -> u32 {
    let others = (0u32..).zip(logits).filter(|(class, _)| *class != excluded);
    let larger = |best: (u32, f32), (class, logit): (u32, &f32)| if *logit > best.1 { (class, *logit) } else { best };
    others.fold((u32::from(excluded == 0), f32::NEG_INFINITY), larger).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attack_goes_up_the_gradient_and_stays_an_image() {
        let attacked =
            [(0.5, 2.0), (0.5, -1e-9), (0.5, 0.0), (0.95, 1.0), (0.05, -1.0)].map(|(x, g)| attack(x, g, 0.25));
        assert_eq!(attacked, [0.75, 0.25, 0.5, 1.0, 0.0]);
    }

    #[test]
    fn the_nearest_wrong_class_is_never_the_true_one() {
        assert_eq!(largest_but(&[3.0, 1.0, 2.0], 0), 2);
        assert_eq!(largest_but(&[3.0, 1.0, 2.0], 1), 0);
        assert_eq!(largest_but(&[1.0, 5.0, 1.0], 1), 0);
        assert_eq!(largest_but(&[5.0, f32::NEG_INFINITY], 0), 1);
    }
}

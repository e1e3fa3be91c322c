//! `scrub`: the student diverges from the original model on the forget set and stays close to it on the retain set
//! ("SCRUB", Kurmanji et al. 2023, arXiv 2302.09880; with rewinding "SCRUB+R").
//!
//! Each of the first `msteps` epochs begins with a pass over D_f that maximises T²·KL(teacher‖student). Every epoch
//! has a pass over D_r that minimises α·T²·KL(teacher‖student) + γ·ℓ. All passes share one Adam optimiser, with the
//! recipe's weight decay. The teacher is the original model in evaluation mode. It sees the same augmented images.
//!
//! With `rewind`, the model returns to the epoch whose error on D_f is nearest to the final model's error on the
//! validation samples of D_f's classes (the latest epoch among equals). This keeps the weights of each epoch in
//! memory.
//!
//! Deviations: rows and augmentation count passes, not epochs. The learning rate is constant; the paper's code lowers
//! it near the end.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::{LossTerm, Mode, Network, State};
use unlearn_samples::{Batch, BatchPlan};
use unlearn_training::{
    Course, CrossEntropy, Objective, Recipe, Result, Rule, Run, Update, evaluate, predict, see, train,
};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed, log, searched},
    shared::{
        fine_tuning::FineTuning,
        range::{one_or_more, positive, zero_or_more},
    },
};

/// SCRUB.
pub(crate) struct Scrub;

/// Keys of `scrub`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Passes over the retain set.
    epochs: usize,
    /// Number of epochs, from the first on, with a pass over the forget set.
    msteps: usize,
    /// Learning rate of Adam.
    lr: f64,
    /// Weight α of the divergence on D_r.
    alpha: f64,
    /// Weight γ of the cross-entropy on D_r.
    gamma: f64,
    /// Temperature T of the divergence.
    temperature: f64,
    /// Samples per step on D_r.
    retain_batch_size: usize,
    /// Samples per step on D_f.
    forget_batch_size: usize,
    /// Whether to return to the epoch whose error on D_f is that of unseen samples.
    rewind: bool,
}

impl Method for Scrub {
    const NAME: &'static str = "scrub";
    const SUMMARY: &'static str =
        "divergence from the original model on the forget set, closeness to it on the retain set";
    const SOURCE: &'static str = "Kurmanji et al. 2023, arXiv 2302.09880 (SCRUB, SCRUB+R)";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        fixed("epochs", "passes over the retain set", Origin::Code),
        fixed("msteps", "number of epochs, from the first, with a pass over the forget set", Origin::Code),
        searched("lr", "learning rate of Adam", Origin::Code, log(1e-5, 1e-2)),
        searched(
            "alpha",
            "weight of the divergence from the original model on the retain set",
            Origin::Code,
            log(1e-3, 1.0),
        ),
        fixed("gamma", "weight of the cross-entropy on the retain set", Origin::Code),
        fixed("temperature", "divisor of the logits before they are compared", Origin::Code),
        fixed("retain-batch-size", "retain samples per step", Origin::Ours),
        fixed("forget-batch-size", "forget samples per step", Origin::Ours),
        fixed(
            "rewind",
            "return to the epoch whose forget error is nearest to that of validation samples of the same classes",
            Origin::Ours,
        ),
    ]];
    type Config = Config;

    fn defaults() -> Config {
        Config {
            epochs: 10,
            msteps: 3,
            lr: 5e-4,
            alpha: 0.5,
            gamma: 1.0,
            temperature: 4.0,
            retain_batch_size: 64,
            forget_batch_size: 32,
            rewind: false,
        }
    }

    fn check(config: &Config) -> std::result::Result<(), String> {
        one_or_more("epochs", config.epochs)?;
        one_or_more("retain-batch-size", config.retain_batch_size)?;
        one_or_more("forget-batch-size", config.forget_batch_size)?;
        positive("lr", config.lr)?;
        positive("temperature", config.temperature)?;
        zero_or_more("alpha", config.alpha)?;
        zero_or_more("gamma", config.gamma)?;
        if config.msteps > config.epochs {
            let Config { msteps, epochs, .. } = config;
            return Err(format!(
                "`msteps`, the first epochs, which also raise the error on the forget set, is {msteps} and must not exceed `epochs`, which is \
                 {epochs}; set `msteps` to at most {epochs}"
            ));
        }
        Ok(())
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        prospect.needs_forgotten()?;
        prospect.needs_retained()?;
        if config.rewind && prospect.validation_of_forgotten_classes().is_empty() {
            return Err(
                "`rewind = true` compares with validation samples of the forgotten classes, but there are none; set \
                        aside more of them, or say `rewind = false`"
                    .into(),
            );
        }
        Ok(())
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let reference = if config.rewind { request.prospect().validation_of_forgotten_classes() } else { vec![] };
        let batches = |positions, batch_size| {
            let tuning = FineTuning { batch_size: Some(batch_size), ..FineTuning::new(config.epochs, config.lr) };
            request.batches(positions, &tuning.recipe(request.task.recipe))
        };
        let forget = batches(request.forget, config.forget_batch_size)?;
        let retain = batches(request.retain, config.retain_batch_size)?;
        let passes = passes(config, &forget, &retain);
        let recipe = Recipe { epochs: passes.len(), ..FineTuning::new(1, config.lr).recipe(request.task.recipe) };
        let last_of_epoch = |epoch: usize| epoch + 1 + config.msteps.min(epoch + 1);
        let ends: Vec<usize> = (0..config.epochs).filter(|_| config.rewind).map(last_of_epoch).collect();
        let started = Instant::now();
        let mut objective = Distance {
            teacher: request.teacher(request.network.state().clone())?,
            answers: vec![],
            forgotten: request.forgotten(),
            config: config.clone(),
        };
        let prepared = started.elapsed().as_secs_f64();
        let run = Run {
            course: Course::InTurn(&passes),
            update: Update { rule: Some(Rule::Adam), ..Update::default() },
            snapshots: &ends,
            ..Run::new(&recipe, &retain)
        };
        let outcome = train(request.network, &mut objective, &run, request.task.session)?;
        let started = Instant::now();
        if config.rewind {
            rewind(request, outcome.snapshots.into_values().collect(), &reference)?;
        }
        let seconds = outcome.seconds + prepared + started.elapsed().as_secs_f64();
        Ok(Outcome { epochs: outcome.epochs, seconds })
    }
}

/// The batch plan of each pass.
fn passes<'a>(config: &Config, forget: &'a BatchPlan, retain: &'a BatchPlan) -> Vec<&'a BatchPlan> {
    let epoch = |epoch| if epoch < config.msteps { vec![forget, retain] } else { vec![retain] };
    (0..config.epochs).flat_map(epoch).collect()
}

/// Returns to the state whose error on D_f is nearest to the last state's error on `reference`. There is one state
/// per epoch.
fn rewind(request: &mut Request<'_>, states: Vec<State>, reference: &[u32]) -> Result<()> {
    let wanted = predict(request.network, request.task.images, reference)?.accuracy();
    let mut accuracies = vec![];
    for state in &states {
        request.task.session.go_on()?;
        request.network.set_state(state.clone());
        accuracies.push(predict(request.network, request.task.images, request.forget)?.accuracy());
    }
    if let Some(state) = states.into_iter().nth(nearest(&accuracies, wanted)) {
        request.network.set_state(state);
    }
    Ok(())
}

/// Index of the value nearest to `wanted`, and the last among equals.
fn nearest(values: &[f64], wanted: f64) -> usize {
    let distance = |i: usize| (values[i] - wanted).abs();
    (1..values.len()).fold(0, |best, i| if distance(i) <= distance(best) { i } else { best })
}

/// −T²·KL on a batch of D_f, α·T²·KL + γ·cross-entropy on one of D_r.
struct Distance {
    teacher: Network,
    answers: Vec<f32>,
    forgotten: Vec<bool>,
    config: Config,
}

impl Distance {
    fn terms<'a>(&'a self, batch: &'a Batch) -> [LossTerm<'a>; 2] {
        let Config { alpha, gamma, temperature, .. } = self.config;
        // All samples of a batch are from one set, so the first one suffices.
        let (divergence, entropy) =
            if self.forgotten[batch.indices[0] as usize] { (-1.0, 0.0) } else { (alpha, gamma) };
        let entropy = CrossEntropy::default().term(entropy, &batch.labels, batch.mixed.as_ref());
        [entropy, LossTerm::Divergence { teacher: &self.answers, temperature, weight: divergence }]
    }
}

impl Objective for Distance {
    fn prepare(&mut self, _: usize, batch: &Batch) -> Result<()> {
        see(&mut self.teacher, batch, Mode::Evaluate, &mut self.answers)
    }

    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        evaluate(&self.terms(batch), logits.len() / batch.len(), logits, dlogits)
    }

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        Some(self.terms(batch).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_epoch_is_the_latest_of_several() {
        assert_eq!(nearest(&[80.0, 20.0, 60.0, 40.0, 0.0], 50.0), 3);
        assert_eq!(nearest(&[90.0, 55.0, 10.0], 60.0), 1);
        assert_eq!(nearest(&[90.0, 10.0], 100.0), 0);
    }
}

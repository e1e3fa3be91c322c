//! `salun`: another method, restricted to the weights with the greatest saliency for the forget set (`SalUn`, Fan et
//! al. 2024, arXiv 2310.12508): θ ← θ₀ + m ⊙ Δθ, where m selects the given share of the weights with the largest
//! |∇ℓ(θ₀; D_f)|.
//!
//! The gradient is over all of D_f, without augmentation and with running statistics. All parameters are ranked
//! together. Pruned weights do not count. Among equal gradients, the earlier weight is selected. Weights that are not
//! salient keep their bits.
//!
//! Deviation: in the paper's code, the mask applies to the gradient only, so weight decay still changes the other
//! weights.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::{Kept, Mode};
use unlearn_samples::{BatchOptions, BatchPlan};
use unlearn_training::{CrossEntropy, NegatedCrossEntropy, Objective, Result, Trainable, Update};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, Search, fixed, log, searched},
    shared::{
        fine_tuning::{self, FineTuning},
        range::share,
        wrong_labels::WrongLabels,
    },
};

/// Saliency unlearning.
pub(crate) struct SalUn;

/// Keys of `salun`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Epochs over the other method's samples, learning rate and batch size.
    #[serde(flatten)]
    tuning: FineTuning,
    /// Share of the kept weights that are salient. 0.5 is the median, as in the paper.
    share: f64,
    /// The method that is restricted to them.
    over: Over,
}

/// Methods that can be restricted to salient weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Over {
    /// Random labels, as in the paper.
    Rl,
    /// Gradient ascent.
    Ga,
    /// Fine-tuning.
    Ft,
}

impl Method for SalUn {
    const NAME: &'static str = "salun";
    const SUMMARY: &'static str = "random labels, gradient ascent or fine-tuning of the most salient weights only";
    const SOURCE: &'static str = "Fan et al. 2024, arXiv 2310.12508";
    const PARAMETERS: &'static [&'static [Parameter]] = &[
        &fine_tuning::parameters(Origin::Code, Origin::Code, log(1e-3, 1e-1)),
        &[
            fixed("over", "method that is restricted to salient weights: rl, ga or ft", Origin::Paper),
            searched(
                "share",
                "share of the kept weights that are salient",
                Origin::Paper,
                Search::Linear { low: 0.1, high: 0.9 },
            ),
        ],
    ];
    type Config = Config;

    fn defaults() -> Config {
        Config { tuning: FineTuning::new(10, 0.013), share: 0.5, over: Over::Rl }
    }

    fn check(config: &Config) -> std::result::Result<(), String> {
        share("share", config.share)?;
        config.tuning.check()
    }

    fn suits(config: &Config, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        prospect.needs_forgotten()?;
        match config.over {
            Over::Rl => prospect.needs_wrong_labels(),
            Over::Ga => Ok(()),
            Over::Ft => prospect.needs_retained(),
        }
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let started = Instant::now();
        let gradient = forget_gradient(request)?;
        let trainable = Some(most_salient(&gradient, request.network.kept(), config.share));
        let prepared = started.elapsed().as_secs_f64();
        let update = Update { trainable, ..Update::default() };
        let recipe = config.tuning.recipe(request.task.recipe);
        let outcome = match config.over {
            Over::Rl => {
                let mut objective = WrongLabels::new(request);
                let samples = [request.forget, request.retain].concat();
                request.train_by(update, &samples, &recipe, &mut objective)
            }
            Over::Ga => request.train_by(update, request.forget, &recipe, &mut NegatedCrossEntropy),
            Over::Ft => request.train_by(update, request.retain, &recipe, &mut CrossEntropy::default()),
        }?;
        Ok(Outcome { seconds: outcome.seconds + prepared, ..outcome })
    }
}

/// The gradient of the mean loss over D_f.
fn forget_gradient(request: &mut Request<'_>) -> Result<Vec<Vec<f32>>> {
    let options = BatchOptions::evaluation(request.task.recipe.batch_size);
    let plan = BatchPlan::new(request.task.images, request.forget, options)?;
    let parameters = request.network.state().parameters();
    let mut sums: Vec<Vec<f32>> = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
    let (mut logits, mut dlogits) = (vec![], vec![]);
    for batch in plan.epoch(0, 0) {
        let batch = batch?;
        request.network.forward(&batch.images, Mode::Frozen, &mut logits)?;
        dlogits.resize(logits.len(), 0.0);
        CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
        let share = batch.len() as f32 / request.forget.len() as f32;
        for d in &mut dlogits {
            *d *= share;
        }
        for (sum, gradient) in sums.iter_mut().zip(&request.network.backward(&dlogits)?.parameters) {
            sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
        }
        request.task.session.go_on()?;
    }
    Ok(sums)
}

/// The share of the kept weights with the largest gradients.
fn most_salient(gradient: &[Vec<f32>], kept: &Kept, share: f64) -> Trainable {
    let mut ranked: Vec<(f32, usize)> = vec![];
    let mut first = 0;
    for (gradient, kept) in gradient.iter().zip(kept) {
        let is_kept = |i: usize| kept.as_ref().is_none_or(|kept| kept[i]);
        let kept = gradient.iter().enumerate().filter(|(i, _)| is_kept(*i));
        ranked.extend(kept.map(|(i, g)| (g.abs(), first + i)));
        first += gradient.len();
    }
    let count = (share * ranked.len() as f64).round() as usize;
    if count < ranked.len() {
        ranked.select_nth_unstable_by(count, |(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
    }
    let mut salient = vec![false; first];
    ranked[..count].iter().for_each(|(_, position)| salient[*position] = true);
    let mut rest = salient.as_slice();
    let split = |gradient: &Vec<f32>| {
        let (own, others) = rest.split_at(gradient.len());
        rest = others;
        Some(own.to_vec())
    };
    gradient.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_gradients_of_kept_weights_are_salient_and_ties_go_by_position() {
        let gradient = [vec![0.5, -3.0, 0.0, 2.0], vec![2.0, 0.1, -2.0]];
        let kept = vec![Some(vec![true, true, false, true]), None];
        let salient = |share| {
            let trainable = most_salient(&gradient, &kept, share);
            trainable.into_iter().flat_map(Option::unwrap).map(u8::from).collect::<Vec<_>>()
        };
        assert_eq!(salient(0.0), [0; 7]);
        assert_eq!(salient(0.5), [0, 1, 0, 1, 1, 0, 0]);
        assert_eq!(salient(1.0), [1, 1, 0, 1, 1, 1, 1]);
    }
}

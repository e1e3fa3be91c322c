//! `ff`: Fisher forgetting. Adds noise to weights that the retain set does not determine: θ ← μ + √v·N(0, 1)
//! (Golatkar et al. 2020, arXiv 1911.04933, proposition 3; arXiv 2304.04934, section 3).
//!
//! F is the diagonal of the Fisher information over D_r ([`expected_fisher`]). The variance is
//! v = α·min(1/(F + 1e-8), 1e3), and for the head α·min(1/(F + 1e-8), 1e2). For weights `[out, in, …]`, v is replaced by its mean over
//! `in`. For the head and for every tensor of rank 1, v is then multiplied by ten. μ is θ, with one exception: if a
//! class is forgotten as a whole, its row of the head has μ = 0 and v = 1e-4, also multiplied by ten. These numbers
//! are those of the code of arXiv 2304.04934.
//!
//! Deviations from that code, each of which `estimator` or `compat` reverts: per-sample gradients are squared, not
//! gradients of batches of 32; the mean over `in` excludes pruned weights, whose v is at its bound and which would
//! add noise to the kept ones; a row of the head is drawn anew only if its class is forgotten as a whole; a head may
//! have any number of classes.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::{Graph, Op, ParameterId};

use crate::{
    Estimator, FisherOptions, Method, Outcome, Prospect, Request, expected_fisher,
    parameter::{Origin, Parameter, fixed, log, searched},
    shared::{
        noise::standard_normal,
        range::{one_or_more, positive},
    },
};

/// Fisher forgetting.
pub(crate) struct Ff;

/// Keys of `ff`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Scale of the noise's variance. The paper searches 1e-9 to 1e-6.
    pub(crate) alpha: f64,
    /// Which gradients are squared.
    pub(crate) estimator: Estimator,
    /// Samples per batch. `batch-mean` averages over a batch.
    pub(crate) batch_size: usize,
    /// Whether images are cropped and flipped as in training.
    pub(crate) augment: bool,
    /// Points in which the method follows the code of arXiv 2304.04934.
    pub(crate) compat: Vec<Compat>,
}

/// Points in which the published code differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compat {
    /// The mean over `in` includes pruned weights, with v at its bound.
    MaskedMean,
    /// If 4,500 samples are forgotten that are not a whole class, the head's row of the last class is drawn anew.
    LastClass,
    /// Only a layer with ten classes is treated as a head.
    TenClasses,
}

/// Bound of 1/F for weights, and for the head.
const BOUNDS: [f64; 2] = [1e3, 1e2];
/// Keeps 1/F finite.
const EPSILON: f64 = 1e-8;
/// v of a forgotten class's row of the head.
const FORGOTTEN_ROW: f64 = 1e-4;
/// Factor of v for the head and for tensors of rank 1.
const AMPLIFIED: f64 = 10.0;
/// Number of forgotten samples that the published code takes for a class of CIFAR-10.
const CLASS_OF_CIFAR_10: usize = 4500;

impl Method for Ff {
    const NAME: &'static str = "ff";
    const SUMMARY: &'static str = "Fisher forgetting: noise on weights that the retain set does not determine";
    const SOURCE: &'static str = "Golatkar et al. 2020, arXiv 1911.04933; Jia et al. 2023, arXiv 2304.04934, section 3";
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        searched("alpha", "scale of the noise", Origin::Code, log(1e-9, 1e-6)),
        fixed("estimator", "gradients that are squared: those of samples, or those of batch means", Origin::Paper),
        fixed("batch-size", "samples of a batch mean", Origin::Code),
        fixed("augment", "random crops and flips, as the dataset prescribes", Origin::Code),
        fixed("compat", "masked-mean, last-class, ten-classes: as in the code of arXiv 2304.04934", Origin::Ours),
    ]];
    type Config = Config;

    /// α of the early scripts of arXiv 2304.04934, and the batch size of its code.
    fn defaults() -> Config {
        Config { alpha: 3e-8, estimator: Estimator::PerSample, batch_size: 32, augment: false, compat: vec![] }
    }

    fn check(config: &Config) -> Result<(), String> {
        positive("alpha", config.alpha)?;
        one_or_more("batch-size", config.batch_size)
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> Result<(), String> {
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome> {
        let clock = Instant::now();
        let Config { estimator, batch_size, augment, .. } = *config;
        let fisher = expected_fisher(request, request.retain, FisherOptions { estimator, batch_size, augment })?;
        let (graph, kept) = (request.network.graph().clone(), request.network.kept().clone());
        let only_ten = config.compat.contains(&Compat::TenClasses);
        let head = if only_ten && graph.classes() != 10 { vec![] } else { head(&graph) };
        let rows = forgotten_rows(config, request);
        let mut state = request.network.state().clone();
        for (id, values) in state.parameters_mut().iter_mut().enumerate() {
            let shape = &graph.parameters[id].shape;
            let is_head = head.contains(&id);
            let averaged = kept[id].as_deref().filter(|_| !config.compat.contains(&Compat::MaskedMean));
            let mut variance = variance(&fisher[id], shape, averaged, config.alpha, BOUNDS[usize::from(is_head)]);
            if is_head {
                let len = values.len() / shape[0];
                for row in rows.iter().map(|row| row * len..(row + 1) * len) {
                    values[row.clone()].fill(0.0);
                    variance[row].fill(FORGOTTEN_ROW);
                }
            }
            let scale = if is_head || shape.len() == 1 { AMPLIFIED } else { 1.0 };
            let noise = standard_normal(request.task.seed, id, values.len());
            for ((value, variance), noise) in values.iter_mut().zip(variance).zip(noise) {
                *value += (scale * variance).sqrt() as f32 * noise;
            }
        }
        // Pruned weights become 0 again.
        request.network.set_state(state);
        Ok(Outcome { epochs: vec![], seconds: clock.elapsed().as_secs_f64() })
    }
}

/// Weight and bias of the layer that computes the logits.
pub(crate) fn head(graph: &Graph) -> Vec<ParameterId> {
    match graph.nodes.last().map(|node| &node.op) {
        Some(Op::Linear { weight, bias }) => vec![*weight, *bias],
        _ => vec![],
    }
}

/// Rows of the head that are drawn anew.
fn forgotten_rows(config: &Config, request: &Request<'_>) -> Vec<usize> {
    let rows: Vec<_> = request.prospect().forgotten_classes().into_iter().map(|class| class as usize).collect();
    let looks_like_a_class = request.forget.len() == CLASS_OF_CIFAR_10;
    if rows.is_empty() && looks_like_a_class && config.compat.contains(&Compat::LastClass) {
        return vec![request.network.graph().classes() - 1];
    }
    rows
}

/// v before the exceptions: α·min(1/(F + ε), bound). For rank > 1, it is the mean over the second dimension,
/// restricted to `kept` if given.
fn variance(fisher: &[f64], shape: &[usize], kept: Option<&[bool]>, alpha: f64, bound: f64) -> Vec<f64> {
    let mut variance: Vec<f64> = fisher.iter().map(|f| alpha * (1.0 / (f + EPSILON)).min(bound)).collect();
    let &[_, inputs, ref window @ ..] = shape else { return variance };
    let taps: usize = window.iter().product();
    for (row, values) in variance.chunks_exact_mut(inputs * taps).enumerate() {
        for tap in 0..taps {
            let counts = |input: &usize| {
                let place = input * taps + tap;
                kept.is_none_or(|kept| kept[row * inputs * taps + place])
            };
            let averaged: Vec<f64> = (0..inputs).filter(counts).map(|input| values[input * taps + tap]).collect();
            let mean = averaged.iter().sum::<f64>() / averaged.len().max(1) as f64;
            (0..inputs).for_each(|input| values[input * taps + tap] = mean);
        }
    }
    variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_over_inputs_is_of_kept_weights() {
        // The shape is 1 output, 3 inputs and 2 taps. Tap 1 of input 0 and both taps of input 2 are pruned; F is 0
        // there.
        let fisher = [1.0, 0.0, 0.25, 0.5, 0.0, 0.0];
        let kept = [true, false, true, true, false, false];
        let near = |found: Vec<f64>, expected: [f64; 6]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-6, "{found}, expected {expected}");
            }
        };
        let (of_kept, of_all) = (Some(&kept[..]), None);
        near(variance(&fisher, &[1, 3, 2], of_kept, 2.0, 1e3), [5.0, 4.0, 5.0, 4.0, 5.0, 4.0]);
        let [even, odd] = [2.0 * (1.0 + 4.0 + 1e3) / 3.0, 2.0 * (1e3 + 2.0 + 1e3) / 3.0];
        near(variance(&fisher, &[1, 3, 2], of_all, 2.0, 1e3), [even, odd, even, odd, even, odd]);
    }

    #[test]
    fn where_a_tensor_has_one_dimension_nothing_is_averaged() {
        let found = variance(&[1.0, 0.0], &[2], None, 1.0, 1e2);
        assert!((found[0] - 1.0).abs() < 1e-6 && found[1] == 1e2, "{found:?}");
    }
}

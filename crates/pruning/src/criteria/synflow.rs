//! `synflow`: |θ ⊙ ∂R/∂θ|, R the sum of the outputs of the network with every parameter and buffer replaced by its absolute
//! value, in evaluation mode, on one input of ones; a sparsity is reached in 100 rounds, each keeping the same share of what
//! remains (Tanaka et al. 2020, arXiv 2006.05467, algorithm 1 and equation 2).
//!
//! The input of ones is what the first convolution sees: the network is given the image that its own normalisation turns
//! into ones.
//!
//! R grows by a factor of about √fan-in per layer of an untrained network, beyond f32 in very deep ones. Where a score is
//! not finite, the first convolution and ∂R/∂outputs are both divided by 2⁴⁰, up to three times. That scales all scores
//! alike if normalisation shifts nothing (running means and β of 0, as in an untrained network); otherwise it is an
//! approximation. A network for which it is not enough is refused.

use unlearn_network::{Graph, Mode, Network, Op, ParameterId, State};

use super::{Criterion, Scores, Subject};
use crate::{Error, Result};

pub(super) const CRITERION: Criterion = Criterion {
    name: "synflow",
    summary: "how much of the synaptic flow from an input of ones passes the weight; needs no data",
    source: "Tanaka et al. 2020, arXiv 2006.05467, algorithm 1",
    rounds: 100,
    score,
};

/// Exponents of 2 that the first convolution and the outputs' derivative are scaled by, until every score is finite.
const SCALES: [i32; 4] = [0, -40, -80, -120];

fn score(subject: &mut Subject<'_>, covered: &[ParameterId]) -> Result<Vec<Scores>> {
    let state = subject.network.state().clone();
    let scores = SCALES.iter().map(|exponent| {
        let scale = 2f32.powi(*exponent);
        subject.network.set_state(absolute(&state, subject.network.graph(), scale));
        flow(subject.network, covered, scale)
    });
    let found = scores.into_iter().find(|scores| scores.as_ref().map_or(true, |scores| finite(scores)));
    subject.network.set_state(state);
    found.unwrap_or(Err(Error::Overflow))
}

/// |θ ⊙ ∂(scale · R)/∂θ| of a network whose values are absolute already.
fn flow(network: &mut Network, covered: &[ParameterId], scale: f32) -> Result<Vec<Scores>> {
    let mut logits = Vec::new();
    let training = |error| unlearn_training::Error::Network(error);
    network.forward(&image_of_ones(network.graph()), Mode::Frozen, &mut logits).map_err(training)?;
    network.backward(&vec![scale; logits.len()]).map_err(training)?;
    let (parameters, gradients) = (network.state().parameters(), &network.gradients().parameters);
    let values = |id: ParameterId| parameters[id].iter().zip(&gradients[id]).map(|(w, g)| (w * g).abs()).collect();
    Ok(covered.iter().map(|id| Scores { parameter: *id, values: values(*id) }).collect())
}

fn finite(scores: &[Scores]) -> bool {
    scores.iter().all(|scores| scores.values.iter().all(|v| v.is_finite()))
}

/// The image that the network's input normalisation turns into ones.
fn image_of_ones(graph: &Graph) -> Vec<f32> {
    let [channels, height, width] = graph.input_shape();
    let normalization = graph.nodes.iter().find_map(|node| match &node.op {
        Op::Normalize { mean, std } => Some((mean, std)),
        _ => None,
    });
    let pixel = |channel: usize| normalization.map_or(1.0, |(mean, std)| mean[channel] + std[channel]);
    (0..channels).flat_map(|channel| std::iter::repeat_n(pixel(channel), height * width)).collect()
}

/// Absolute values of everything, those of the first convolution's weight scaled.
fn absolute(state: &State, graph: &Graph, scale: f32) -> State {
    let mut absolute = state.clone();
    absolute.parameters_mut().iter_mut().flatten().for_each(|v| *v = v.abs());
    absolute.buffers_mut().iter_mut().flatten().for_each(|v| *v = v.abs());
    let first = graph.nodes.iter().find_map(|node| match node.op {
        Op::Conv2d { weight, .. } => Some(weight),
        _ => None,
    });
    if let Some(first) = first {
        absolute.parameters_mut()[first].iter_mut().for_each(|v| *v *= scale);
    }
    absolute
}

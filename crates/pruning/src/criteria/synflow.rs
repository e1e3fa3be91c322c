//! `synflow`: |θ ⊙ ∂R/∂θ|. R is the sum of the outputs, for one input of ones in evaluation mode, of the network with
//! every parameter and buffer replaced by its absolute value. A sparsity is reached in 100 rounds, each of which
//! keeps the same share of the remaining weights (Tanaka et al. 2020, arXiv 2006.05467, algorithm 1 and equation 2).
//!
//! The first convolution sees the input of ones. So the network gets the image that its input normalisation turns
//! into ones.
//!
//! In an untrained network, R grows by a factor of about √fan-in per layer. In very deep networks it exceeds the
//! range of f32. If a score is not finite, the first convolution and ∂R/∂outputs are both divided by 2⁴⁰, up to three
//! times. This scales all scores alike if normalisation shifts nothing (running means and β of 0, as in an untrained
//! network). Otherwise it is an approximation. If scores are still not finite, the network is refused.

use unlearn_network::{Graph, Mode, Network, Op, ParameterId, State};

use super::{Criterion, Scores, Subject};
use crate::{Error, Result};

pub(super) const CRITERION: Criterion = Criterion {
    name: "synflow",
    summary: "synaptic flow through the weight from an input of ones; needs no data",
    source: "Tanaka et al. 2020, arXiv 2006.05467, algorithm 1",
    rounds: 100,
    score,
};

/// Exponents of 2 that scale the first convolution and the derivative with respect to the outputs, tried until every
/// score is finite.
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

/// |θ ⊙ ∂(scale · R)/∂θ| of a network whose values are already absolute.
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

/// Absolute values of all tensors. Those of the first convolution's weight are also scaled.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, GraphBuilder};

    use super::*;
    use crate::{prunable, tests};

    /// A network of convolutions with one weight each, after a normalisation. The classifier's weights are 1.
    fn chain(weights: &[f32]) -> Result<Vec<f32>> {
        let (mut graph, images) = GraphBuilder::new("chain", [1, 8, 8]);
        let mut node = graph.normalize(images, &[0.3], &[0.6]);
        for layer in 0..weights.len() {
            node = graph.conv2d(&format!("conv{layer}"), node, 1, 1, 1, 0);
        }
        let pool = graph.global_avg_pool("pool", node);
        graph.linear("fc", pool, 2);
        let graph = Arc::new(graph.finish());
        let mut state = State::zeros(&graph);
        for (values, weight) in state.parameters_mut().iter_mut().zip(weights.iter().chain([&1.0])) {
            values.fill(*weight);
        }
        let mut network = Network::new(graph.clone(), state, DeviceChoice::Cpu).unwrap();
        let images = tests::images();
        let mut subject = Subject { network: &mut network, images: &images, train: &[], seed: 1 };
        let scores = score(&mut subject, &prunable(&graph, false))?;
        Ok(scores.into_iter().flat_map(|scores| scores.values).collect())
    }

    #[test]
    fn all_of_the_flow_from_ones_passes_every_layer() {
        for score in chain(&[-0.5, 3.0, 0.25]).unwrap() {
            assert!((score - 2.0 * 0.375).abs() < 1e-6, "{score}");
        }
    }

    #[test]
    fn flow_beyond_f32_is_scaled_or_refused() {
        let scores = chain(&[1e10; 6]).unwrap();
        assert!(scores.iter().all(|score| score.is_finite() && (score / scores[0] - 1.0).abs() < 1e-5), "{scores:?}");
        assert!(scores[0] > 0.0);
        assert!(chain(&[1e10; 12]).unwrap_err().to_string().contains("overflow"));
    }

    #[test]
    fn scaling_by_powers_of_two_changes_no_ranking() {
        let (mut network, images) = (tests::network(), tests::images());
        let (graph, state) = (network.graph().clone(), network.state().clone());
        let covered = prunable(&graph, false);
        let mut subject = Subject { network: &mut network, images: &images, train: &[], seed: 1 };
        let plain = score(&mut subject, &covered).unwrap();
        assert_eq!(subject.network.state().parameters(), state.parameters(), "the network is left as it was");
        let mut shiftless = state;
        for (parameter, values) in graph.parameters.iter().zip(shiftless.parameters_mut()) {
            if parameter.name.ends_with("bias") {
                values.fill(0.0);
            }
        }
        let mut at = |scale: f32| {
            subject.network.set_state(absolute(&shiftless, &graph, scale));
            flow(subject.network, &covered, scale).unwrap()
        };
        let (whole, scaled) = (at(1.0), at(2f32.powi(-20)));
        assert_ne!(plain, whole);
        for (whole, scaled) in whole.iter().zip(&scaled) {
            let back: Vec<_> = scaled.values.iter().map(|v| v * 2f32.powi(40)).collect();
            assert_eq!(back, whole.values);
        }
    }
}

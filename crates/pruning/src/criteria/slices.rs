//! Shared code of the structured criteria: a weight's score is the mean |θ| over its slice of the tensor.
//!
//! Within a layer, the ranking equals that by the ℓ1 norm of Li et al. 2017 (arXiv 1608.08710, section 3.1). Unlike
//! the sum, the mean can be compared between layers of different sizes.

use unlearn_network::ParameterId;

use super::{Scores, Subject};

/// Scores each weight by the mean |θ| of all weights with the same index in dimension `dim`.
pub(super) fn mean_magnitudes(subject: &Subject<'_>, covered: &[ParameterId], dim: usize) -> Vec<Scores> {
    let graph = subject.network.graph();
    let scores = |id: ParameterId| {
        let (shape, weights) = (&graph.parameters[id].shape, &subject.network.state().parameters()[id]);
        let inner: usize = shape[dim + 1..].iter().product();
        let slice = |position: usize| position / inner % shape[dim];
        let mut sums = vec![0.0; shape[dim]];
        for (position, weight) in weights.iter().enumerate() {
            sums[slice(position)] += f64::from(weight.abs());
        }
        let each = weights.len() as f64 / shape[dim] as f64;
        let values = (0..weights.len()).map(|position| (sums[slice(position)] / each) as f32).collect();
        Scores { parameter: id, values }
    };
    covered.iter().map(|id| scores(*id)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_network::{DeviceChoice, GraphBuilder, Network, State};

    use super::*;
    use crate::tests;

    #[test]
    fn weights_of_a_slice_share_its_mean_magnitude() {
        let (mut graph, images) = GraphBuilder::new("slices", [1, 8, 8]);
        let first = graph.conv2d("a", images, 2, 1, 1, 0);
        graph.conv2d("b", first, 2, 1, 1, 0);
        let graph = Arc::new(graph.finish());
        let mut state = State::zeros(&graph);
        state.parameters_mut()[1] = vec![1.0, -3.0, 5.0, 7.0];
        let mut network = Network::new(graph, state, DeviceChoice::CandleCpu).unwrap();
        let images = tests::images();
        let subject = Subject { network: &mut network, images: &images, train: &[], seed: 1 };
        let values = |dim| mean_magnitudes(&subject, &[1], dim)[0].values.clone();
        assert_eq!((values(0), values(1)), (vec![2.0, 2.0, 6.0, 6.0], vec![3.0, 5.0, 3.0, 5.0]));
    }
}

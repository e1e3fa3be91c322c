//! What the structured criteria share: a weight's score is the mean |θ| over its slice of the tensor.
//!
//! Within a layer this ranks as the ℓ1 norm of Li et al. 2017 (arXiv 1608.08710, section 3.1) does; the mean, unlike the sum,
//! can be compared between layers of different sizes.

use super::{Scores, Subject};
use unlearn_network::ParameterId;

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

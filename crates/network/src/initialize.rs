//! Fresh weights from a seed. Convolutions and fully connected weights follow He et al. 2015 (arXiv 1502.01852,
//! equation 10), and their biases follow PyTorch's uniform rule. Normalisation starts with scale 1 and shift 0.
//! Transformers follow timm: a normal distribution with standard deviation 0.02 for weights and embeddings, and 0 for
//! biases.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use unlearn_random::fill_normal;

use crate::{Graph, ParameterKind, State};

/// Draws fresh values for every tensor of a graph. The same seed gives the same values on every machine.
pub fn initialize(graph: &Graph, seed: u64) -> State {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut state = State::zeros(graph);
    let mut fan_in = 1;
    for (parameter, values) in graph.parameters.iter().zip(state.parameters_mut()) {
        match parameter.kind {
            ParameterKind::ConvWeight | ParameterKind::LinearWeight => {
                fan_in = parameter.shape[1..].iter().product();
                let std = (2.0 / fan_in as f64).sqrt();
                fill_normal(values, std, &mut rng);
            }
            ParameterKind::ConvBias | ParameterKind::LinearBias => {
                // A bias comes after its weight and has the same fan-in.
                let bound = 1.0 / (fan_in as f64).sqrt();
                values.fill_with(|| ((2.0 * rng.random::<f64>() - 1.0) * bound) as f32);
            }
            ParameterKind::NormWeight => values.fill(1.0),
            ParameterKind::TokenWeight | ParameterKind::Embedding => fill_normal(values, 0.02, &mut rng),
            ParameterKind::NormBias | ParameterKind::TokenBias => values.fill(0.0),
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    #[test]
    fn the_spread_is_he_et_als_and_a_seed_repeats() {
        let (mut builder, input) = GraphBuilder::new("small", [64, 8, 8]);
        let conv = builder.conv2d("conv1", input, 64, 3, 1, 1);
        let pool = builder.global_avg_pool("pool", conv);
        builder.linear("fc", pool, 10);
        let graph = builder.finish();
        let (a, b) = (initialize(&graph, 7), initialize(&graph, 7));
        assert_eq!(a.parameters(), b.parameters());
        assert_ne!(a.parameters(), initialize(&graph, 8).parameters());
        let id = graph.parameter("conv1.weight").unwrap();
        let weights = &a.parameters()[id];
        let std = (weights.iter().map(|w| f64::from(w * w)).sum::<f64>() / weights.len() as f64).sqrt();
        let expected = (2.0f64 / (64.0 * 9.0)).sqrt();
        assert!((std / expected - 1.0).abs() < 0.02, "std {std}, expected {expected}");
    }
}

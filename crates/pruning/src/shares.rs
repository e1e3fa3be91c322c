//! The shares of parameters and operations that a pruned network keeps, per layer and in total.

use serde::{Deserialize, Serialize};
use unlearn_masks::Mask;
use unlearn_network::Graph;

/// The shares that a mask keeps of the layers it covers. Layers that it does not cover (normalisation, biases,
/// usually the classifier) are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Version of this format: 1. A reader refuses a newer one.
    pub format: u32,
    /// All covered layers together, named `total`.
    pub total: LayerShare,
    /// Each covered layer, in the network's order.
    pub layers: Vec<LayerShare>,
}

/// The shares of one layer's weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerShare {
    /// The weight's name, for example `layer1.0.conv1.weight`.
    pub name: String,
    /// Number of weights.
    pub parameters: usize,
    /// Number of kept weights.
    pub kept_parameters: usize,
    /// Share of weights kept, in 0..=1.
    pub parameter_density: f64,
    /// Multiply-accumulates in a forward pass of one sample.
    pub operations: usize,
    /// Multiply-accumulates with kept weights.
    pub kept_operations: usize,
    /// Share of multiply-accumulates kept, in 0..=1.
    pub operation_density: f64,
}

impl Shares {
    /// The shares that `mask` leaves of `graph`.
    pub fn new(graph: &Graph, mask: &Mask) -> Self {
        let convolutions = graph.conv_operations();
        let mut layers = Vec::new();
        for (id, parameter) in graph.parameters.iter().enumerate() {
            let Some(bits) = mask.get(&parameter.name) else { continue };
            // A convolution's weight is used once per output pixel, any other weight once.
            let operations = convolutions.iter().find(|(weight, _)| *weight == id).map_or(bits.len(), |(_, n)| *n);
            let uses = operations / bits.len().max(1);
            layers.push(LayerShare::new(&parameter.name, bits.len(), bits.kept(), operations, bits.kept() * uses));
        }
        let sum = |count: fn(&LayerShare) -> usize| layers.iter().map(count).sum();
        let total = LayerShare::new(
            "total",
            sum(|l| l.parameters),
            sum(|l| l.kept_parameters),
            sum(|l| l.operations),
            sum(|l| l.kept_operations),
        );
        Self { format: 1, total, layers }
    }
}

impl LayerShare {
    fn new(name: &str, parameters: usize, kept_parameters: usize, operations: usize, kept_operations: usize) -> Self {
        let share = |kept: usize, all: usize| kept as f64 / all.max(1) as f64;
        Self {
            name: name.into(),
            parameters,
            kept_parameters,
            parameter_density: share(kept_parameters, parameters),
            operations,
            kept_operations,
            operation_density: share(kept_operations, operations),
        }
    }
}

#[cfg(test)]
mod tests {
    use unlearn_masks::Bits;
    use unlearn_network::GraphBuilder;

    use super::*;

    #[test]
    fn an_early_layers_weights_weigh_more_in_operations() {
        let (mut graph, input) = GraphBuilder::new("two", [1, 8, 8]);
        let first = graph.conv2d("a", input, 2, 1, 1, 0);
        let second = graph.conv2d("b", first, 3, 2, 2, 0);
        let pooled = graph.global_avg_pool("pool", second);
        graph.linear("fc", pooled, 2);
        let graph = graph.finish();
        let mut mask = Mask::new("two");
        mask.insert("a.weight", Bits::from_fn(&[2, 1, 1, 1], |i| i == 0).unwrap());
        mask.insert("b.weight", Bits::from_fn(&[3, 2, 2, 2], |i| i < 6).unwrap());
        mask.insert("fc.weight", Bits::ones(&[2, 3]).unwrap());
        let shares = Shares::new(&graph, &mask);
        let counts = |s: &LayerShare| (s.parameters, s.kept_parameters, s.operations, s.kept_operations);
        let layers: Vec<_> = shares.layers.iter().map(counts).collect();
        assert_eq!(layers, [(2, 1, 128, 64), (24, 6, 384, 96), (6, 6, 6, 6)]);
        assert_eq!(counts(&shares.total), (32, 13, 518, 166));
        assert_eq!((shares.layers[1].parameter_density, shares.total.operation_density), (0.25, 166.0 / 518.0));
    }
}

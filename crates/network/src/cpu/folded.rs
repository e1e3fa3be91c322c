//! Convolutions with a folded normalisation by running statistics: the scale is part of the weights, the rest is a
//! shift.

use super::layers::{BatchNorm, Convolution};
use crate::{NodeId, State};

/// One convolution with its folded normalisation.
pub(super) struct Folded {
    /// Scaled weights, in the shape of the convolution's weight.
    pub(super) weights: Vec<f32>,
    /// Shift per output channel.
    pub(super) shift: Vec<f32>,
}

/// All folded layers of one state. An evaluation of many batches folds once.
#[derive(Default)]
pub(super) struct FoldedLayers {
    /// Generation of the state that the layers were folded from.
    generation: Option<u64>,
    /// Folded layers, indexed by the node of the normalisation.
    layers: Vec<Option<Folded>>,
}

impl FoldedLayers {
    /// Drops all layers that were folded from another state. `None` drops all.
    pub(super) fn keep_only(&mut self, generation: Option<u64>, nodes: usize) {
        if self.generation.is_none() || self.generation != generation {
            self.layers.clear();
            self.layers.resize_with(nodes, || None);
            self.generation = generation;
        }
    }

    /// The folded layer of a normalisation. It is computed on first use.
    pub(super) fn layer(&mut self, node: NodeId, (conv, norm): (&Convolution, &BatchNorm), state: &State) -> &Folded {
        self.layers[node].get_or_insert_with(|| Folded::new(conv, norm, state))
    }
}

impl Folded {
    fn new(conv: &Convolution, norm: &BatchNorm, state: &State) -> Self {
        let (statistics, parameters) = (norm.running_statistics(state), state.parameters());
        let (scale, mut shift) = norm.input::<f32>(&[], &statistics, parameters).scale_and_shift();
        if let Some(bias) = conv.bias {
            let scaled = scale.iter().zip(&parameters[bias]).map(|(scale, bias)| scale * bias);
            shift.iter_mut().zip(scaled).for_each(|(shift, bias)| *shift += bias);
        }
        let weights = &parameters[conv.weight];
        let mut scaled = vec![0.0; weights.len()];
        let per_channel = weights.len() / scale.len();
        for ((to, from), scale) in
            scaled.chunks_exact_mut(per_channel).zip(weights.chunks_exact(per_channel)).zip(&scale)
        {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
        Self { weights: scaled, shift }
    }
}

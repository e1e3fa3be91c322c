//! Convolutions with a folded normalisation by running statistics: the scale is part of the weights, the rest is a
//! shift.

use unlearn_kernels::{Buffer, Buffers};

use super::layers::{BatchNorm, Convolution};
use crate::{NodeId, State};

/// One convolution with its folded normalisation.
pub(super) struct Folded {
    scaled: Buffer,
    weights: usize,
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
    pub(super) fn keep_only(&mut self, generation: Option<u64>, nodes: usize, buffers: &mut Buffers) {
        if self.generation.is_none() || self.generation != generation {
            self.layers.drain(..).flatten().for_each(|layer| buffers.give(layer.scaled));
            self.layers.resize_with(nodes, || None);
            self.generation = generation;
        }
    }

    /// The folded layer of a normalisation. It is computed on first use.
    pub(super) fn layer(
        &mut self,
        node: NodeId,
        (conv, norm): (&Convolution, &BatchNorm),
        state: &State,
        buffers: &mut Buffers,
    ) -> &Folded {
        self.layers[node].get_or_insert_with(|| Folded::new(conv, norm, state, buffers))
    }
}

impl Folded {
    /// Scaled weights, in the shape of the convolution's weight.
    pub(super) fn weights(&self) -> &[f32] {
        &self.scaled[..self.weights]
    }

    fn new(conv: &Convolution, norm: &BatchNorm, state: &State, buffers: &mut Buffers) -> Self {
        let (statistics, parameters) = (norm.running_statistics(state), state.parameters());
        let (scale, mut shift) = norm.input(&[], &statistics, parameters).scale_and_shift();
        if let Some(bias) = conv.bias {
            let scaled = scale.iter().zip(&parameters[bias]).map(|(scale, bias)| scale * bias);
            shift.iter_mut().zip(scaled).for_each(|(shift, bias)| *shift += bias);
        }
        let weights = &parameters[conv.weight];
        let mut scaled = buffers.take(weights.len());
        let per_channel = weights.len() / scale.len();
        for ((to, from), scale) in
            scaled.chunks_exact_mut(per_channel).zip(weights.chunks_exact(per_channel)).zip(&scale)
        {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
        Self { scaled, weights: weights.len(), shift }
    }
}

//! Convolutions that a normalisation by running statistics is folded into: its scale in the weights, the rest in a shift.

use unlearn_kernels::Buffers;

use super::layers::{BatchNorm, Convolution};
use crate::{NodeId, State};

/// One convolution with its normalisation.
pub(super) struct Folded {
    /// In the shape of the convolution's weight.
    pub(super) weights: Vec<f32>,
    /// Per output channel.
    pub(super) shift: Vec<f32>,
}

/// All of one state: an evaluation of many batches folds once.
#[derive(Default)]
pub(super) struct FoldedLayers {
    /// The state that they come from.
    generation: Option<u64>,
    /// By the node of the normalisation.
    layers: Vec<Option<Folded>>,
}

impl FoldedLayers {
    /// Forgets what does not come from this state; from none, everything.
    pub(super) fn keep_only(&mut self, generation: Option<u64>, nodes: usize, buffers: &mut Buffers) {
        if self.generation.is_none() || self.generation != generation {
            self.layers.drain(..).flatten().for_each(|layer| buffers.give(layer.weights));
            self.layers.resize_with(nodes, || None);
            self.generation = generation;
        }
    }

    /// The layer of a normalisation, folded now if it is not yet.
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
    fn new(conv: &Convolution, norm: &BatchNorm, state: &State, buffers: &mut Buffers) -> Self {
        let (statistics, parameters) = (norm.running_statistics(state), state.parameters());
        let (scale, mut shift) = norm.input(&[], &statistics, parameters).scale_and_shift();
        if let Some(bias) = conv.bias {
            let scaled = scale.iter().zip(&parameters[bias]).map(|(scale, bias)| scale * bias);
            shift.iter_mut().zip(scaled).for_each(|(shift, bias)| *shift += bias);
        }
        let weights = &parameters[conv.weight];
        let mut scaled = buffers.take(weights.len());
        scaled.truncate(weights.len());
        let per_channel = weights.len() / scale.len();
        for ((to, from), scale) in
            scaled.chunks_exact_mut(per_channel).zip(weights.chunks_exact(per_channel)).zip(&scale)
        {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * scale);
        }
        Self { weights: scaled, shift }
    }
}

//! Data that the layers of a pass read, write and pass on.

use unlearn_kernels::{Buffer, Buffers, ChannelStatistics, Maps, add_assign};

use super::{folded::FoldedLayers, layers::Format, plan::Plan};
use crate::{Collect, Mode, NodeId, State};

/// Statistics per node: the batch statistics of a convolution's output, or the statistics that a normalisation used.
pub(super) type Statistics = Vec<Option<Vec<ChannelStatistics>>>;

/// A forward pass, from images to logits.
pub(super) struct Forward<'a, E> {
    pub(super) plan: &'a Plan<E>,
    pub(super) batch: usize,
    pub(super) mode: Mode,
    pub(super) values: &'a [Option<Buffer<E>>],
    pub(super) state: &'a mut State,
    pub(super) statistics: &'a mut Statistics,
    pub(super) folded: &'a mut FoldedLayers,
}

/// A backward pass, from the gradient of the logits to all others.
pub(super) struct Backward<'a, 'c, E> {
    pub(super) plan: &'a Plan<E>,
    pub(super) batch: usize,
    pub(super) mode: Mode,
    pub(super) values: &'a [Option<Buffer<E>>],
    pub(super) statistics: &'a Statistics,
    pub(super) state: &'a State,
    /// For each node, the sum of the gradients received so far.
    pub(super) arriving: Vec<Option<Buffer<E>>>,
    /// For each normalisation whose gradient was reduced as it was written: the totals per channel.
    pub(super) reduced: Vec<Option<Vec<(f64, f64)>>>,
    /// For each convolution whose gradient has yet to pass through the normalisation that follows: the terms of
    /// [`NormGradient`](unlearn_kernels::NormGradient).
    pub(super) unfinished: Vec<Option<Vec<[f32; 3]>>>,
    pub(super) buffers: &'a mut Buffers<E>,
    pub(super) collect: &'a mut Collect<'c>,
}

impl<'a, E: Format> Forward<'a, E> {
    pub(super) fn value(&self, node: NodeId) -> &'a [E] {
        value(self.values, node)
    }

    pub(super) fn maps(&self, node: NodeId) -> Maps {
        self.plan.maps(node, self.batch)
    }
}

impl<'a, E: Format> Backward<'a, '_, E> {
    pub(super) fn value(&self, node: NodeId) -> &'a [E] {
        value(self.values, node)
    }

    pub(super) fn maps(&self, node: NodeId) -> Maps {
        self.plan.maps(node, self.batch)
    }

    /// Passes a gradient to a node. The first gradient is stored; later ones are added to it.
    pub(super) fn deliver(&mut self, node: NodeId, gradient: Buffer<E>) {
        let maps = self.maps(node);
        match &mut self.arriving[node] {
            Some(sum) => {
                add_assign(sum, &gradient, &maps);
                self.buffers.give(gradient);
            }
            empty => *empty = Some(gradient),
        }
    }

    /// Passes on the gradient that `compute(gradient, dx)` writes over `dx`, and returns `gradient` to the pool.
    pub(super) fn replace(&mut self, node: NodeId, gradient: Buffer<E>, compute: impl FnOnce(&[E], &mut [E])) {
        let mut dx = self.buffers.take(self.maps(node).len());
        compute(&gradient, &mut dx);
        self.deliver(node, dx);
        self.buffers.give(gradient);
    }
}

/// The value of a node.
pub(super) fn value<E: Format>(values: &[Option<Buffer<E>>], node: NodeId) -> &[E] {
    values[node].as_deref().unwrap_or_else(|| unreachable!("node {node} is read before it is computed"))
}

/// The statistics that the normalisation with this output used.
pub(super) fn statistics_of(statistics: &Statistics, node: NodeId) -> &[ChannelStatistics] {
    statistics[node].as_deref().unwrap_or_else(|| unreachable!("a normalisation keeps them"))
}

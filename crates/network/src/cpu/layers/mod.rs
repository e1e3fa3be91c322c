//! The layers of the CPU executor, one per file. Each file contains the layer's planning, its forward pass and its
//! backward pass.

mod add;
mod batch_norm;
mod convolution;
mod global_avg_pool;
mod linear;
mod max_pool;
mod relu;
mod shortcut_a;

use unlearn_kernels::Maps;

pub(super) use self::{batch_norm::BatchNorm, convolution::Convolution};
use super::{
    pass::{Backward, Forward},
    plan::{Planning, Step},
};
use crate::{NodeId, Op};

/// Makes a layer of a node if the operation is of the layer's kind.
type PlanLayer = fn(&Planning<'_>, NodeId, &Op) -> Option<Box<dyn Layer>>;

/// Every layer.
const LAYERS: &[PlanLayer] = &[
    add::plan,
    batch_norm::plan,
    convolution::plan,
    global_avg_pool::plan,
    linear::plan,
    max_pool::plan,
    relu::plan,
    shortcut_a::plan,
];

/// Makes a layer of a node; `None` if the executor has no layer for the operation.
pub(super) fn plan(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    LAYERS.iter().find_map(|plan| plan(planning, node, op))
}

/// The computation of a step.
pub(super) trait Layer: Send {
    /// Writes the value of the step's node.
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]);

    /// Takes `gradient` = ∂loss/∂value of the step's node. Collects the result for the layer's parameters, and passes
    /// gradients on to the nodes that the step reads.
    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Vec<f32>);

    /// This layer as a convolution, which a normalisation may fold.
    fn as_convolution(&self) -> Option<&Convolution> {
        None
    }

    /// This layer as a normalisation, which may fold a convolution.
    fn as_batch_norm(&self) -> Option<&BatchNorm> {
        None
    }
}

/// Maps and their layout.
type Laid<'a> = (&'a [f32], &'a Maps);

/// Mutable access to two tensors at once: those of a layer's weight and bias.
fn two(tensors: &mut [Vec<f32>], weight: usize, bias: usize) -> (&mut [f32], &mut [f32]) {
    match tensors.get_disjoint_mut([weight, bias]) {
        Ok([weight, bias]) => (weight, bias),
        Err(_) => unreachable!("a layer's weight and bias are two tensors"),
    }
}

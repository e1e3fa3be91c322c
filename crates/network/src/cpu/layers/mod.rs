//! The layers that the CPU executor knows, one a file: how it is planned, its forward pass, and its way back with what that
//! collects.

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

/// Makes a layer of a node that is of its kind.
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

/// Makes a layer of a node; `None` where no layer is of its kind.
pub(super) fn plan(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    LAYERS.iter().find_map(|plan| plan(planning, node, op))
}

/// What a step computes.
pub(super) trait Layer: Send {
    /// Writes the value of the step's node.
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]);

    /// From `gradient` = ∂loss/∂value of the step's node, collects what concerns its parameters and hands on the gradients of the
    /// nodes it read.
    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Vec<f32>);

    /// The convolution that it is, for a normalisation to fold.
    fn as_convolution(&self) -> Option<&Convolution> {
        None
    }

    /// The normalisation that it is, which may fold a convolution.
    fn as_batch_norm(&self) -> Option<&BatchNorm> {
        None
    }
}

/// Maps and their layout.
type Laid<'a> = (&'a [f32], &'a Maps);

/// The tensors of a layer's weight and its bias.
fn two(tensors: &mut [Vec<f32>], weight: usize, bias: usize) -> (&mut [f32], &mut [f32]) {
    match tensors.get_disjoint_mut([weight, bias]) {
        Ok([weight, bias]) => (weight, bias),
        Err(_) => unreachable!("a layer's weight and bias are two tensors"),
    }
}

//! The layers of the CPU executor, one per file. Each file contains the layer's planning, its forward pass and its
//! backward pass.

mod add;
mod attention;
mod batch_norm;
mod class_token;
mod convolution;
mod first;
mod from_map;
mod gelu;
mod global_avg_pool;
mod layer_norm;
mod linear;
mod max_pool;
mod merge;
mod position;
mod relu;
mod shortcut_a;
mod token_linear;
mod token_mean;

use unlearn_kernels::{Buffer, LANES, Maps, rows_of_samples, sums_over_samples};

pub(super) use self::{batch_norm::BatchNorm, convolution::Convolution};
use super::{
    pass::{Backward, Forward},
    plan::{Planning, Step},
};
use crate::{Collect, NodeId, Op, ParameterId};

/// Makes a layer of a node if the operation is of the layer's kind.
type PlanLayer = fn(&Planning<'_>, NodeId, &Op) -> Option<Box<dyn Layer>>;

/// Every layer.
const LAYERS: &[PlanLayer] = &[
    add::plan,
    attention::plan,
    batch_norm::plan,
    class_token::plan,
    convolution::plan,
    first::plan,
    from_map::plan,
    gelu::plan,
    global_avg_pool::plan,
    layer_norm::plan,
    linear::plan,
    max_pool::plan,
    merge::plan,
    position::plan,
    relu::plan,
    shortcut_a::plan,
    token_linear::plan,
    token_mean::plan,
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
    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer);

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

/// Collects the result for a parameter from its gradients by sample, `[bundles, len, LANES]`.
fn collect_by_sample(collect: &mut Collect<'_>, parameter: ParameterId, by_sample: &[f32], batch: usize) {
    if let Collect::Gradients { gradients, .. } = collect {
        sums_over_samples(by_sample, &mut gradients.parameters[parameter]);
        return;
    }
    let values = by_sample.len() / (batch.div_ceil(LANES).max(1) * LANES);
    let mut rows = vec![0.0; batch * values];
    rows_of_samples(by_sample, values, &mut rows);
    collect.add_samples(parameter, 0, &rows);
}

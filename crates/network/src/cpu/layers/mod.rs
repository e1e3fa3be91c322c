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

use half::bf16;
use unlearn_kernels::{Buffer, Element, LANES, Maps, rows_of_samples, sums_over_samples};

pub(super) use self::{batch_norm::BatchNorm, convolution::Convolution, linear::Linear};
use super::{
    pass::{Backward, Forward},
    plan::{Planning, Step},
};
use crate::{Collect, NodeId, Op, ParameterId, Precision};

/// Makes a layer of a node if the operation is of the layer's kind.
type PlanLayer<E> = fn(&Planning<'_>, NodeId, &Op) -> Option<Box<dyn Layer<E>>>;

/// A format of activations and their gradients, with the layers that run on it.
pub(in crate::cpu) trait Format: Element {
    /// Its name.
    const PRECISION: Precision;
    /// The layers of convolutional networks, which every format has.
    const LAYERS_OF_MAPS: &'static [PlanLayer<Self>] = &[
        add::plan,
        batch_norm::plan,
        convolution::plan,
        global_avg_pool::plan,
        linear::plan,
        max_pool::plan,
        relu::plan,
        shortcut_a::plan,
    ];
    /// Further layers of transformers.
    const LAYERS_OF_TOKENS: &'static [PlanLayer<Self>];
}

impl Format for f32 {
    const PRECISION: Precision = Precision::F32;
    const LAYERS_OF_TOKENS: &'static [PlanLayer<Self>] = &[
        attention::plan,
        class_token::plan,
        first::plan,
        from_map::plan,
        gelu::plan,
        layer_norm::plan,
        merge::plan,
        position::plan,
        token_linear::plan,
        token_mean::plan,
    ];
}

impl Format for bf16 {
    const PRECISION: Precision = Precision::Bf16;
    const LAYERS_OF_TOKENS: &'static [PlanLayer<Self>] = &[];
}

/// Makes a layer of a node; `None` if the format has no layer for the operation.
pub(super) fn plan<E: Format>(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    E::LAYERS_OF_MAPS.iter().chain(E::LAYERS_OF_TOKENS).find_map(|plan| plan(planning, node, op))
}

/// The computation of a step.
pub(super) trait Layer<E>: Send {
    /// Writes the value of the step's node.
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]);

    /// Takes `gradient` = ∂loss/∂value of the step's node. Collects the result for the layer's parameters, and passes
    /// gradients on to the nodes that the step reads.
    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>);

    /// This layer as a convolution, which a normalisation may fold.
    fn as_convolution(&self) -> Option<&Convolution> {
        None
    }

    /// This layer as a normalisation, which may fold a convolution.
    fn as_batch_norm(&self) -> Option<&BatchNorm> {
        None
    }

    /// This layer as a fully connected one, which gives logits in f32 if it is the last.
    fn as_linear(&self) -> Option<&Linear> {
        None
    }
}

/// Maps and their layout.
type Laid<'a, E> = (&'a [E], &'a Maps);

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

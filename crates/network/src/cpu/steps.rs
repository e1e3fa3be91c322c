//! What a step computes forward and backward.

use unlearn_kernels::{
    self as kernels, ChannelStatistics, NormInput, PackedWeights, add_assign, global_avg_pool,
    global_avg_pool_backward, linear_backward, linear_forward, norm_apply, norm_backward, norm_statistics,
    relu_backward, shortcut_a, shortcut_a_backward, update_running_statistics,
};

use super::{
    buffers::Buffers,
    plan::{Plan, Step, StepKind},
};
use crate::{Gradients, Mode, NodeId, State};

/// What a normalisation keeps from forward to backward besides its value; other steps keep nothing.
pub(super) type Statistics = Option<Vec<ChannelStatistics>>;

/// What every backward step reads.
pub(super) struct Backward<'a> {
    pub(super) plan: &'a Plan,
    pub(super) batch: usize,
    pub(super) mode: Mode,
    pub(super) values: &'a [Option<Vec<f32>>],
    pub(super) state: &'a State,
    /// Whether the gradient of the images is wanted.
    pub(super) into_input: bool,
}

fn value(values: &[Option<Vec<f32>>], node: NodeId) -> &[f32] {
    values[node].as_deref().unwrap_or_else(|| unreachable!("node {node} is read before it is computed"))
}

impl Step {
    pub(super) fn forward(
        &self,
        plan: &Plan,
        batch: usize,
        values: &[Option<Vec<f32>>],
        state: &mut State,
        mode: Mode,
        out: &mut [f32],
    ) -> Statistics {
        let input = plan.maps(self.input, batch);
        let output = plan.maps(self.output, batch);
        let x = value(values, self.input);
        match self.kind {
            StepKind::Conv { shape, weight } => {
                let packed = PackedWeights::forward(&shape, &state.parameters()[weight]);
                kernels::forward(&shape, x, &input, &packed, out, &output);
            }
            StepKind::Norm { weight, bias, running_mean, running_var, relu } => {
                let statistics = if mode == Mode::Train {
                    let statistics = norm_statistics(x, &input);
                    let buffers = state.buffers_mut();
                    let [mean, var] = buffers
                        .get_disjoint_mut([running_mean, running_var])
                        .unwrap_or_else(|_| unreachable!("two buffers of one layer"));
                    update_running_statistics(&statistics, &input, mean, var);
                    statistics
                } else {
                    let running = state.buffers()[running_mean].iter().zip(&state.buffers()[running_var]);
                    running.map(|(mean, var)| ChannelStatistics { mean: *mean, var: *var }).collect()
                };
                let parameters = state.parameters();
                let norm =
                    NormInput { x, statistics: &statistics, weight: &parameters[weight], bias: &parameters[bias] };
                let residual = self.other.map(|other| value(values, other));
                norm_apply(norm, residual, relu, out, &output);
                return Some(statistics);
            }
            StepKind::Relu => kernels::relu(x, out, &output),
            StepKind::Add => {
                let other = self.other.unwrap_or(self.input);
                kernels::add(x, value(values, other), out, &output);
            }
            StepKind::ShortcutA { stride } => shortcut_a(x, &input, stride, out, &output),
            StepKind::GlobalAvgPool => global_avg_pool(x, &input, out, &output),
            StepKind::Linear { weight, bias } => {
                let parameters = state.parameters();
                linear_forward(x, &input, &parameters[weight], &parameters[bias], out, &output);
            }
        }
        None
    }

    /// From `gradient` = ∂loss/∂value of this step's node, writes the gradients of its parameters and hands on, through
    /// `arriving`, those of the nodes it read.
    pub(super) fn backward(
        &self,
        context: &Backward<'_>,
        statistics: &Statistics,
        mut gradient: Vec<f32>,
        arriving: &mut [Option<Vec<f32>>],
        buffers: &mut Buffers,
        gradients: &mut Gradients,
    ) {
        let Backward { plan, batch, values, state, .. } = *context;
        let input = plan.maps(self.input, batch);
        let output = plan.maps(self.output, batch);
        let x = value(values, self.input);
        match self.kind {
            StepKind::Conv { shape, weight } => {
                kernels::weight_gradient(&shape, x, &input, &gradient, &output, &mut gradients.parameters[weight]);
                if self.input != plan.input || context.into_input {
                    let packed = PackedWeights::transposed(&shape, &state.parameters()[weight]);
                    // Where a gradient has arrived already, the kernel adds to it.
                    let accumulate = arriving[self.input].is_some();
                    let dx = arriving[self.input].get_or_insert_with(|| buffers.take(input.len()));
                    kernels::input_gradient(&shape, &gradient, &output, &packed, dx, &input, accumulate);
                }
                buffers.give(gradient);
            }
            StepKind::Norm { weight, bias, relu, .. } => {
                let statistics = statistics.as_deref().unwrap_or_else(|| unreachable!("a normalisation keeps them"));
                let parameters = state.parameters();
                let norm = NormInput { x, statistics, weight: &parameters[weight], bias: &parameters[bias] };
                let z = relu.then(|| value(values, self.output));
                let mut dx = buffers.take(input.len());
                let (dweight, dbias) = two(&mut gradients.parameters, weight, bias);
                let through_batch = context.mode == Mode::Train;
                norm_backward(norm, z, through_batch, &mut gradient, &mut dx, dweight, dbias, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                match self.other {
                    Some(other) => deliver(arriving, other, gradient, plan, batch, buffers),
                    None => buffers.give(gradient),
                }
            }
            StepKind::Relu => {
                let mut dx = buffers.take(input.len());
                relu_backward(value(values, self.output), &gradient, &mut dx, &output);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::Add => {
                if let Some(other) = self.other {
                    let mut copy = buffers.take(output.len());
                    copy[..output.len()].copy_from_slice(&gradient[..output.len()]);
                    deliver(arriving, other, copy, plan, batch, buffers);
                }
                deliver(arriving, self.input, gradient, plan, batch, buffers);
            }
            StepKind::ShortcutA { stride } => {
                let mut dx = buffers.take(input.len());
                shortcut_a_backward(&gradient, &output, stride, &mut dx, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::GlobalAvgPool => {
                let mut dx = buffers.take(input.len());
                global_avg_pool_backward(&gradient, &output, &mut dx, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::Linear { weight, bias } => {
                let mut dx = buffers.take(input.len());
                let (dweight, dbias) = two(&mut gradients.parameters, weight, bias);
                let weight = &state.parameters()[weight];
                linear_backward(x, &input, weight, &gradient, &output, dweight, dbias, &mut dx);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
        }
    }
}

/// Hands a gradient on: the first to arrive stays, a later one is added to it.
fn deliver(
    arriving: &mut [Option<Vec<f32>>],
    node: NodeId,
    gradient: Vec<f32>,
    plan: &Plan,
    batch: usize,
    buffers: &mut Buffers,
) {
    match &mut arriving[node] {
        Some(sum) => {
            add_assign(sum, &gradient, &plan.maps(node, batch));
            buffers.give(gradient);
        }
        empty => *empty = Some(gradient),
    }
}

fn two(tensors: &mut [Vec<f32>], a: usize, b: usize) -> (&mut [f32], &mut [f32]) {
    match tensors.get_disjoint_mut([a, b]) {
        Ok([a, b]) => (a, b),
        Err(_) => unreachable!("a layer's weight and bias are two tensors"),
    }
}

//! What a step computes forward and backward.

use unlearn_kernels::{
    self as kernels, Buffers, ChannelStatistics, Epilogue, NormInput, add_assign, global_avg_pool,
    global_avg_pool_backward, linear_forward, linear_input_gradient, max_pool, max_pool_backward, norm_apply,
    norm_backward, norm_backward_in_place, norm_statistics, relu_backward, shortcut_a, shortcut_a_backward,
    update_running_statistics,
};

use super::{
    folded::{Folded, FoldedLayers},
    plan::{NormStep, Plan, Step, StepKind},
};
use crate::{Collect, Mode, NodeId, State};

/// Per node: of a convolution's output, the statistics of the batch; of a normalisation's, those it went by.
pub(super) type Statistics = Vec<Option<Vec<ChannelStatistics>>>;

/// What every forward step reads and writes.
pub(super) struct Forward<'a> {
    pub(super) plan: &'a Plan,
    pub(super) batch: usize,
    pub(super) mode: Mode,
    pub(super) values: &'a [Option<Vec<f32>>],
    pub(super) state: &'a mut State,
    pub(super) statistics: &'a mut Statistics,
    pub(super) folded: &'a mut FoldedLayers,
    pub(super) buffers: &'a mut Buffers,
}

/// What every backward step reads.
pub(super) struct Backward<'a> {
    pub(super) plan: &'a Plan,
    pub(super) batch: usize,
    pub(super) mode: Mode,
    pub(super) values: &'a [Option<Vec<f32>>],
    pub(super) statistics: &'a Statistics,
    pub(super) state: &'a State,
}

fn value(values: &[Option<Vec<f32>>], node: NodeId) -> &[f32] {
    values[node].as_deref().unwrap_or_else(|| unreachable!("node {node} is read before it is computed"))
}

impl Step {
    /// Writes the value of this step's node.
    pub(super) fn forward(&self, context: &mut Forward<'_>, out: &mut [f32]) {
        let Forward { plan, batch, mode, values, .. } = *context;
        if let (Mode::Evaluate, Some(conv)) = (mode, self.folds) {
            return self.folded_forward(&plan.steps[conv], context, out);
        }
        let input = plan.maps(self.input, batch);
        let output = plan.maps(self.output, batch);
        let x = value(values, self.input);
        match &self.kind {
            StepKind::Conv(conv) => {
                let parameters = context.state.parameters();
                let epilogue = match conv.bias {
                    Some(bias) => Epilogue::Shift { shift: &parameters[bias], residual: None, relu: false },
                    None if self.folded && mode == Mode::Train => Epilogue::Statistics,
                    None => Epilogue::None,
                };
                let weights = &parameters[conv.weight];
                context.statistics[self.output] = conv.convolution.forward(weights, x, &input, out, &output, epilogue);
            }
            StepKind::Norm(norm) => {
                let statistics = if mode == Mode::Train {
                    let statistics = context.statistics[self.input].take();
                    let statistics = statistics.unwrap_or_else(|| norm_statistics(x, &input));
                    let buffers = context.state.buffers_mut();
                    let [mean, var] = buffers
                        .get_disjoint_mut([norm.running_mean, norm.running_var])
                        .unwrap_or_else(|_| unreachable!("two buffers of one layer"));
                    update_running_statistics(&statistics, &input, mean, var);
                    statistics
                } else {
                    norm.running_statistics(context.state)
                };
                let parameters = context.state.parameters();
                let reads = norm.input(x, &statistics, parameters);
                let residual = self.other.map(|other| value(values, other));
                norm_apply(reads, residual, norm.relu, out, &output);
                context.statistics[self.output] = Some(statistics);
            }
            StepKind::Relu => kernels::relu(x, out, &output),
            StepKind::Add => {
                let other = self.other.unwrap_or(self.input);
                kernels::add(x, value(values, other), out, &output);
            }
            StepKind::ShortcutA { stride } => shortcut_a(x, &input, *stride, out, &output),
            StepKind::GlobalAvgPool => global_avg_pool(x, &input, out, &output),
            StepKind::MaxPool(window) => max_pool(*window, x, &input, out, &output),
            StepKind::Linear { weight, bias } => {
                let parameters = context.state.parameters();
                linear_forward(x, &input, &parameters[*weight], &parameters[*bias], out, &output);
            }
        }
    }

    /// This normalisation and the convolution before it in one: the scale goes into the weights, the rest happens while an
    /// output is in cache.
    fn folded_forward(&self, conv_step: &Self, context: &mut Forward<'_>, out: &mut [f32]) {
        let Forward { plan, batch, values, .. } = *context;
        let (StepKind::Norm(norm), StepKind::Conv(conv)) = (&self.kind, &conv_step.kind) else {
            unreachable!("a normalisation folds a convolution")
        };
        let Folded { weights, shift } = context.folded.layer(self.output, (conv, norm), context.state, context.buffers);
        let residual = self.other.map(|other| value(values, other));
        let epilogue = Epilogue::Shift { shift, residual, relu: norm.relu };
        let (input, output) = (plan.maps(conv_step.input, batch), plan.maps(self.output, batch));
        conv.convolution.forward(weights, value(values, conv_step.input), &input, out, &output, epilogue);
    }

    /// From `gradient` = ∂loss/∂value of this step's node, collects what concerns its parameters and hands on, through
    /// `arriving`, those of the nodes it read.
    pub(super) fn backward(
        &self,
        context: &Backward<'_>,
        mut gradient: Vec<f32>,
        arriving: &mut [Option<Vec<f32>>],
        buffers: &mut Buffers,
        collect: &mut Collect<'_>,
    ) {
        let Backward { plan, batch, values, state, .. } = *context;
        let input = plan.maps(self.input, batch);
        let output = plan.maps(self.output, batch);
        let x = value(values, self.input);
        match &self.kind {
            StepKind::Conv(conv) => {
                collect.conv(conv, (x, &input), (&gradient, &output));
                if self.input != plan.input || collect.into_input() {
                    // Where a gradient has arrived already, the kernel adds to it.
                    let accumulate = arriving[self.input].is_some();
                    let dx = arriving[self.input].get_or_insert_with(|| buffers.take(input.len()));
                    let weights = &state.parameters()[conv.weight];
                    conv.convolution.input_gradient(weights, &gradient, &output, dx, &input, accumulate);
                }
                buffers.give(gradient);
            }
            StepKind::Norm(norm) => {
                let statistics = context.statistics[self.output].as_deref();
                let statistics = statistics.unwrap_or_else(|| unreachable!("a normalisation keeps them"));
                let reads = norm.input(x, statistics, state.parameters());
                let [mut dweight, mut dbias] = [(); 2].map(|()| vec![0.0; input.channels]);
                let through_batch = context.mode == Mode::Train;
                // Nobody but a residual branch and single samples asks for the gradient behind the ReLU.
                if self.other.is_none() && !collect.by_sample() {
                    let (relu, dz) = (norm.relu, &mut gradient);
                    norm_backward_in_place(reads, relu, through_batch, dz, &mut dweight, &mut dbias, &input);
                    collect.norm(norm, reads, (&gradient, &input), [dweight, dbias]);
                    return deliver(arriving, self.input, gradient, plan, batch, buffers);
                }
                let z = norm.relu.then(|| value(values, self.output));
                let mut dx = buffers.take(input.len());
                norm_backward(reads, z, through_batch, &mut gradient, &mut dx, &mut dweight, &mut dbias, &input);
                collect.norm(norm, reads, (&gradient, &input), [dweight, dbias]);
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
                shortcut_a_backward(&gradient, &output, *stride, &mut dx, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::GlobalAvgPool => {
                let mut dx = buffers.take(input.len());
                global_avg_pool_backward(&gradient, &output, &mut dx, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::MaxPool(window) => {
                let mut dx = buffers.take(input.len());
                max_pool_backward(*window, x, &input, &gradient, &output, &mut dx);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
            StepKind::Linear { weight, bias } => {
                let mut dx = buffers.take(input.len());
                collect.linear((*weight, *bias), (x, &input), (&gradient, &output));
                linear_input_gradient(&state.parameters()[*weight], &gradient, &output, &mut dx, &input);
                deliver(arriving, self.input, dx, plan, batch, buffers);
                buffers.give(gradient);
            }
        }
    }
}

impl NormStep {
    pub(super) fn running_statistics(&self, state: &State) -> Vec<ChannelStatistics> {
        let running = state.buffers()[self.running_mean].iter().zip(&state.buffers()[self.running_var]);
        running.map(|(mean, var)| ChannelStatistics { mean: *mean, var: *var }).collect()
    }

    pub(super) fn input<'a>(
        &self,
        x: &'a [f32],
        statistics: &'a [ChannelStatistics],
        parameters: &'a [Vec<f32>],
    ) -> NormInput<'a> {
        NormInput { x, statistics, weight: &parameters[self.weight], bias: &parameters[self.bias] }
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

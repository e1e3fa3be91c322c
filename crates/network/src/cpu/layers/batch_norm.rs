//! Batch normalisation, fused with the residual sum and the ReLU that follow it. In an evaluation, it is also fused
//! with the convolution before it.

use unlearn_kernels::{
    Buffer, ChannelStatistics, Element, Epilogue, NormGradient, NormInput, NormReduction, norm_apply, norm_backward,
    norm_backward_in_place, norm_backward_terms, norm_sample_gradients, norm_statistics, update_running_statistics,
};

use super::{Convolution, Format, Laid, Layer};
use crate::{
    BufferId, Collect, Mode, NodeId, Op, ParameterId, State,
    cpu::{
        pass::{Backward, Forward, statistics_of},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    let &Op::BatchNorm2d { weight, bias, running_mean, running_var } = op else { return None };
    let relu = planning.has_relu(node);
    Some(Box::new(BatchNorm { weight, bias, running_mean, running_var, relu }))
}

/// Normalises, adds the residual branch if there is one, and applies the ReLU if `relu` is set.
pub(in crate::cpu) struct BatchNorm {
    weight: ParameterId,
    bias: ParameterId,
    running_mean: BufferId,
    running_var: BufferId,
    pub(in crate::cpu) relu: bool,
}

impl<E: Format> Layer<E> for BatchNorm {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        if let (Mode::Evaluate, Some(conv)) = (pass.mode, step.folds) {
            let conv_step = &pass.plan.steps[conv];
            let conv = conv_step.layer.as_convolution();
            let conv = conv.unwrap_or_else(|| unreachable!("a normalisation folds a convolution"));
            return self.folded_forward(step, (conv_step, conv), pass, out);
        }
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let x = pass.value(step.input);
        let statistics = if pass.mode == Mode::Train {
            let statistics = pass.statistics[step.input].take();
            let statistics = statistics.unwrap_or_else(|| norm_statistics(x, &input));
            let buffers = pass.state.buffers_mut();
            let [mean, var] = buffers
                .get_disjoint_mut([self.running_mean, self.running_var])
                .unwrap_or_else(|_| unreachable!("two buffers of one layer"));
            update_running_statistics(&statistics, &input, mean, var);
            statistics
        } else {
            self.running_statistics(pass.state)
        };
        if pass.mode != Mode::Train || !step.unwritten {
            let reads = self.input(x, &statistics, pass.state.parameters());
            let residual = step.other.map(|other| pass.value(other));
            norm_apply(reads, residual, self.relu, out, &output);
        }
        pass.statistics[step.output] = Some(statistics);
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, mut gradient: Buffer<E>) {
        let input = pass.maps(step.input);
        let x = pass.value(step.input);
        let reads = self.input(x, statistics_of(pass.statistics, step.output), pass.state.parameters());
        let [mut dweight, mut dbias] = [(); 2].map(|()| vec![0.0; input.channels]);
        let through_batch = pass.mode == Mode::Train;
        // Only a residual branch and per-sample gradients need the gradient at the input of the ReLU.
        if step.other.is_none() && !pass.collect.by_sample() {
            let conv = step.folds.and_then(|conv| pass.plan.steps[conv].layer.as_convolution());
            let left_to_convolution = conv.is_some_and(|conv| conv.kernel.finishes_gradients());
            let (relu, sums) = (self.relu, pass.reduced[step.output].take());
            if left_to_convolution || sums.is_some() {
                let (dweight_to, dbias_to) = (&mut dweight[..], &mut dbias[..]);
                let terms = match sums {
                    Some(totals) => {
                        let reduction = NormReduction { input: reads, relu };
                        reduction.finish(&totals, through_batch, dweight_to, dbias_to, &input)
                    }
                    None => norm_backward_terms(reads, relu, through_batch, &gradient, dweight_to, dbias_to, &input),
                };
                self.collect(pass.collect, reads, (&gradient, &input), [dweight, dbias]);
                if left_to_convolution {
                    pass.unfinished[step.input] = Some(terms);
                } else {
                    NormGradient { input: reads, relu, terms: &terms }.finish_maps(&mut gradient, &input);
                }
                return pass.deliver(step.input, gradient);
            }
            let dz = &mut gradient;
            norm_backward_in_place(reads, self.relu, through_batch, dz, &mut dweight, &mut dbias, &input);
            self.collect(pass.collect, reads, (&gradient, &input), [dweight, dbias]);
            return pass.deliver(step.input, gradient);
        }
        let z = self.relu.then(|| pass.value(step.output));
        let mut dx = pass.buffers.take(input.len());
        norm_backward(reads, z, through_batch, &mut gradient, &mut dx, &mut dweight, &mut dbias, &input);
        self.collect(pass.collect, reads, (&gradient, &input), [dweight, dbias]);
        pass.deliver(step.input, dx);
        match step.other {
            Some(other) => pass.deliver(other, gradient),
            None => pass.buffers.give(gradient),
        }
    }

    fn as_batch_norm(&self) -> Option<&BatchNorm> {
        Some(self)
    }
}

impl BatchNorm {
    /// Runs this normalisation and the convolution before it as one. The scale is part of the weights. The rest is
    /// applied while rows of the output are in cache.
    fn folded_forward<E: Format>(
        &self,
        step: &Step<E>,
        (conv_step, conv): (&Step<E>, &Convolution),
        pass: &mut Forward<'_, E>,
        out: &mut [E],
    ) {
        let (input, output) = (pass.maps(conv_step.input), pass.maps(step.output));
        let (x, residual) = (pass.value(conv_step.input), step.other.map(|other| pass.value(other)));
        let folded = pass.folded.layer(step.output, (conv, self), pass.state);
        let epilogue = Epilogue::Shift { shift: &folded.shift, residual, relu: self.relu };
        conv.kernel.forward(&folded.weights, x, &input, out, &output, epilogue);
    }

    pub(in crate::cpu) fn running_statistics(&self, state: &State) -> Vec<ChannelStatistics> {
        let running = state.buffers()[self.running_mean].iter().zip(&state.buffers()[self.running_var]);
        running.map(|(mean, var)| ChannelStatistics { mean: *mean, var: *var }).collect()
    }

    pub(in crate::cpu) fn input<'a, E>(
        &self,
        x: &'a [E],
        statistics: &'a [ChannelStatistics],
        parameters: &'a [Vec<f32>],
    ) -> NormInput<'a, E> {
        NormInput { x, statistics, weight: &parameters[self.weight], bias: &parameters[self.bias] }
    }

    /// Collects the result for the parameters, given the gradient at the input of the ReLU. The sums over samples are
    /// already known.
    fn collect<E: Element>(
        &self,
        collect: &mut Collect<'_>,
        reads: NormInput<'_, E>,
        (g, maps): Laid<'_, E>,
        sums: [Vec<f32>; 2],
    ) {
        if let Collect::Gradients { gradients, .. } = collect {
            [gradients.parameters[self.weight], gradients.parameters[self.bias]] = sums;
            return;
        }
        let mut gradients = [(); 2].map(|()| vec![0.0; maps.batch * maps.channels]);
        let [dweight, dbias] = &mut gradients;
        norm_sample_gradients(reads, g, maps, dweight, dbias);
        collect.add_samples(self.weight, 0, dweight);
        collect.add_samples(self.bias, 0, dbias);
    }
}

//! The convolution, with or without a bias.

use unlearn_kernels::{
    self as kernels, Algorithm, Algorithms, Arithmetic, Buffer, ConvShape, Element, Epilogue, NormGradient,
    NormReduction, Normalised, Source, channel_sums, channel_sums_by_sample,
};

use super::{Format, Laid, Layer};
use crate::{
    Collect, Mode, NodeId, Op, ParameterId,
    cpu::{
        Kernels,
        pass::{Backward, Forward, Statistics, statistics_of, value},
        plan::{Plan, Planning, Step},
    },
};

pub(super) fn plan<E: Format>(planning: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    let &Op::Conv2d { weight, bias, kernel, stride, padding, groups } = op else { return None };
    let tensor = &planning.graph.parameters[weight].shape;
    let shape = ConvShape { in_channels: tensor[1] * groups, out_channels: tensor[0], kernel, stride, padding, groups };
    Some(Box::new(Convolution { kernel: chosen_kernel(planning, shape, weight), weight, bias }))
}

/// The kernel of a convolution with this weight: one that skips what is pruned, where that pays off.
pub(super) fn chosen_kernel(planning: &Planning<'_>, shape: ConvShape, weight: ParameterId) -> kernels::Convolution {
    let kept = planning.kept.get(weight).and_then(Option::as_deref);
    match (planning.kernels, kept) {
        (Kernels::Direct, Some(kept)) => {
            kernels::Convolution::with_kept(shape, Algorithms::all(Algorithm::Direct), kept)
        }
        (Kernels::Direct, None) => kernels::Convolution::direct(shape),
        (Kernels::Portable, kept) => chosen(shape, kept, Arithmetic::Portable),
        (Kernels::Native, kept) => chosen(shape, kept, Arithmetic::Native),
    }
}

/// A convolution with the algorithms that measured fastest.
fn chosen(shape: ConvShape, kept: Option<&[bool]>, arithmetic: Arithmetic) -> kernels::Convolution {
    match kept {
        Some(kept) => kernels::Convolution::pruned(shape, kept, arithmetic),
        None => kernels::Convolution::new(shape, arithmetic),
    }
}

/// A convolution and its parameters.
pub(in crate::cpu) struct Convolution {
    pub(in crate::cpu) kernel: kernels::Convolution,
    pub(in crate::cpu) weight: ParameterId,
    pub(in crate::cpu) bias: Option<ParameterId>,
}

impl<E: Format> Layer<E> for Convolution {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let parameters = pass.state.parameters();
        let epilogue = match self.bias {
            Some(bias) => Epilogue::Shift { shift: &parameters[bias], residual: None, relu: false },
            None if step.folded.is_some() && pass.mode == Mode::Train => Epilogue::Statistics,
            None => Epilogue::None,
        };
        let weights = &parameters[self.weight];
        let norm = unwritten_input(step, pass.mode, pass.plan, (pass.values, pass.statistics), parameters);
        let x = norm.as_ref().map_or_else(|| Source::Written(pass.value(step.input)), UnwrittenInput::source);
        pass.statistics[step.output] = self.kernel.forward_from(weights, x, &input, out, &output, epilogue);
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, mut gradient: Buffer<E>) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let Collect::Gradients { gradients, .. } = &mut *pass.collect else {
            self.collect(pass.collect, (pass.value(step.input), &input), (&gradient, &output));
            return self.pass_on(step, pass, gradient);
        };
        let parameters = pass.state.parameters();
        let norm = unwritten_input(step, pass.mode, pass.plan, (pass.values, pass.statistics), parameters);
        let x = norm.as_ref().map_or_else(|| Source::Written(value(pass.values, step.input)), UnwrittenInput::source);
        let dw = &mut gradients.parameters[self.weight];
        match (pass.unfinished[step.output].take(), step.folded) {
            (Some(terms), Some(norm)) => {
                let (norm, output_of_norm) = pass.plan.norm(norm);
                let statistics = statistics_of(pass.statistics, output_of_norm);
                let reads = norm.input(value(pass.values, step.output), statistics, parameters);
                let norm = NormGradient { input: reads, relu: norm.relu, terms: &terms };
                self.kernel.weight_gradient_through(x, &input, norm, &mut gradient, &output, dw);
            }
            _ => self.kernel.weight_gradient_from(x, &input, &gradient, &output, dw),
        }
        if let Some(bias) = self.bias {
            gradients.parameters[bias] = channel_sums(&gradient, &output);
        }
        self.pass_on(step, pass, gradient);
    }

    fn as_convolution(&self) -> Option<&Convolution> {
        Some(self)
    }
}

/// The result of a normalisation that nobody has written.
struct UnwrittenInput<'a, E> {
    x: &'a [E],
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

impl<E: Format> UnwrittenInput<'_, E> {
    fn source(&self) -> Source<'_, E> {
        let Self { x, scale, shift, relu } = self;
        Source::Normalised(Normalised { x, scale, shift, relu: *relu })
    }
}

/// What a convolution reads, if it normalises it itself.
fn unwritten_input<'a, E: Format>(
    step: &Step<E>,
    mode: Mode,
    plan: &Plan<E>,
    (values, statistics): (&'a [Option<Buffer<E>>], &Statistics),
    parameters: &[Vec<f32>],
) -> Option<UnwrittenInput<'a, E>> {
    let norm_step = &plan.steps[step.normalises.filter(|_| mode == Mode::Train)?];
    let (norm, output) = plan.norm(step.normalises?);
    let x = value(values, norm_step.input);
    let (scale, shift) = norm.input(x, statistics_of(statistics, output), parameters).scale_and_shift();
    Some(UnwrittenInput { x, scale, shift, relu: norm.relu })
}

impl Convolution {
    /// Passes on the gradient with respect to the input, if anything needs it.
    pub(super) fn pass_on<E: Format>(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        if step.input != pass.plan.input || pass.collect.into_input() {
            let parameters = pass.state.parameters();
            let norm = step.normalises.filter(|_| pass.mode == Mode::Train && self.kernel.reduces(&input));
            // If the node has a gradient already, the kernel adds to it.
            let accumulate = pass.arriving[step.input].is_some();
            let dx = pass.arriving[step.input].get_or_insert_with(|| pass.buffers.take(input.len()));
            let weights = &parameters[self.weight];
            if let Some(norm) = norm.filter(|_| !accumulate) {
                let x = value(pass.values, pass.plan.steps[norm].input);
                let (norm, output_of_norm) = pass.plan.norm(norm);
                let statistics = statistics_of(pass.statistics, output_of_norm);
                let reduction = NormReduction { input: norm.input(x, statistics, parameters), relu: norm.relu };
                let totals = self.kernel.input_gradient_reduced(weights, &gradient, &output, dx, &input, reduction);
                pass.reduced[step.input] = Some(totals);
            } else {
                self.kernel.input_gradient(weights, &gradient, &output, dx, &input, accumulate);
            }
        }
        pass.buffers.give(gradient);
    }

    /// Collects the result for the parameters of a convolution with input `x` and output gradient `dy`.
    pub(super) fn collect<E: Element>(
        &self,
        collect: &mut Collect<'_>,
        (x, input): Laid<'_, E>,
        (dy, output): Laid<'_, E>,
    ) {
        let Self { kernel, weight, bias } = self;
        match collect {
            Collect::Gradients { gradients, .. } => {
                kernel.weight_gradient(x, input, dy, output, &mut gradients.parameters[*weight]);
                if let Some(bias) = bias {
                    gradients.parameters[*bias] = channel_sums(dy, output);
                }
                return;
            }
            Collect::Squares(squares) => kernel.add_squared_gradients(x, input, dy, output, &mut squares[*weight]),
            Collect::Dots { direction, dots } => {
                kernel.add_gradient_dots(&direction[*weight], x, input, dy, output, dots);
            }
            Collect::Rows { layout, rows } => {
                let start = layout.place(*weight).start;
                kernel.sample_gradients(x, input, dy, output, &mut rows[start..], layout.width());
            }
        }
        if let Some(bias) = bias {
            let mut gradients = vec![0.0; output.batch * output.channels];
            channel_sums_by_sample(dy, output, &mut gradients);
            collect.add_samples(*bias, 0, &gradients);
        }
    }
}

//! The fully connected layer.

use unlearn_kernels::{
    Buffer, Element, linear_add_gradient_dots, linear_add_squared_gradients, linear_forward, linear_input_gradient,
    linear_sample_gradients, linear_weight_gradient,
};

use super::{Format, Laid, Layer, two};
use crate::{
    Collect, NodeId, Op, ParameterId,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    let &Op::Linear { weight, bias } = op else { return None };
    Some(Box::new(Linear { weight, bias }))
}

pub(in crate::cpu) struct Linear {
    weight: ParameterId,
    bias: ParameterId,
}

impl<E: Format> Layer<E> for Linear {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        self.write(step, pass, out);
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        self.read_gradient(step, pass, &gradient);
        pass.buffers.give(gradient);
    }

    fn as_linear(&self) -> Option<&Linear> {
        Some(self)
    }
}

impl Linear {
    /// Writes the result in any format.
    pub(in crate::cpu) fn write<E: Format, Y: Element>(&self, step: &Step<E>, pass: &Forward<'_, E>, out: &mut [Y]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let parameters = pass.state.parameters();
        linear_forward(pass.value(step.input), &input, &parameters[self.weight], &parameters[self.bias], out, &output);
    }

    /// Collects the result for the parameters, and passes the gradient on, given that of the output in any format.
    pub(in crate::cpu) fn read_gradient<E: Format, Y: Element>(
        &self,
        step: &Step<E>,
        pass: &mut Backward<'_, '_, E>,
        dy: &[Y],
    ) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let (x, weight) = (pass.value(step.input), &pass.state.parameters()[self.weight]);
        self.collect(pass.collect, (x, &input), (dy, &output));
        let mut dx = pass.buffers.take(input.len());
        linear_input_gradient(weight, dy, &output, &mut dx, &input);
        pass.deliver(step.input, dx);
    }

    /// Collects the result for the parameters of a layer with input `x` and output gradient `dy`.
    fn collect<X: Element, Y: Element>(
        &self,
        collect: &mut Collect<'_>,
        (x, input): Laid<'_, X>,
        (dy, output): Laid<'_, Y>,
    ) {
        let Self { weight, bias } = *self;
        match collect {
            Collect::Gradients { gradients, .. } => {
                let (dweight, dbias) = two(&mut gradients.parameters, weight, bias);
                linear_weight_gradient(x, input, dy, output, dweight, dbias);
            }
            Collect::Squares(squares) => {
                let (weight, bias) = two(squares, weight, bias);
                linear_add_squared_gradients(x, input, dy, output, weight, bias);
            }
            Collect::Dots { direction, dots } => {
                let direction = (&direction[weight][..], &direction[bias][..]);
                linear_add_gradient_dots(direction, x, input, dy, output, dots);
            }
            Collect::Rows { .. } => {
                let weights = input.channels * output.channels;
                let stride = weights + output.channels;
                let mut rows = vec![0.0; output.batch * stride];
                linear_sample_gradients(x, input, dy, output, &mut rows, stride);
                for (sample, row) in rows.chunks_exact(stride).enumerate() {
                    collect.add_samples(weight, sample, &row[..weights]);
                    collect.add_samples(bias, sample, &row[weights..]);
                }
            }
        }
    }
}

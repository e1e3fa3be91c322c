//! The fully connected layer.

use unlearn_kernels::{
    Buffer, linear_add_gradient_dots, linear_add_squared_gradients, linear_forward, linear_input_gradient,
    linear_sample_gradients, linear_weight_gradient,
};

use super::{Laid, Layer, two};
use crate::{
    Collect, NodeId, Op, ParameterId,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    let &Op::Linear { weight, bias } = op else { return None };
    Some(Box::new(Linear { weight, bias }))
}

struct Linear {
    weight: ParameterId,
    bias: ParameterId,
}

impl Layer for Linear {
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let parameters = pass.state.parameters();
        linear_forward(pass.value(step.input), &input, &parameters[self.weight], &parameters[self.bias], out, &output);
    }

    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let (x, weight) = (pass.value(step.input), &pass.state.parameters()[self.weight]);
        self.collect(pass.collect, (x, &input), (&gradient, &output));
        pass.replace(step.input, gradient, |dy, dx| linear_input_gradient(weight, dy, &output, dx, &input));
    }
}

impl Linear {
    /// Collects the result for the parameters of a layer with input `x` and output gradient `dy`.
    fn collect(&self, collect: &mut Collect<'_>, (x, input): Laid<'_>, (dy, output): Laid<'_>) {
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

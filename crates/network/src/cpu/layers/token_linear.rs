//! The fully connected layer on every token: a convolution with a kernel of one pixel, but for the gradient of a dense
//! weight, which has a kernel of its own.

use unlearn_kernels::{Algorithm, Buffer, ConvShape, channel_sums, token_weight_gradient};

use super::{Convolution, Layer, convolution};
use crate::{
    Collect, NodeId, Op, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(planning: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::Linear { weight, bias }) = op else { return None };
    let [out_channels, in_channels] = planning.graph.parameters[weight].shape[..] else { return None };
    let shape = ConvShape { in_channels, out_channels, kernel: 1, stride: 1, padding: 0, groups: 1 };
    Some(Box::new(TokenLinear(Convolution {
        kernel: convolution::chosen_kernel(planning, shape, weight),
        weight,
        bias,
    })))
}

struct TokenLinear(Convolution);

impl Layer<f32> for TokenLinear {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        self.0.forward(step, pass, out);
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (input, output, x) = (pass.maps(step.input), pass.maps(step.output), pass.value(step.input));
        let Convolution { kernel, weight, bias } = &self.0;
        match &mut *pass.collect {
            Collect::Gradients { gradients, .. } if kernel.algorithms().weight_gradient != Algorithm::Sparse => {
                token_weight_gradient(x, &input, &gradient, &output, &mut gradients.parameters[*weight]);
                if let Some(bias) = bias {
                    gradients.parameters[*bias] = channel_sums(&gradient, &output);
                }
            }
            collect => self.0.collect(collect, (x, &input), (&gradient, &output)),
        }
        self.0.pass_on(step, pass, gradient);
    }
}

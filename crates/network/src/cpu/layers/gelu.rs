//! GELU.

use unlearn_kernels::{Buffer, gelu, gelu_backward};

use super::Layer;
use crate::{
    NodeId, Op, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    matches!(op, Op::Token(TokenOp::Gelu)).then(|| Box::new(Gelu) as Box<dyn Layer<f32>>)
}

struct Gelu;

impl Layer<f32> for Gelu {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        gelu(pass.value(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (maps, x) = (pass.maps(step.output), pass.value(step.input));
        pass.replace(step.input, gradient, |dy, dx| gelu_backward(x, dy, dx, &maps));
    }
}

//! The first token.

use unlearn_kernels::{Buffer, first_token, first_token_backward};

use super::Layer;
use crate::{
    NodeId, Op, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    matches!(op, Op::Token(TokenOp::First)).then(|| Box::new(First) as Box<dyn Layer<f32>>)
}

struct First;

impl Layer<f32> for First {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        first_token(pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        pass.replace(step.input, gradient, |dy, dx| first_token_backward(dy, &output, dx, &input));
    }
}

//! The tokens of each square of a map become one token.

use unlearn_kernels::{Buffer, Squares, merge_tokens, merge_tokens_backward};

use super::Layer;
use crate::{
    NodeId, Op, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::Merge { map, side }) = op else { return None };
    Some(Box::new(Merge(Squares { map, side })))
}

struct Merge(Squares);

impl Layer<f32> for Merge {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        merge_tokens(self.0, pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        pass.replace(step.input, gradient, |dy, dx| merge_tokens_backward(self.0, dy, &output, dx, &input));
    }
}

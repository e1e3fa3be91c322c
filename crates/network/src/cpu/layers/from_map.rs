//! Pixels become tokens. Both have one layout, so this is a copy.

use unlearn_kernels::Buffer;

use super::Layer;
use crate::{
    NodeId, Op, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    matches!(op, Op::Token(TokenOp::FromMap)).then(|| Box::new(FromMap) as Box<dyn Layer<f32>>)
}

struct FromMap;

impl Layer<f32> for FromMap {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        let len = pass.maps(step.output).len();
        out[..len].copy_from_slice(&pass.value(step.input)[..len]);
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        pass.deliver(step.input, gradient);
    }
}

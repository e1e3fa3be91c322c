//! A ReLU, max(x, 0), that is not fused into a normalisation.

use unlearn_kernels::{Buffer, relu, relu_backward};

use super::Layer;
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    matches!(op, Op::Relu).then(|| Box::new(Relu) as Box<dyn Layer>)
}

struct Relu;

impl Layer for Relu {
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]) {
        relu(pass.value(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer) {
        let maps = pass.maps(step.output);
        let y = pass.value(step.output);
        pass.replace(step.input, gradient, |dy, dx| relu_backward(y, dy, dx, &maps));
    }
}

//! A ReLU, max(x, 0), that is not fused into a normalisation.

use unlearn_kernels::{Buffer, relu, relu_backward};

use super::{Format, Layer};
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    matches!(op, Op::Relu).then(|| Box::new(Relu) as Box<dyn Layer<E>>)
}

struct Relu;

impl<E: Format> Layer<E> for Relu {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        relu(pass.value(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        let maps = pass.maps(step.output);
        let y = pass.value(step.output);
        pass.replace(step.input, gradient, |dy, dx| relu_backward(y, dy, dx, &maps));
    }
}

//! The largest value of each window.

use unlearn_kernels::{Buffer, Window, max_pool, max_pool_backward};

use super::{Format, Layer};
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    let &Op::MaxPool2d { kernel, stride, padding } = op else { return None };
    Some(Box::new(MaxPool(Window { side: kernel, stride, padding })))
}

struct MaxPool(Window);

impl<E: Format> Layer<E> for MaxPool {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        max_pool(self.0, pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let x = pass.value(step.input);
        pass.replace(step.input, gradient, |dy, dx| max_pool_backward(self.0, x, &input, dy, &output, dx));
    }
}

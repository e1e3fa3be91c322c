//! The largest value of each window.

use unlearn_kernels::{Buffer, Window, max_pool, max_pool_backward};

use super::Layer;
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    let &Op::MaxPool2d { kernel, stride, padding } = op else { return None };
    Some(Box::new(MaxPool(Window { side: kernel, stride, padding })))
}

struct MaxPool(Window);

impl Layer for MaxPool {
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]) {
        max_pool(self.0, pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let x = pass.value(step.input);
        pass.replace(step.input, gradient, |dy, dx| max_pool_backward(self.0, x, &input, dy, &output, dx));
    }
}

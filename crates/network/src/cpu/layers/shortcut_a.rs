//! The option-A shortcut: every `stride`-th pixel, with zero channels added on both sides.

use unlearn_kernels::{Buffer, shortcut_a, shortcut_a_backward};

use super::{Format, Layer};
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    let Op::ShortcutA { stride, .. } = op else { return None };
    Some(Box::new(ShortcutA { stride: *stride }))
}

struct ShortcutA {
    stride: usize,
}

impl<E: Format> Layer<E> for ShortcutA {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        shortcut_a(pass.value(step.input), &input, self.stride, out, &output);
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        pass.replace(step.input, gradient, |dy, dx| shortcut_a_backward(dy, &output, self.stride, dx, &input));
    }
}

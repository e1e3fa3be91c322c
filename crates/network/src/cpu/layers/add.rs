//! The sum of two maps that is not fused into a normalisation.

use unlearn_kernels::{Buffer, add};

use super::{Format, Layer};
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    matches!(op, Op::Add).then(|| Box::new(Add) as Box<dyn Layer<E>>)
}

struct Add;

impl<E: Format> Layer<E> for Add {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        let other = step.other.unwrap_or(step.input);
        add(pass.value(step.input), pass.value(other), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        if let Some(other) = step.other {
            let len = pass.maps(step.output).len();
            let mut copy = pass.buffers.take(len);
            copy[..len].copy_from_slice(&gradient[..len]);
            pass.deliver(other, copy);
        }
        pass.deliver(step.input, gradient);
    }
}

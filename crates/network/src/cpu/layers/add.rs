//! The sum of two maps that is not fused into a normalisation.

use unlearn_kernels::{Buffer, add};

use super::Layer;
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    matches!(op, Op::Add).then(|| Box::new(Add) as Box<dyn Layer>)
}

struct Add;

impl Layer for Add {
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]) {
        let other = step.other.unwrap_or(step.input);
        add(pass.value(step.input), pass.value(other), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer) {
        if let Some(other) = step.other {
            let len = pass.maps(step.output).len();
            let mut copy = pass.buffers.take(len);
            copy[..len].copy_from_slice(&gradient[..len]);
            pass.deliver(other, copy);
        }
        pass.deliver(step.input, gradient);
    }
}

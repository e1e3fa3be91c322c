//! The mean over all pixels.

use unlearn_kernels::{Buffer, global_avg_pool, global_avg_pool_backward};

use super::{Format, Layer};
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan<E: Format>(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<E>>> {
    matches!(op, Op::GlobalAvgPool).then(|| Box::new(GlobalAvgPool) as Box<dyn Layer<E>>)
}

struct GlobalAvgPool;

impl<E: Format> Layer<E> for GlobalAvgPool {
    fn forward(&self, step: &Step<E>, pass: &mut Forward<'_, E>, out: &mut [E]) {
        global_avg_pool(pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<E>, pass: &mut Backward<'_, '_, E>, gradient: Buffer<E>) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        pass.replace(step.input, gradient, |dy, dx| global_avg_pool_backward(dy, &output, dx, &input));
    }
}

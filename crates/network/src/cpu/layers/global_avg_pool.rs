//! The mean over all pixels.

use unlearn_kernels::{Buffer, global_avg_pool, global_avg_pool_backward};

use super::Layer;
use crate::{
    NodeId, Op,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    matches!(op, Op::GlobalAvgPool).then(|| Box::new(GlobalAvgPool) as Box<dyn Layer>)
}

struct GlobalAvgPool;

impl Layer for GlobalAvgPool {
    fn forward(&self, step: &Step, pass: &mut Forward<'_>, out: &mut [f32]) {
        global_avg_pool(pass.value(step.input), &pass.maps(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step, pass: &mut Backward<'_, '_>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        pass.replace(step.input, gradient, |dy, dx| global_avg_pool_backward(dy, &output, dx, &input));
    }
}

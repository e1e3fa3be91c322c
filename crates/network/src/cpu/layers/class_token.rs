//! A learnt token before the others.

use unlearn_kernels::{Buffer, LANES, class_token, class_token_backward};

use super::{Layer, collect_by_sample};
use crate::{
    NodeId, Op, ParameterId, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::ClassToken { token }) = op else { return None };
    Some(Box::new(ClassToken { token }))
}

struct ClassToken {
    token: ParameterId,
}

impl Layer<f32> for ClassToken {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        class_token(&pass.state.parameters()[self.token], pass.value(step.input), &input, out, &output);
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let len = output.bundles() * output.channels * LANES;
        let mut dtoken = pass.buffers.take(len);
        pass.replace(step.input, gradient, |dy, dx| class_token_backward(dy, &output, dx, &input, &mut dtoken[..len]));
        collect_by_sample(pass.collect, self.token, &dtoken[..len], output.batch);
        pass.buffers.give(dtoken);
    }
}

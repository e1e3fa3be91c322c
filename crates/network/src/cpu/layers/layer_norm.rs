//! Layer normalisation over the features of each token.

use unlearn_kernels::{Buffer, LANES, LayerNormParameters, layer_norm, layer_norm_backward};

use super::{Layer, collect_by_sample};
use crate::{
    NodeId, Op, ParameterId, State, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::LayerNorm { weight, bias, epsilon }) = op else { return None };
    Some(Box::new(LayerNorm { weight, bias, epsilon }))
}

struct LayerNorm {
    weight: ParameterId,
    bias: ParameterId,
    epsilon: f64,
}

impl LayerNorm {
    fn parameters<'a>(&self, state: &'a State) -> LayerNormParameters<'a> {
        let values = state.parameters();
        LayerNormParameters { weight: &values[self.weight], bias: &values[self.bias], epsilon: self.epsilon }
    }
}

impl Layer<f32> for LayerNorm {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        layer_norm(self.parameters(pass.state), pass.value(step.input), out, &pass.maps(step.output));
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (maps, x) = (pass.maps(step.output), pass.value(step.input));
        let (parameters, len) = (self.parameters(pass.state), maps.bundles() * maps.channels * LANES);
        let (mut dweight, mut dbias) = (pass.buffers.take(len), pass.buffers.take(len));
        pass.replace(step.input, gradient, |dy, dx| {
            layer_norm_backward(parameters, x, dy, dx, &maps, &mut dweight[..len], &mut dbias[..len]);
        });
        for (parameter, by_sample) in [(self.weight, dweight), (self.bias, dbias)] {
            collect_by_sample(pass.collect, parameter, &by_sample[..len], maps.batch);
            pass.buffers.give(by_sample);
        }
    }
}

//! A learnt value for each token, added by its position.

use unlearn_kernels::{Buffer, LANES, add_positions, positions_by_sample};

use super::{Layer, collect_by_sample};
use crate::{
    NodeId, Op, ParameterId, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(_: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::Position { embedding }) = op else { return None };
    Some(Box::new(Position { embedding }))
}

struct Position {
    embedding: ParameterId,
}

impl Layer<f32> for Position {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        let maps = pass.maps(step.output);
        add_positions(&pass.state.parameters()[self.embedding], pass.value(step.input), out, &maps);
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let maps = pass.maps(step.output);
        let len = maps.bundles() * maps.channels * maps.height * maps.width * LANES;
        let mut by_sample = pass.buffers.take(len);
        positions_by_sample(&gradient, &maps, &mut by_sample[..len]);
        collect_by_sample(pass.collect, self.embedding, &by_sample[..len], maps.batch);
        pass.buffers.give(by_sample);
        pass.deliver(step.input, gradient);
    }
}

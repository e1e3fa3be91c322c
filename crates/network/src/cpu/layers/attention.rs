//! Attention among all tokens, or within the windows of a map of tokens.

use unlearn_kernels::{self as kernels, Buffer, LANES, Windows};

use super::{Layer, collect_by_sample};
use crate::{
    NodeId, Op, ParameterId, TokenOp,
    cpu::{
        pass::{Backward, Forward},
        plan::{Planning, Step},
    },
};

pub(super) fn plan(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let (kernel, table) = match *op {
        Op::Token(TokenOp::Attention { heads }) => {
            (kernels::Attention::among_all(planning.graph.nodes[node].shape[0], heads), None)
        }
        Op::Token(TokenOp::WindowAttention { map, window, shift, heads, table }) => {
            (kernels::Attention::within(Windows { map, side: window, shift }, heads), Some(table))
        }
        _ => return None,
    };
    Some(Box::new(Attention { kernel, table }))
}

struct Attention {
    kernel: kernels::Attention,
    /// The biases of windows.
    table: Option<ParameterId>,
}

impl Attention {
    fn table<'a>(&self, parameters: &'a [Vec<f32>]) -> &'a [f32] {
        self.table.map_or(&[], |table| &parameters[table])
    }
}

impl Layer<f32> for Attention {
    fn forward(&self, step: &Step<f32>, pass: &mut Forward<'_, f32>, out: &mut [f32]) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        self.kernel.forward(self.table(pass.state.parameters()), pass.value(step.input), &input, out, &output);
    }

    fn backward(&self, step: &Step<f32>, pass: &mut Backward<'_, '_, f32>, gradient: Buffer) {
        let (input, output) = (pass.maps(step.input), pass.maps(step.output));
        let (x, table) = (pass.value(step.input), self.table(pass.state.parameters()));
        let len = output.bundles() * table.len() * LANES;
        let mut dtable = pass.buffers.take(len);
        pass.replace(step.input, gradient, |dy, dx| {
            self.kernel.backward(table, x, &input, dy, &output, dx, &mut dtable[..len]);
        });
        if let Some(table) = self.table {
            collect_by_sample(pass.collect, table, &dtable[..len], output.batch);
        }
        pass.buffers.give(dtable);
    }
}

//! The mean of all tokens: that of all pixels.

use super::{Layer, global_avg_pool};
use crate::{NodeId, Op, TokenOp, cpu::plan::Planning};

pub(super) fn plan(planning: &Planning<'_>, node: NodeId, op: &Op) -> Option<Box<dyn Layer<f32>>> {
    let &Op::Token(TokenOp::Mean) = op else { return None };
    global_avg_pool::plan(planning, node, &Op::GlobalAvgPool)
}

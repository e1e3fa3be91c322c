//! The fully connected layer on every token: a convolution with a kernel of one pixel.

use super::{Convolution, Layer, convolution};
use crate::{NodeId, Op, TokenOp, cpu::plan::Planning};

pub(super) fn plan(planning: &Planning<'_>, _: NodeId, op: &Op) -> Option<Box<dyn Layer>> {
    let &Op::Token(TokenOp::Linear { weight, bias }) = op else { return None };
    let [out_channels, in_channels] = planning.graph.parameters[weight].shape[..] else { return None };
    let shape = unlearn_kernels::ConvShape { in_channels, out_channels, kernel: 1, stride: 1, padding: 0, groups: 1 };
    Some(Box::new(Convolution { kernel: convolution::chosen_kernel(planning, shape, weight), weight, bias }))
}

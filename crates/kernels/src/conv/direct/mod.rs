//! The direct algorithm multiplies every tap as the definition says, with a block of channels in registers. It
//! supports every kernel, stride and padding.

mod gather;
mod packed;
mod panel;
mod taps;
mod weight_gradient;

pub(super) use self::{
    gather::{forward, input_gradient},
    weight_gradient::{gradients_by_sample, weight_gradient},
};

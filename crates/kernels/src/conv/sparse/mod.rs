//! The sparse algorithm: kept weights only, wherever they are. For every kernel, stride, padding and pattern.
//!
//! A task copies the rows that it reads into a panel with zeros around the borders. There a kept weight is an offset: whatever
//! the pixel, it reads so far from the pixel's own place. A written channel walks its offsets with a few pixels in registers,
//! so that the work is in proportion to the weights kept. The pattern is fixed and listed once; values come with each call.

mod axis;
mod gather;
mod panel;
mod pattern;
mod weight_gradient;

pub(super) use self::{
    gather::{forward, input_gradient},
    pattern::Pattern,
    weight_gradient::{gradients_by_sample, weight_gradient},
};

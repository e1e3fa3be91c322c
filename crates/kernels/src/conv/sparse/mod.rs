//! The sparse algorithm visits kept weights only, wherever they are. It supports every kernel, stride, padding and
//! pattern.
//!
//! A task copies the rows that it reads into a panel with zeros around the borders. In a panel, a kept weight is an
//! offset: the distance between a pixel's own place and the value that the weight multiplies is the same for all
//! pixels. For each written channel, the kernel walks over the channel's offsets with a few pixels in registers. So
//! the work is proportional to the number of kept weights. The pattern is fixed and listed once; the weights' values
//! come with each call.

mod axis;
mod gather;
mod panel;
mod pattern;
mod tile;
mod weight_gradient;

pub(super) use self::{
    gather::{forward, input_gradient},
    pattern::Pattern,
    weight_gradient::{Gradient, gradients_by_sample, weight_gradient},
};

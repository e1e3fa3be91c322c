//! Sparsity masks: which weights of a model are kept and which are exactly zero.
//!
//! A mask says *which* weights are pruned, never why. Criteria and schedules are in `unlearn-pruning`. Every training
//! and unlearning method takes the mask as given and keeps it. The crate uses no tensor library: weights are plain
//! `f32` slices with a shape.
//!
//! The crate has three concepts:
//!
//! - [`Bits`] is one tensor of keep-or-prune decisions, with one bit per weight.
//! - [`Mask`] maps parameter names to [`Bits`]. A parameter that a mask does not name is kept whole. Masks cover
//!   convolutions and linear layers, and not biases and normalisation.
//! - A mask file is a safetensors file whose bytes depend on the mask alone, so that equal masks give equal files.
//!   [`Mask::to_bytes`] describes the layout and the policy for other versions.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod bits;
mod error;
mod file;
mod mask;
mod ranking;

pub use bits::Bits;
pub use error::{Error, Result, Tensors};
pub use file::{FORMAT, KIND, METADATA_KEY, MOST};
pub use mask::{LayerCount, Mask};
pub use ranking::{Ranked, keep_highest};
